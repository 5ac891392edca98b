# SPDX-License-Identifier: Apache-2.0
"""The demo, as a newcomer runs it."""

from __future__ import annotations

import subprocess
import sys

from build_scripts.lib import paths


def test_the_demo_passes():
    result = subprocess.run(
        [sys.executable, "-m", "build_scripts.demo"], cwd=paths.CLONE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    print(result.stdout)
    assert result.returncode == 0
    assert result.stdout.endswith("demo: PASS\n")
