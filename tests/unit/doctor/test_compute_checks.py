# SPDX-License-Identifier: Apache-2.0
"""The doctor on nova-compute's options."""

from __future__ import annotations

import pytest

from fpga_nova.doctor.compute_checks import check_executable, check_options, check_status
from tests.support.doctor_world import FAILURE, SUCCESS, WARNING


def test_consistent_options_are_well(world):
    assert world.examine(check_options) == (SUCCESS, "fpga_exec is fpga-cli")


@pytest.mark.parametrize(
    ("section", "option", "value", "result", "words"),
    [
        ("DEFAULT", "fpga_access", False, WARNING, "fpga_exec is set, but FPGAs are off"),
        ("DEFAULT", "fpga_exec", None, FAILURE, "[DEFAULT] fpga_exec = fpga-cli"),
        ("DEFAULT", "fpga_simulation_mode", True, WARNING, "[DEFAULT] fpga_simulation_mode = False"),
        ("fpga", "endpoint_path", "/run/elsewhere", FAILURE, "make them the same"),
    ],
)
def test_forgotten_option_is_found_with_the_fix(world, section, option, value, result, words):
    if value is None:
        del world.nova[section][option]
    else:
        world.nova[section][option] = value
    found, details = world.examine(check_options)
    assert (found, words in details) == (result, True), details


def test_options_of_a_host_without_fpga_do_not_apply(world):
    world.nova["DEFAULT"] = {}
    world.fpga = None
    assert world.examine(check_options) == (SUCCESS, "does not apply: fpga_access is False on this host")


@pytest.mark.parametrize("look", [check_executable, check_status])
def test_missing_fpga_exec_is_not_checked_twice(world, look):
    del world.nova["DEFAULT"]["fpga_exec"]
    assert world.examine(look) == (WARNING, "not checked: fpga_exec is not set")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("bin/fpga-cli", "a relative path"),
        ("fpga-other", "fpga-other is in none of the exec_dirs of rootwrap.conf"),
        ("/nowhere/fpga-cli", "not an executable file"),
    ],
)
def test_executable_that_rootwrap_does_not_find_fails(world, value, words):
    world.nova["DEFAULT"]["fpga_exec"] = value
    result, details = world.examine(check_executable, user="nobody")
    assert (result, words in details) == (FAILURE, True), details


def test_status_for_an_unknown_user_is_not_checked(world):
    host = world.inspection(user=None)
    host.nova_uid = None
    with pytest.raises(Exception, match="name the user of nova-compute with --nova-user"):
        check_status(host)
