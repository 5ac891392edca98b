# SPDX-License-Identifier: Apache-2.0
"""What is installed below etc/ for systemd and logrotate: read by these themselves, and held against fpga-cli."""

from __future__ import annotations

import configparser
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from fpga_nova import paths
from fpga_nova.fpga_cli import parser
from fpga_nova.regions import audit_log

ETC = pathlib.Path(__file__).resolve().parents[2] / "etc"
UNITS = sorted((ETC / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]


def setting(unit: pathlib.Path, key: str) -> str | None:
    """Return the last value of a key in [Service]."""
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read(unit)
    return read["Service"].get(key)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_has_nothing_to_say_about_the_units(tmp_path):
    for unit in UNITS:
        # What it runs must be there; where fpga-cli is installed is the operator's choice.
        text = re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", unit.read_text(), flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    # Of other units of this machine it may have something to say.
    said = [line for line in done.stderr.splitlines() if "fpga-nova" in line]
    assert said == []


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_service_calls_fpga_cli_as_it_is_to_be_called(unit):
    command = shlex.split(setting(unit, "ExecStart"))
    assert command[0] == "/usr/local/bin/fpga-cli"
    assert parser.build().parse_args(command[1:]).command == command[1]


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_service_may_write_where_fpga_cli_does(unit):
    assert f"/var/lib/{setting(unit, 'StateDirectory')}" == paths.STATE_PATH
    assert setting(unit, "StateDirectoryMode") == "0700"
    if "recover" in unit.name:
        assert f"/run/{setting(unit, 'RuntimeDirectory')}" == paths.RUN_PATH
        assert setting(unit, "RuntimeDirectoryPreserve") == "yes"
    else:
        output = parser.build().parse_args(shlex.split(setting(unit, "ExecStart"))[1:]).output
        assert str(output.parent) == setting(unit, "ReadWritePaths")


LOGROTATE = shutil.which("logrotate", path="/usr/sbin:/usr/bin")


@pytest.mark.skipif(LOGROTATE is None, reason="logrotate is not installed")
def test_logrotate_and_history(host, core_archive, tmp_path):
    """The real one turns the log over between burns, twice; history has all, but for what is compressed."""
    rules = (ETC / "logrotate.d" / "fpga-nova").read_text()
    assert f"{paths.STATE_PATH}/{audit_log.FILE} {{" in rules
    config = tmp_path / "logrotate"
    config.write_text(rules.replace(paths.STATE_PATH, str(host.state_path)))
    config.chmod(0o644)
    burned = []
    for _ in range(3):
        burned.append(host.cli("burn", "--file", core_archive).strip())
        host.cli("erase", burned[-1])
        subprocess.run([LOGROTATE, "--force", "--state", tmp_path / "rotated", config], check=True, timeout=60)
    burned.append(host.cli("burn", "--file", core_archive).strip())
    names = sorted(path.name for path in host.state_path.glob(f"{audit_log.FILE}*"))
    assert names == ["audit.log", "audit.log.1", "audit.log.2.gz", "audit.log.3.gz"]
    assert (host.state_path / audit_log.FILE).stat().st_mode & 0o777 == 0o600
    told = host.cli("history", "-f", "value", "-c", "command").split()
    assert told.count("burn") == 2 and told.count("erase") == 1
