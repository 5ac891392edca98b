# SPDX-License-Identifier: Apache-2.0
"""nova-api: the validator of the extra spec."""

from __future__ import annotations

from fpga_nova.doctor.findings import FailureFound
from fpga_nova.doctor.inspected_host import HostInspection
from fpga_nova.nova.core_requests import EXTRA_SPEC

# A made-up id of an image.
_ID = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"


def check_extra_spec(host: HostInspection) -> str:
    """nova-api knows the extra spec: it takes an id and refuses anything else."""
    host.require_conf()
    try:
        from nova import exception
        from nova.api.validation.extra_specs import validators
    except ImportError as error:
        raise FailureFound(f"Nova's validators cannot be loaded: {error}") from error
    if EXTRA_SPEC not in validators.VALIDATORS:
        raise FailureFound(
            f"{EXTRA_SPEC} is not registered, so nova-api refuses it from microversion 2.86 on; install "
            "fpga-nova into the Python of nova-api and restart that"
        )
    validators.validate(EXTRA_SPEC, _ID)
    try:
        validators.validate(EXTRA_SPEC, "not an id")
    except exception.ValidationError:
        return f"{EXTRA_SPEC} is validated"
    raise FailureFound(f"{EXTRA_SPEC} is registered by another package, and takes any value; remove that package")
