# SPDX-License-Identifier: Apache-2.0
"""The doctor on what rootwrap admits, by rootwrap's own matching; nothing is run."""

from __future__ import annotations

import re

import pytest

from fpga_nova.doctor.rootwrap_checks import check_admission, check_files
from tests.support.doctor_world import FAILURE, FILTERS, SUCCESS, WARNING

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def admission(world):
    return world.examine(check_admission, user="nobody")


def test_shipped_filters_are_well(world):
    result, details = admission(world)
    assert (result, details.startswith("what Nova calls is admitted")) == (SUCCESS, True), details


@pytest.mark.parametrize("look", [check_admission, check_files])
def test_nova_compute_of_root_needs_no_rootwrap(world, look):
    result, details = world.examine(look, user="root")
    assert (result, details.startswith("does not apply: nova-compute runs as root")) == (SUCCESS, True)


def remove_filter(world):
    (world.path / "rootwrap.d" / "fpga.filters").unlink()


def absolute_path(world):
    world.nova["DEFAULT"]["fpga_exec"] = world.path / "bin" / "fpga-cli"


def missing_conf(world):
    world.nova["DEFAULT"]["rootwrap_config"] = "/nowhere/rootwrap.conf"


def conf_without_section(world):
    (world.path / "rootwrap.conf").write_text("filters_path = x\n")


def empty_conf(world):
    (world.path / "rootwrap.conf").write_text("[DEFAULT]\n")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (remove_filter, "`fpga-cli status' is not admitted; copy "),
        (absolute_path, "the filter knows the bare name: fpga_exec = fpga-cli"),
        (lambda world: world.stand_in(), "write a filter for it"),
        (missing_conf, "/nowhere/rootwrap.conf is not there"),
        (conf_without_section, "cannot be read"),
        (empty_conf, "cannot be read"),
    ],
)
def test_refused_call_of_nova_fails_with_the_fix(world, change, words):
    change(world)
    result, details = admission(world)
    assert (result, words in details) == (FAILURE, True), details


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("x: CommandFilter, fpga-cli, root", "the filter x (CommandFilter) admits 'fpga-cli"),
        ("x: RegExpFilter, fpga-cli, root, fpga-cli, .*, .*", "(RegExpFilter) admits"),
        (f"x: RegExpFilter, fpga-cli, root, fpga-cli, burn, {UUID}", "admits 'fpga-cli burn"),
        ("x: RegExpFilter, fpga-cli, root, fpga-cli, burn, --file, .*", "burn --file"),
        ("x: RegExpFilter, fpga-cli, root, fpga-cli, status", "admits 'fpga-cli status\\n', which"),
        (f"x: RegExpFilter, fpga-cli, root, fpga-cli, release, {UUID}", "release"),
        ("x: CommandFilter, /bin/sh, root", "sh -c id'"),
        ("x: RegExpFilter", "cannot be read"),
    ],
)
def test_loose_filter_fails_with_what_it_admits(world, line, words):
    world.add_filters(line)
    result, details = admission(world)
    assert (result, words in details) == (FAILURE, True), details


def test_stand_in_with_the_filters_of_the_head_of_the_file_is_well(world):
    world.stand_in()
    world.add_filters(*re.findall(r"^#   (fpga_other_.*)$", FILTERS.read_text(), re.MULTILINE))
    assert admission(world)[0] == SUCCESS


@pytest.mark.parametrize("look", [check_admission, check_files])
def test_disabled_rootwrap_is_a_warning(world, look):
    world.nova["workarounds"] = {"disable_rootwrap": True}
    result, details = world.examine(look, user="nobody")
    assert (result, "disable_rootwrap is on" in details) == (WARNING, True)
