# SPDX-License-Identifier: Apache-2.0
"""nova.conf and an API database with two cells, as far as `fpga-nova patch drop-columns` looks at them."""

from __future__ import annotations

import pathlib

import sqlalchemy as sa

from fpga_nova.nova import columns

#: Each cell has six: three, and those of the shadows.
LINES = [
    *("compute_nodes.fpga_regions", "compute_nodes.fpga_regions_used"),
    *("shadow_compute_nodes.fpga_regions", "shadow_compute_nodes.fpga_regions_used"),
    *("instances.fpga_device", "shadow_instances.fpga_device"),
]


def execute(url: str, *statements: str) -> None:
    """Run statements in a database."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


def tables(url: str) -> dict[str, list[str]]:
    """Return the columns of each table of a database."""
    engine = sa.create_engine(url)
    inspector = sa.inspect(engine)
    found = {name: [column["name"] for column in inspector.get_columns(name)] for name in inspector.get_table_names()}
    engine.dispose()
    return found


class Cells:
    """The cells cell0, which is SQLite, and cell1, with the columns.

    :param path: directory of nova.conf and the SQLite files
    :param cell1: address of the second cell's database
    """

    def __init__(self, path: pathlib.Path, cell1: str) -> None:
        self.urls = {"cell0": f"sqlite:///{path}/cell0", "cell1": cell1}
        self.conf = path / "nova.conf"
        self.conf.write_text(f"[api_database]\nconnection = sqlite:///{path}/api\n[database]\nconnection = {cell1}\n")
        execute(
            f"sqlite:///{path}/api",
            "CREATE TABLE cell_mappings (id INTEGER, uuid TEXT, name TEXT, database_connection TEXT)",
            *(
                f"INSERT INTO cell_mappings VALUES ({number}, '{number}', '{name}', '{url}')"
                for number, (name, url) in enumerate(self.urls.items())
            ),
        )
        self.before = {}
        for name, url in self.urls.items():
            for table in columns.COLUMNS:
                for prefix in ("", "shadow_"):
                    execute(url, f"CREATE TABLE {prefix}{table} (uuid VARCHAR(36), deleted INTEGER)")
            self.before[name] = tables(url)
            engine = sa.create_engine(url)
            with engine.begin() as connection:
                columns.ensure_columns(connection)
            engine.dispose()
        self.after = self.now()

    def now(self) -> dict[str, dict[str, list[str]]]:
        """Return the columns of each table of each cell."""
        return {name: tables(url) for name, url in self.urls.items()}

    def dropped(self) -> list[str]:
        """Return the lines that name all that is dropped."""
        return [f"{cell}: {line}" for cell in self.urls for line in LINES]
