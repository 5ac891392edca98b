# SPDX-License-Identifier: Apache-2.0
"""`fpga-nova patch drop-columns` on a real MariaDB, and as a process; tests/unit/nova_db has the rest."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from fpga_nova.fpga_nova_cli import databases, main
from fpga_nova.patcher.locate import Nova
from tests.support.cells import Cells, execute
from tests.support.doctor_world import reset_nova_conf

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture
def cells(tmp_path, database):
    """A SQLite cell and one of `database`."""
    yield Cells(tmp_path, database)
    reset_nova_conf()


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_drop_that_was_cut_short_on_mariadb_is_completed(cells, tmp_path, monkeypatch, capsys):
    """MariaDB cannot take an ALTER TABLE back, so a part of the columns may be gone."""
    monkeypatch.setattr(databases.locate, "find", lambda path: Nova(tmp_path, "34.0.0"))
    execute(cells.urls["cell1"], "INSERT INTO instances (uuid, deleted, fpga_device) VALUES ('gone', 7, 'region')")
    command = ["patch", "drop-columns", "--config-file", str(cells.conf)]
    assert main.main([*command, "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"  would drop {line}" for line in cells.dropped()]
    assert cells.now() == cells.after
    execute(cells.urls["cell1"], "ALTER TABLE instances DROP COLUMN fpga_device")
    assert main.main(command) == 0
    assert cells.now() == cells.before


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_patched_nova_of_the_interpreter_is_refused(cells, patched_path):
    done = subprocess.run(
        [sys.executable, "-m", "fpga_nova.fpga_nova_cli", "patch", "drop-columns", "--config-file", str(cells.conf)],
        env={**os.environ, "PYTHONPATH": f"{patched_path}{os.pathsep}{ROOT}"},
        capture_output=True, text=True, cwd="/", check=False,
    )  # fmt: skip
    assert (done.returncode, "a patched Nova does not work without the columns" in done.stderr) == (1, True)
    assert cells.now() == cells.after
