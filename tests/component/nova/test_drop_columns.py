# SPDX-License-Identifier: Apache-2.0
"""`fpga-nova patch drop-columns`, as an operator runs it, on SQLite and on a real MariaDB."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import sqlalchemy as sa

from fpga_nova.fpga_nova_cli import databases
from fpga_nova.nova import columns
from fpga_nova.patcher import locate, series, tree

ROOT = pathlib.Path(__file__).resolve().parents[3]

#: Each cell has six: three, and those of the shadows.
LINES = [
    *("compute_nodes.fpga_regions", "compute_nodes.fpga_regions_used"),
    *("shadow_compute_nodes.fpga_regions", "shadow_compute_nodes.fpga_regions_used"),
    *("instances.fpga_device", "shadow_instances.fpga_device"),
]


def execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


def tables(url: str) -> dict[str, list[str]]:
    engine = sa.create_engine(url)
    inspector = sa.inspect(engine)
    found = {name: [column["name"] for column in inspector.get_columns(name)] for name in inspector.get_table_names()}
    engine.dispose()
    return found


@pytest.fixture(scope="module")
def unpatched(tmp_path_factory):
    """Directory with this environment's Nova, without the patch."""
    from tests.component.nova.conftest import PATCHED

    directory = tmp_path_factory.mktemp("unpatched")
    shutil.copytree(PATCHED, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    tree.Tree(locate.find(directory), series.load()).revert(force=True)
    return directory


class Cloud:
    """nova.conf and an API database with two cells, as far as the command looks at them.

    :param cell1: address of the second cell's database
    """

    def __init__(self, path: pathlib.Path, cell1: str, unpatched: pathlib.Path) -> None:
        self.cells = {"cell0": f"sqlite:///{path}/cell0", "cell1": cell1}
        self.conf = path / "nova.conf"
        self.path = unpatched
        self.conf.write_text(f"[api_database]\nconnection = sqlite:///{path}/api\n[database]\nconnection = {cell1}\n")
        execute(
            f"sqlite:///{path}/api",
            "CREATE TABLE cell_mappings (id INTEGER, uuid TEXT, name TEXT, database_connection TEXT)",
            *(
                f"INSERT INTO cell_mappings VALUES ({number}, '{number}', '{name}', '{url}')"
                for number, (name, url) in enumerate(self.cells.items())
            ),
        )
        self.before = {}
        for name, url in self.cells.items():
            for table in columns.COLUMNS:
                for prefix in ("", "shadow_"):
                    execute(url, f"CREATE TABLE {prefix}{table} (uuid VARCHAR(36), deleted INTEGER)")
            self.before[name] = tables(url)
            engine = sa.create_engine(url)
            with engine.begin() as connection:
                columns.ensure_columns(connection)
            engine.dispose()
        self.after = {name: tables(url) for name, url in self.cells.items()}

    def now(self) -> dict[str, dict[str, list[str]]]:
        return {name: tables(url) for name, url in self.cells.items()}

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(sys.executable, "-W", "ignore", "-m", "fpga_nova.fpga_nova_cli"),
                *("patch", "drop-columns", "--config-file", str(self.conf), *options),
            ],
            env={**os.environ, "PYTHONPATH": f"{self.path}{os.pathsep}{ROOT}"},
            capture_output=True, text=True, cwd="/", check=False,
        )  # fmt: skip


@pytest.fixture
def cloud(tmp_path, database, unpatched):
    return Cloud(tmp_path, database, unpatched)


@pytest.fixture
def small(tmp_path, unpatched):
    return Cloud(tmp_path, f"sqlite:///{tmp_path}/cell1", unpatched)


def test_every_cell_is_as_before_the_columns(cloud):
    execute(cloud.cells["cell1"], "INSERT INTO instances (uuid, deleted, fpga_device) VALUES ('gone', 7, 'region')")
    execute(cloud.cells["cell1"], "INSERT INTO instances (uuid, deleted) VALUES ('plain', 0)")
    done = cloud.run("--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"  would drop {cell}: {line}" for cell in cloud.cells for line in LINES]
    assert cloud.now() == cloud.after

    done = cloud.run()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"  dropped {cell}: {line}" for cell in cloud.cells for line in LINES]
    assert cloud.now() == cloud.before

    done = cloud.run()
    assert (done.returncode, done.stdout) == (0, "no cell has any of the columns\n")


def test_one_that_was_cut_short_is_completed(cloud):
    execute(cloud.cells["cell1"], "ALTER TABLE instances DROP COLUMN fpga_device")
    assert cloud.run().returncode == 0
    assert cloud.now() == cloud.before


def test_refused_while_a_server_holds_a_region(small):
    execute(small.cells["cell1"], "INSERT INTO instances (uuid, deleted, fpga_device) VALUES ('here', 0, 'region')")
    done = small.run()
    assert done.returncode == 1
    assert "cell1: servers hold a region: 1, such as here; delete them first" in done.stderr
    assert small.now() == small.after  # not even those of cell0
    assert small.run("--force").returncode == 0
    assert small.now() == small.before


def test_refused_while_this_nova_is_patched(small, patched_path):
    assert databases.ADDED_FILE in series.load().files()
    small.path = patched_path
    done = small.run()
    assert done.returncode == 1
    assert "a patched Nova does not work without the columns" in done.stderr
    assert small.now() == small.after


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
def test_refused_where_it_cannot_look(small, conf, words):
    if conf is None:
        small.conf.unlink()
    else:
        small.conf.write_text(conf)
    done = small.run()
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
    assert "secret" not in done.stderr


def test_a_cell_that_cannot_be_asked_spares_the_others(small, tmp_path):
    (tmp_path / "cell1").unlink()
    done = small.run()
    assert done.returncode == 1
    assert "cell1: " in done.stderr
    assert tables(small.cells["cell0"]) == small.after["cell0"]
