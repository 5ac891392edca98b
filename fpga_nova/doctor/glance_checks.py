# SPDX-License-Identifier: Apache-2.0
"""Glance: the container format of IP cores, asked for as Nova's own user and as fpga-cli."""

from __future__ import annotations

from typing import Any

from keystoneauth1 import exceptions as ksa_exceptions
from keystoneauth1 import loading

from fpga_nova import errors
from fpga_nova.clients import glance
from fpga_nova.conf import GROUP
from fpga_nova.doctor.findings import FailureFound, NotChecked, Passed
from fpga_nova.doctor.inspected_host import HostInspection
from fpga_nova.ip_cores import source

#: Groups of nova.conf with credentials of a service's user, the likeliest first.
_CREDENTIALS = ("service_user", "placement")

#: Seconds without an answer from Keystone or Glance.
_TIMEOUT = 30


def check_container_format(host: HostInspection) -> str:
    """Glance takes images of IP cores, as Nova's own user is told."""
    conf = host.conf
    try:
        group = next((each for each in _CREDENTIALS if conf[each].auth_type), None)
        if group is None:
            raise NotChecked("nova.conf has no credentials to ask Glance with")
        auth = loading.load_auth_from_conf_options(conf, group)
        session = loading.load_session_from_conf_options(conf, group, auth=auth)
        adapter: dict[str, Any] = {}
        loading.adapter.process_conf_options(conf.glance, adapter)
    except (ksa_exceptions.ClientException, TypeError) as error:
        raise NotChecked(f"the credentials in [{group}] of nova.conf cannot be used: {error}") from error
    if conf.glance.api_servers:
        adapter["endpoint_override"] = conf.glance.api_servers[0]
    try:
        return _require_format(session, {key: value for key, value in adapter.items() if value is not None})
    except errors.ImageNotAvailable as error:
        raise NotChecked(f"{error} (asked with the credentials in [{group}] of nova.conf)") from error


def check_credentials(host: HostInspection) -> Passed:
    """fpga-cli's own credentials work, and Glance takes images of IP cores."""
    foreign = host.without_own_fpga_cli()
    if foreign:
        return foreign
    try:
        session, adapter = glance.session_from_conf(host.fpga, GROUP)
        return _require_format(session, adapter)
    except errors.ImageNotAvailable as error:
        raise FailureFound(f"{error}; see auth_type and its options in {host.fpga_config}") from error


def _require_format(session: Any, adapter: dict[str, Any]) -> str:
    session.timeout = min(session.timeout or _TIMEOUT, _TIMEOUT)
    formats = glance.GlanceImages(session, **adapter).container_formats()
    if source.CONTAINER_FORMAT not in formats:
        raise FailureFound(
            f"Glance takes no container format {source.CONTAINER_FORMAT}; in glance-api.conf, [image_format] "
            f"container_formats = {','.join([*formats, source.CONTAINER_FORMAT])}, and restart it"
        )
    return f"Glance answers, and takes the container format {source.CONTAINER_FORMAT}"
