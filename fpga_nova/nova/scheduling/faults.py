# SPDX-License-Identifier: Apache-2.0
"""The fault of a server that could be built on no host, as the conductor records it."""

from __future__ import annotations

from typing import Any

from nova import exception

from fpga_nova import errors
from fpga_nova.nova import core_requests


def explain_failure(error: Exception, instance: Any, filter_properties: dict[str, Any]) -> Exception:
    """Return the exception that the conductor puts into the fault of a server with no host left to try.

    Nova drops the last host's reason where it runs out of hosts before it runs out of attempts. A fault has room
    for 255 characters, so for a server with an FPGA the last reason comes first.

    :param error: what Nova would put there
    :param instance: nova.objects.Instance
    :param filter_properties: as nova-compute sent them with the server, `retry` included
    """
    last = (filter_properties.get("retry") or {}).get("exc_reason")
    if not last or not isinstance(error, exception.NoValidHost) or core_requests.of_instance(instance) is None:
        return error
    last_reason = errors.one_line(str(last)).rstrip(".")
    reason_of_nova = str(error.kwargs.get("reason", "")).partition(" Last exception:")[0]
    refusal: Exception = exception.MaxRetriesExceeded(reason=f"{last_reason}. {reason_of_nova}".rstrip())
    return refusal
