# SPDX-License-Identifier: Apache-2.0
"""The three columns that fpga-nova adds to Nova's main database.

They come without a revision in Nova's Alembic chain and without a table of our own: a revision on top of Nova's head
stops the next Nova's `db sync` ("Can't locate revision", or two heads), and a table that Nova has no model for breaks
`nova-manage db archive_deleted_rows`. So each `nova-manage db sync` inspects the tables and adds the columns that are
missing. All are nullable: a Nova without the patch never notices columns left behind.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import operations
from alembic.runtime import migration

#: Table to columns and their types; each goes to the table and to its shadow (the archive of deleted rows).
COLUMNS: dict[str, dict[str, Any]] = {
    "compute_nodes": {"fpga_regions": sa.Integer(), "fpga_regions_used": sa.Integer()},
    "instances": {"fpga_device": sa.String(255)},
}


def ensure_columns(connection: sa.Connection) -> None:
    """Add the columns that are missing to the tables that are there; the API database has none of them.

    :param connection: to the database that Nova's migrations have just run on, in their transaction
    """
    inspector = sa.inspect(connection)
    tables = set(inspector.get_table_names())
    alter = operations.Operations(migration.MigrationContext.configure(connection))
    for base, columns in COLUMNS.items():
        for table in (base, f"shadow_{base}"):
            if table not in tables:
                continue
            present = {column["name"] for column in inspector.get_columns(table)}
            for name, column_type in columns.items():
                if name not in present:
                    alter.add_column(table, sa.Column(name, column_type, nullable=True))
