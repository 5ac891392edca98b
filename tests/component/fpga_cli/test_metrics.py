# SPDX-License-Identifier: Apache-2.0
"""Metrics leave cards alone, and other commands leave the metrics client alone."""

from __future__ import annotations

import subprocess
import sys

from tests.support.metrics import families, values


def test_metrics_touch_no_card(host, core_archive):
    host.cli("status")
    host.fault("erase", "kill")
    host.fault("program", "kill")
    host.cli("burn", "--file", core_archive, code=-9)
    assert values(families(host.cli("metrics"))["fpga_nova_regions"])[
        ("board", "board1"), ("state", "programming"), ("vendor", "sim")
    ]


def test_other_commands_do_not_import_the_metrics_client(host):
    host.cli("status")
    code = (
        "import sys; from fpga_nova.fpga_cli.main import main; "
        f"main(['--config-file', {str(host.config_file)!r}, 'list', '-f', 'json']); "
        "print(*[name for name in ('prometheus_client', 'tqdm', 'yaml', 'prettytable') if name in sys.modules],"
        " file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.split() in ([], ["yaml"])  # oslo.config may bring PyYAML
