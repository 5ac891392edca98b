# SPDX-License-Identifier: Apache-2.0
"""The doctor on the scheduler's filter and nova-api's validator."""

from __future__ import annotations

import pytest

from fpga_nova.doctor import api_checks, scheduler_checks
from tests.support.doctor_world import FAILURE, SUCCESS, WARNING


def test_enabled_filter_is_well(world):
    world.nova["filter_scheduler"]["available_filters"] = "nova.scheduler.filters.fpga_filter.FpgaFilter"
    assert world.examine(scheduler_checks.check_filter) == (SUCCESS, "FpgaFilter is enabled")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("enabled_filters", "ComputeFilter", "enabled_filters has no FpgaFilter"),
        (
            "available_filters",
            "nova.scheduler.filters.compute_filter.ComputeFilter",
            "add the line available_filters = nova.scheduler.filters.fpga_filter.FpgaFilter",
        ),
        ("available_filters", "nova.nowhere.Filter", "cannot be loaded: No module named 'nova.nowhere'"),
    ],
)
def test_filter_that_cannot_be_found_fails_with_the_fix(world, option, value, words):
    world.nova["filter_scheduler"][option] = value
    result, details = world.examine(scheduler_checks.check_filter)
    assert (result, words in details) == (FAILURE, True), details


@pytest.mark.parametrize("look", [scheduler_checks.check_filter, api_checks.check_extra_spec])
def test_unknown_configuration_is_not_checked(world, look):
    world.nova = None
    assert world.examine(look) == (WARNING, "not checked: Nova's configuration is not known")


def test_registered_extra_spec_is_well(world, monkeypatch):
    from nova.api.validation.extra_specs import validators

    from fpga_nova.nova import extra_specs

    for validator in extra_specs.register():
        monkeypatch.setitem(validators.VALIDATORS, validator.name, validator)
    assert world.examine(api_checks.check_extra_spec) == (SUCCESS, "hw:fpga_ip_id is validated")


def test_missing_extra_spec_fails(world, monkeypatch):
    from nova.api.validation.extra_specs import validators

    monkeypatch.delitem(validators.VALIDATORS, "hw:fpga_ip_id", raising=False)
    result, details = world.examine(api_checks.check_extra_spec)
    assert (result, "is not registered" in details) == (FAILURE, True)


def test_extra_spec_of_another_package_fails(world, monkeypatch):
    from nova.api.validation.extra_specs import base, validators

    anything = base.ExtraSpecValidator("hw:fpga_ip_id", "not ours", value={"type": str, "pattern": ".*"})
    monkeypatch.setitem(validators.VALIDATORS, "hw:fpga_ip_id", anything)
    result, details = world.examine(api_checks.check_extra_spec)
    assert (result, "takes any value" in details) == (FAILURE, True)
