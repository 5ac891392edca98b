# SPDX-License-Identifier: Apache-2.0
"""`nova-manage db sync` of the patched Nova, on a real SQLite and a real MariaDB."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
import sqlalchemy as sa

from fpga_nova.nova import columns

ROOT = pathlib.Path(__file__).resolve().parents[3]
TABLES = ("compute_nodes", "shadow_compute_nodes", "instances", "shadow_instances")


@pytest.fixture
def nova_manage(patched_path, tmp_path, database):
    """Return a function that runs the patched nova-manage on the database."""
    conf = tmp_path / "nova.conf"
    conf.write_text(f"[database]\nconnection = {database}\n[api_database]\nconnection = {database}\n")

    def run(*arguments: str) -> None:
        environment = {**os.environ, "PYTHONPATH": f"{patched_path}{os.pathsep}{ROOT}"}
        program = "import sys; from nova.cmd import manage; sys.argv[0] = 'nova-manage'; sys.exit(manage.main())"
        command = [sys.executable, "-c", program, "--config-file", str(conf), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd="/", check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def ours(database: str) -> dict[str, dict[str, tuple[str, bool]]]:
    """Return our columns as the database has them: table to name to type and whether it may be NULL."""
    engine = sa.create_engine(database)
    inspector = sa.inspect(engine)
    found = {
        table: {
            column["name"]: (str(column["type"]).split(" ")[0], column["nullable"])
            for column in inspector.get_columns(table)
            if column["name"].startswith("fpga")
        }
        for table in inspector.get_table_names()
    }
    engine.dispose()
    return {table: each for table, each in found.items() if each}


def test_db_sync_adds_the_columns(nova_manage, database):
    nova_manage("db", "sync", "--local_cell")
    found = ours(database)
    assert set(found) == set(TABLES)
    for table in TABLES[:2]:
        assert {name: nullable for name, (_, nullable) in found[table].items()} == {
            "fpga_regions": True, "fpga_regions_used": True,
        }  # fmt: skip
        assert all(kind.startswith("INTEGER") for kind, _ in found[table].values())
    for table in TABLES[2:]:
        assert found[table] == {"fpga_device": ("VARCHAR(255)", True)}

    # As after an upgrade of Nova, or where someone ran it twice; one column is missing as after a kill in between.
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE compute_nodes DROP COLUMN fpga_regions_used"))
        connection.execute(sa.text("UPDATE compute_nodes SET fpga_regions = 2"))
    engine.dispose()
    nova_manage("db", "sync", "--local_cell")
    assert ours(database) == found


def test_api_database_is_left_alone(nova_manage, database):
    nova_manage("api_db", "sync")
    engine = sa.create_engine(database)
    assert "instance_mappings" in sa.inspect(engine).get_table_names()
    engine.dispose()
    assert ours(database) == {}


def test_nothing_is_done_where_the_tables_are_not():
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        columns.ensure_columns(connection)
        assert sa.inspect(connection).get_table_names() == []
