# SPDX-License-Identifier: Apache-2.0
"""The files below etc/ for systemd and logrotate, read by these programs themselves and compared with fpga-cli."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

from fpga_nova import paths
from fpga_nova.regions import audit_log
from tests.support import ROOT

ETC = ROOT / "etc"
UNITS = sorted((ETC / "systemd").iterdir())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_verifies_the_units_without_a_warning(tmp_path):
    for unit in UNITS:
        # The executable must exist; the operator chooses where fpga-cli is installed.
        text = re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", unit.read_text(), flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    # Warnings about other units of this machine do not count.
    warnings = [line for line in done.stderr.splitlines() if "fpga-nova" in line]
    assert warnings == []


LOGROTATE = shutil.which("logrotate", path="/usr/sbin:/usr/bin")


@pytest.mark.skipif(LOGROTATE is None, reason="logrotate is not installed")
def test_history_reads_the_rotated_logs_but_not_the_compressed_ones(host, core_archive, tmp_path):
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
    listed = host.cli("history", "-f", "value", "-c", "command").split()
    assert listed.count("burn") == 2 and listed.count("erase") == 1
