# SPDX-License-Identifier: Apache-2.0
"""The services below etc/systemd, compared with fpga-cli's parser and paths."""

from __future__ import annotations

import configparser
import pathlib
import shlex

import pytest

from fpga_nova import paths
from fpga_nova.fpga_cli import parser
from tests.support import ROOT

SERVICES = sorted((ROOT / "etc" / "systemd").glob("*.service"))


def setting(unit: pathlib.Path, key: str) -> str | None:
    """Return the last value of a key in [Service]."""
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read(unit)
    return read["Service"].get(key)


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_service_calls_a_command_of_fpga_cli(unit):
    command = shlex.split(setting(unit, "ExecStart"))
    assert command[0] == "/usr/local/bin/fpga-cli"
    assert parser.build().parse_args(command[1:]).command == command[1]


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_service_may_write_where_fpga_cli_does(unit):
    assert f"/var/lib/{setting(unit, 'StateDirectory')}" == paths.STATE_PATH
    assert setting(unit, "StateDirectoryMode") == "0700"
    if "recover" in unit.name:
        assert f"/run/{setting(unit, 'RuntimeDirectory')}" == paths.RUN_PATH
        assert setting(unit, "RuntimeDirectoryPreserve") == "yes"
    else:
        output = parser.build().parse_args(shlex.split(setting(unit, "ExecStart"))[1:]).output
        assert str(output.parent) == setting(unit, "ReadWritePaths")
