# SPDX-License-Identifier: Apache-2.0
"""Runs servers.py on a patched copy of this environment's Nova, with native threads as Nova runs by default."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

from tests.support import patched_nova

ROOT = pathlib.Path(__file__).resolve().parents[3]


def test_fpga_servers(tmp_path):
    patched_nova.make(tmp_path, with_tests=True)
    # The tests of Nova look for its api-paste.ini beside the package.
    (tmp_path / "etc").symlink_to(pathlib.Path(sys.prefix) / "etc")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "OS_NOVA_DISABLE_EVENTLET_PATCHING": "true",
    }
    # nova.tests.functional comes first: it decides on threads before anything else of Nova is imported.
    command = [sys.executable, "-m", "unittest", "-v", "nova.tests.functional", "tests.functional.nova.servers"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-30000:]
    assert "Ran 0 tests" not in done.stderr
