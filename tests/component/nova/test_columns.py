# SPDX-License-Identifier: Apache-2.0
"""`db sync` of the patched Nova, on a real SQLite and a real MariaDB."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import sqlalchemy as sa

from fpga_nova.nova import columns
from tests.support import ROOT

TABLES = ("compute_nodes", "shadow_compute_nodes", "instances", "shadow_instances")


@pytest.fixture
def engine(database):
    engine = sa.create_engine(database)
    yield engine
    engine.dispose()


@pytest.fixture
def sync(engine, monkeypatch):
    """Return Nova's own `db_sync`, which nova-manage calls, on the database."""
    from nova.db import migration

    monkeypatch.setattr(migration, "_get_engine", lambda database, context: engine)
    return migration.db_sync


def our_columns(engine: sa.Engine) -> dict[str, dict[str, tuple[str, bool]]]:
    """Return our columns as the database has them: table to name to type and whether it may be NULL."""
    inspector = sa.inspect(engine)
    found = {
        table: {
            column["name"]: (str(column["type"]).split(" ")[0], column["nullable"])
            for column in inspector.get_columns(table)
            if column["name"].startswith("fpga")
        }
        for table in inspector.get_table_names()
    }
    return {table: each for table, each in found.items() if each}


def test_db_sync_adds_the_missing_columns(sync, engine):
    sync()
    found = our_columns(engine)
    assert set(found) == set(TABLES)
    for table in TABLES[:2]:
        assert {name: nullable for name, (_, nullable) in found[table].items()} == {
            "fpga_regions": True, "fpga_regions_used": True,
        }  # fmt: skip
        assert all(kind.startswith("INTEGER") for kind, _ in found[table].values())
    for table in TABLES[2:]:
        assert found[table] == {"fpga_device": ("VARCHAR(255)", True)}

    # As after an upgrade of Nova, or in a second run; one column is missing, as after a kill in between.
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE compute_nodes DROP COLUMN fpga_regions_used"))
        connection.execute(sa.text("UPDATE compute_nodes SET fpga_regions = 2"))
    sync()
    assert our_columns(engine) == found


def test_api_database_gets_no_columns(sync, engine):
    sync(database="api")
    assert "instance_mappings" in sa.inspect(engine).get_table_names()
    assert our_columns(engine) == {}


def test_nova_manage_adds_the_columns(patched_path, tmp_path):
    """The command itself, in a process that starts as an operator's does."""
    address = f"sqlite:///{tmp_path}/nova.sqlite"
    conf = tmp_path / "nova.conf"
    conf.write_text(f"[database]\nconnection = {address}\n[api_database]\nconnection = {address}\n")
    environment = {**os.environ, "PYTHONPATH": f"{patched_path}{os.pathsep}{ROOT}"}
    program = "import sys; from nova.cmd import manage; sys.argv[0] = 'nova-manage'; sys.exit(manage.main())"
    command = [sys.executable, "-c", program, "--config-file", str(conf), "db", "sync", "--local_cell"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(our_columns(sa.create_engine(address))) == set(TABLES)


def test_database_without_the_tables_is_left_alone():
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        columns.ensure_columns(connection)
        assert sa.inspect(connection).get_table_names() == []
