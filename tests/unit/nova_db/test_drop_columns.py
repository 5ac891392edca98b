# SPDX-License-Identifier: Apache-2.0
"""`fpga-nova patch drop-columns` on SQLite; tests/component/nova has MariaDB."""

from __future__ import annotations

import pytest

from fpga_nova.fpga_nova_cli import databases, main
from fpga_nova.patcher import series
from fpga_nova.patcher.locate import Nova
from tests.support.cells import Cells, execute, tables
from tests.support.doctor_world import reset_nova_conf


@pytest.fixture
def cells(tmp_path, monkeypatch):
    """Two cells, and a Nova of this interpreter that is not patched."""
    unpatched = tmp_path / "site-packages" / "nova"
    unpatched.mkdir(parents=True)
    monkeypatch.setattr(databases.locate, "find", lambda path: Nova(unpatched, "34.0.0"))
    yield Cells(tmp_path, f"sqlite:///{tmp_path}/cell1")
    reset_nova_conf()


@pytest.fixture
def drop(cells, capsys):
    """Run the command; return exit code, stdout and stderr."""

    def run(*options: str) -> tuple[int, str, str]:
        code = main.main(["patch", "drop-columns", "--config-file", str(cells.conf), *options])
        return code, *capsys.readouterr()

    return run


def test_dry_run_names_every_column_and_changes_nothing(cells, drop):
    code, out, _ = drop("--dry-run")
    assert (code, out.splitlines()) == (0, [f"  would drop {line}" for line in cells.dropped()])
    assert cells.now() == cells.after


def test_every_cell_is_as_before_the_columns(cells, drop):
    code, out, _ = drop()
    assert (code, out.splitlines()) == (0, [f"  dropped {line}" for line in cells.dropped()])
    assert cells.now() == cells.before
    assert drop() == (0, "no cell has any of the columns\n", "")


def test_drop_that_was_cut_short_is_completed(cells, drop):
    execute(cells.urls["cell1"], "ALTER TABLE instances DROP COLUMN fpga_device")
    assert drop()[0] == 0
    assert cells.now() == cells.before


def test_server_that_holds_a_region_is_refused_without_force(cells, drop):
    execute(cells.urls["cell1"], "INSERT INTO instances (uuid, deleted, fpga_device) VALUES ('here', 0, 'region')")
    code, _, err = drop()
    assert (code, "cell1: servers hold a region: 1, such as here; delete them first" in err) == (1, True)
    assert cells.now() == cells.after  # not even those of cell0
    assert drop("--force")[0] == 0
    assert cells.now() == cells.before


def test_deleted_server_and_server_without_region_are_no_hindrance(cells, drop):
    execute(cells.urls["cell1"], "INSERT INTO instances (uuid, deleted, fpga_device) VALUES ('gone', 7, 'region')")
    execute(cells.urls["cell1"], "INSERT INTO instances (uuid, deleted) VALUES ('plain', 0)")
    assert drop()[0] == 0


def test_patched_nova_is_refused(cells, drop, tmp_path):
    assert databases.ADDED_FILE in series.load().files()
    added = tmp_path / "site-packages" / "nova" / databases.ADDED_FILE
    added.parent.mkdir()
    added.touch()
    code, _, err = drop()
    assert (code, "a patched Nova does not work without the columns" in err) == (1, True)
    assert cells.now() == cells.after


@pytest.mark.parametrize(
    ("conf", "words"),
    [
        (None, "nova.conf cannot be used"),
        ("", "nova.conf of this host has no database; run this on a controller"),
        ("[api_database]\nconnection = sqlite:////nowhere/api\n", "the API database: /nowhere/api is not there"),
        ("[database]\nconnection = sqlite:////nowhere/cell\n", "this cell: /nowhere/cell is not there"),
        ("[database]\nconnection = mysql+pymysql://nova:secret@127.0.0.1:1/nova\n", "nova:***@127.0.0.1:1/nova"),
    ],
)
def test_database_that_cannot_be_found_is_refused_in_one_line(cells, drop, conf, words):
    if conf is None:
        cells.conf.unlink()
    else:
        cells.conf.write_text(conf)
    code, out, err = drop()
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert err.startswith("Error: ") and words in err
    assert "secret" not in err


def test_cell_that_cannot_be_read_spares_the_others(cells, drop, tmp_path):
    (tmp_path / "cell1").unlink()
    code, _, err = drop()
    assert (code, "cell1: " in err) == (1, True)
    assert tables(cells.urls["cell0"]) == cells.after["cell0"]
