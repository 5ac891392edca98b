# SPDX-License-Identifier: Apache-2.0
"""Drops the columns in the database of every cell, after the last Nova was unpatched."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import operations
from alembic.runtime import migration

from fpga_nova import errors
from fpga_nova.nova_db import configuration, databases


class ColumnsInUse(errors.FpgaError):
    """Servers still hold regions, so the columns are in use."""


def drop(files: Sequence[str], dirs: Sequence[str], force: bool, dry_run: bool) -> list[str]:
    """Drop the columns of each cell; return a line for each that was there.

    Every cell is examined before the first is changed. MariaDB and MySQL cannot take an ALTER TABLE back: one that
    is cut short between two columns is completed by the next call.

    :param files: configuration files of Nova, as of :func:`fpga_nova.nova_db.configuration.load`
    :param dirs: the same
    :param force: also where servers hold regions
    :param dry_run: examine, and change nothing
    :raises fpga_nova.errors.ConfigurationInvalid: Nova's configuration cannot be read, or has no database
    :raises fpga_nova.nova_db.databases.DatabaseUnreachable: one of the databases cannot be asked
    :raises ColumnsInUse: servers hold regions
    """
    cells = databases.cells(configuration.load(files, dirs))
    if not cells:
        raise errors.ConfigurationInvalid("nova.conf of this host has no database; run this on a controller")
    found = {}
    for name, url in cells:
        try:
            found[name] = databases.query(url, databases.present_columns)
            holders = databases.query(url, _holders) if found[name]["instances"] else []
        except databases.DatabaseUnreachable as error:
            raise databases.DatabaseUnreachable(f"{name}: {error}") from error
        if holders and not force:
            raise ColumnsInUse(
                f"{name}: servers hold a region: {len(holders)}, such as {holders[0]}; delete them first (--force "
                "drops the columns all the same)"
            )
    done = []
    for name, url in cells:
        having = {table: columns for table, columns in found[name].items() if columns}
        if having and not dry_run:
            databases.query(url, functools.partial(_drop, having=having))
        done += [f"{name}: {table}.{column}" for table, columns in having.items() for column in columns]
    return done


def _holders(connection: sa.Connection) -> list[str]:
    instances = sa.table("instances", *map(sa.column, ("uuid", "deleted", "fpga_device")))
    query = sa.select(instances.c.uuid).where(instances.c.deleted == 0, instances.c.fpga_device.is_not(None))
    return list(connection.scalars(query))


def _drop(connection: sa.Connection, having: dict[str, list[str]]) -> None:
    alter = operations.Operations(migration.MigrationContext.configure(connection))
    for table, columns in having.items():
        for column in columns:
            alter.drop_column(table, column)
    connection.commit()
