# SPDX-License-Identifier: Apache-2.0
"""The patched Nova as its processes import it, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support import ROOT, patched_nova


def run(patched_path, program, **environment):
    environment = {**os.environ, "PYTHONPATH": f"{patched_path}{os.pathsep}{ROOT}", **environment}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.parametrize(
    "module", ["nova.compute.manager", "nova.compute.hooks", "nova.scheduler.filters.fpga_filter", "nova.db.migration"]
)
def test_import_without_fpga_nova_names_the_remedy(patched_path, module):
    done = run(patched_path, f"import sys; sys.modules['fpga_nova'] = None; import {module}")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ImportError: This Nova is patched by fpga-nova, but its interpreter {sys.executable}")
    assert "Install fpga-nova there, or take the patch back" in last


def test_patches_in_memory_are_those_of_the_patcher(patched_path):
    files = patched_nova.patched_files()
    assert len(files) > 10
    assert files == {name: (patched_path / "nova" / name).read_bytes() for name in files}


def test_scheduler_finds_the_filter_by_itself(patched_path):
    done = run(
        patched_path,
        "from nova.scheduler import filters; print([c.__name__ for c in filters.all_filters()].count('FpgaFilter'))",
    )
    assert done.stdout.strip() == "1", done.stderr


def test_nothing_of_ours_imports_eventlet(patched_path):
    """Under native threads Nova forbids its import; where it comes first, discovery of Nova's own tests breaks."""
    program = (
        "import sys; sys.modules['eventlet'] = None\n"
        "import fpga_nova.nova.hooks, fpga_nova.nova.columns\n"
        "import fpga_nova.nova.claims.tracker, fpga_nova.nova.scheduling.shortage\n"
        "import fpga_nova.clients.fpga_cli_runner, fpga_nova.fpga_nova_cli.patch"
    )
    done = run(patched_path, program)
    assert done.returncode == 0, done.stderr
