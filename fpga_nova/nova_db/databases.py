# SPDX-License-Identifier: Apache-2.0
"""Finds the database of each of Nova's cells, and reads from one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from fpga_nova import errors
from fpga_nova.nova import columns

#: Seconds to wait for a database to accept a connection.
_TIMEOUT = 10

_Value = TypeVar("_Value")


class DatabaseUnreachable(errors.FpgaError):
    """A database cannot be asked. The text says why, without a password."""


def cells(conf: Any) -> list[tuple[str, str]]:
    """Return name and address (SQLAlchemy's) of each cell's database; none where `conf` knows of no database.

    :param conf: Nova's configuration object
    :raises DatabaseUnreachable: the API's database, which has the list, cannot be asked, or has none
    """
    if conf.api_database.connection:
        try:
            found = list(_mapped(conf.api_database.connection))
        except DatabaseUnreachable as error:
            raise DatabaseUnreachable(f"the API database: {error}; see [api_database] connection") from error
        if not found:
            raise DatabaseUnreachable("the API database knows no cell; see `nova-manage cell_v2`")
        return found
    return [("this cell", conf.database.connection)] if conf.database.connection else []


def present_columns(connection: sa.Connection) -> dict[str, list[str] | None]:
    """Return which of our columns each table has that should have them, shadows included; None where it is missing."""
    inspector = sa.inspect(connection)
    tables = set(inspector.get_table_names())
    found: dict[str, list[str] | None] = {}
    for base, wanted in columns.COLUMNS.items():
        for table in (base, f"shadow_{base}"):
            if table in tables:
                present = {column["name"] for column in inspector.get_columns(table)}
                found[table] = [name for name in wanted if name in present]
            else:
                found[table] = None
    return found


def query(url: str, read: Callable[[sa.Connection], _Value]) -> _Value:
    """Connect to a database, call `read` with the connection, close, and return its value.

    :raises DatabaseUnreachable: in words that have no password
    """
    try:
        address = sa.engine.make_url(url)
    except exc.ArgumentError:
        raise DatabaseUnreachable("its address is not one that SQLAlchemy can read") from None
    arguments = {} if address.get_backend_name() == "sqlite" else {"connect_timeout": _TIMEOUT}
    if not arguments and address.database and not os.access(address.database, os.R_OK):
        raise DatabaseUnreachable(f"{address.database} is not there, or may not be read")  # connecting would make it
    try:
        engine = sa.create_engine(address, connect_args=arguments, poolclass=sa.pool.NullPool)
        with engine.connect() as connection:
            return read(connection)
    except (exc.SQLAlchemyError, ImportError) as error:
        reason = getattr(error, "orig", None) or error
        raise DatabaseUnreachable(
            f"{address.render_as_string(hide_password=True)} cannot be asked: {reason}"
        ) from error


def _mapped(url: str) -> Iterator[tuple[str, str]]:
    try:
        from nova.objects import cell_mapping
    except ImportError as error:
        raise DatabaseUnreachable(f"Nova cannot be imported: {error}") from error
    table = sa.table(
        "cell_mappings", sa.column("uuid"), sa.column("name"), sa.column("database_connection"), sa.column("id")
    )
    for row in query(url, lambda connection: connection.execute(sa.select(table).order_by(table.c.id)).all()):
        yield row.name or row.uuid, cell_mapping.CellMapping.format_db_url(row.database_connection)
