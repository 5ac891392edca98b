# SPDX-License-Identifier: Apache-2.0
"""The IP core that a server asks for: by its flavor or, where the operator allows that, by its image."""

from __future__ import annotations

import dataclasses
from typing import Any

from fpga_nova.nova import options

#: The extra spec whose value is the Glance id (a UUID) of the IP core that the server's region is programmed with.
EXTRA_SPEC = "hw:fpga_ip_id"

#: The image property of the same meaning; it counts only with `[fpga] image_ip_cores`, and a flavor's comes first.
IMAGE_PROPERTY = "hw_fpga_ip_id"

# Nova keeps an image's properties in the server's system_metadata, with this prefix.
_SYSTEM_METADATA_KEY = f"image_{IMAGE_PROPERTY}"

# The scheduler gets the image without the properties that Nova does not know, so the API hands this one over as a
# scheduler hint. A hint of this name in the user's own request has no effect: the API overwrites or removes it, and
# without the option it is not read.
_HINT = "fpga_ip_id"


@dataclasses.dataclass(frozen=True)
class CoreRequest:
    """An IP core that a server asks for.

    :param image_id: its Glance id as written in the flavor or image; it is checked to be a UUID where it is used
    :param from_image: whether the server's image asks for it, and not its flavor; such a core is fetched with the
        rights of the user that boots the server
    """

    image_id: str
    from_image: bool = False


def of_flavor(flavor: Any) -> CoreRequest | None:
    """Return what `flavor` (a nova.objects.Flavor) asks for, or None."""
    core = _text((flavor.extra_specs or {}).get(EXTRA_SPEC))
    return CoreRequest(core) if core else None


def of_instance(instance: Any) -> CoreRequest | None:
    """Return what a nova.objects.Instance asks for, or None."""
    request = of_flavor(instance.flavor)
    if request is None and options.CONF.fpga.image_ip_cores and "system_metadata" in instance:
        core = _text(instance.system_metadata.get(_SYSTEM_METADATA_KEY))
        return CoreRequest(core, from_image=True) if core else None
    return request


def of_request_spec(spec: Any) -> CoreRequest | None:
    """Return what a nova.objects.RequestSpec asks for, or None."""
    if "flavor" in spec and "extra_specs" in spec.flavor:
        request = of_flavor(spec.flavor)
        if request is not None:
            return request
    if options.CONF.fpga.image_ip_cores and "scheduler_hints" in spec and spec.scheduler_hints:
        core = _text(next(iter(spec.scheduler_hints.get(_HINT, ())), None))
        return CoreRequest(core, from_image=True) if core else None
    return None


def hand_over(spec: Any, image: Any) -> None:
    """Tell the scheduler which IP core the server's image asks for. Runs in the API.

    :param spec: a new nova.objects.RequestSpec
    :param image: the image's metadata, a dict; for a server that boots from a volume, the volume's image metadata
    """
    if not options.CONF.fpga.image_ip_cores:
        return
    core = _text((image.get("properties") or {}).get(IMAGE_PROPERTY))
    hints = dict(spec.scheduler_hints or {})
    if core is None and _HINT not in hints:
        return
    hints.pop(_HINT, None)
    if core is not None:
        hints[_HINT] = [core]
    spec.scheduler_hints = hints


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
