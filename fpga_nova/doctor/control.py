# SPDX-License-Identifier: Apache-2.0
"""What the controllers need: the scheduler's filter, the extra spec's validator, Glance's container format."""

from __future__ import annotations

from typing import Any

from keystoneauth1 import exceptions as ksa_exceptions
from keystoneauth1 import loading

from fpga_nova import errors
from fpga_nova.clients import glance
from fpga_nova.conf import GROUP
from fpga_nova.doctor.findings import Failed, NotChecked
from fpga_nova.doctor.inspected_host import HostInspection
from fpga_nova.ip_cores import source
from fpga_nova.nova.core_requests import EXTRA_SPEC

_FILTER = "FpgaFilter"

#: Groups of nova.conf with credentials of a service's user, the likeliest first.
_CREDENTIALS = ("service_user", "placement")

#: Seconds without an answer from Keystone or Glance.
_TIMEOUT = 30


def scheduler_filter(host: HostInspection) -> str:
    """FpgaFilter is enabled, and can be loaded."""
    options = host.conf.filter_scheduler
    if _FILTER not in options.enabled_filters:
        raise Failed(
            f"[filter_scheduler] enabled_filters has no {_FILTER}; add it, as the last, and restart the scheduler"
        )
    try:
        from nova.scheduler import filters

        found = filters.HostFilterHandler().get_matching_classes(options.available_filters)
    except ImportError as error:
        raise Failed(f"the filters of [filter_scheduler] available_filters cannot be loaded: {error}") from error
    if _FILTER not in {each.__name__ for each in found}:
        raise Failed(
            "[filter_scheduler] available_filters does not lead to it; add the line available_filters = "
            f"nova.scheduler.filters.fpga_filter.{_FILTER}"
        )
    return f"{_FILTER} is enabled"


def extra_spec(host: HostInspection) -> str:
    """nova-api knows the extra spec: it takes an id and refuses anything else."""
    host.conf  # noqa: B018 - without Nova there is nothing to import
    try:
        from nova import exception
        from nova.api.validation.extra_specs import validators
    except ImportError as error:
        raise Failed(f"Nova's validators cannot be loaded: {error}") from error
    if EXTRA_SPEC not in validators.VALIDATORS:
        raise Failed(
            f"{EXTRA_SPEC} is not registered, so nova-api refuses it from microversion 2.86 on; install "
            "fpga-nova into the Python of nova-api and restart that"
        )
    validators.validate(EXTRA_SPEC, "dd834aa4-f950-40e6-8c23-9dab7f3f0138")
    try:
        validators.validate(EXTRA_SPEC, "no id")
    except exception.ValidationError:
        return f"{EXTRA_SPEC} is validated"
    raise Failed(f"{EXTRA_SPEC} is registered by another package, and takes any value; remove that package")


def container_format(host: HostInspection) -> str:
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
        return _formats(session, {key: value for key, value in adapter.items() if value is not None})
    except errors.ImageNotAvailable as error:
        raise NotChecked(f"{error} (asked with the credentials in [{group}] of nova.conf)") from error


def credentials(host: HostInspection) -> str:
    """fpga-cli's own credentials work, and Glance takes images of IP cores."""
    from fpga_nova.doctor import compute_checks

    compute_checks.require_own(host)
    try:
        session, adapter = glance.session_from_conf(host.fpga, GROUP)
        return _formats(session, adapter)
    except errors.ImageNotAvailable as error:
        raise Failed(f"{error}; see auth_type and its options in {host.fpga_config}") from error


def _formats(session: Any, adapter: dict[str, Any]) -> str:
    session.timeout = min(session.timeout or _TIMEOUT, _TIMEOUT)
    formats = glance.GlanceImages(session, **adapter).container_formats()
    if source.CONTAINER_FORMAT not in formats:
        raise Failed(
            f"Glance takes no container format {source.CONTAINER_FORMAT}; in glance-api.conf, [image_format] "
            f"container_formats = {','.join([*formats, source.CONTAINER_FORMAT])}, and restart it"
        )
    return f"Glance answers, and takes the container format {source.CONTAINER_FORMAT}"
