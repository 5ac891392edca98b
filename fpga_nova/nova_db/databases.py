# SPDX-License-Identifier: Apache-2.0
"""Which databases Nova's cells have, and a question to one of them."""

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

_Answer = TypeVar("_Answer")


class Unreachable(errors.FpgaError):
    """A database cannot be asked. The text says why, without a password."""


def cells(conf: Any) -> list[tuple[str, str]]:
    """Return name and address (SQLAlchemy's) of each cell's database; none where `conf` knows of no database.

    :param conf: Nova's configuration object
    :raises Unreachable: the API's database, which has the list, cannot be asked, or has none
    """
    if conf.api_database.connection:
        try:
            found = list(_mapped(conf.api_database.connection))
        except Unreachable as error:
            raise Unreachable(f"the API database: {error}; see [api_database] connection") from error
        if not found:
            raise Unreachable("the API database knows no cell; see `nova-manage cell_v2`")
        return found
    return [("this cell", conf.database.connection)] if conf.database.connection else []


def ours(connection: sa.Connection) -> dict[str, list[str] | None]:
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


def ask(url: str, question: Callable[[sa.Connection], _Answer]) -> _Answer:
    """Connect to a database, call `question` with the connection, close, and return its answer.

    :raises Unreachable: in words that have no password
    """
    try:
        address = sa.engine.make_url(url)
    except exc.ArgumentError:
        raise Unreachable("its address is not one that SQLAlchemy can read") from None
    arguments = {} if address.get_backend_name() == "sqlite" else {"connect_timeout": _TIMEOUT}
    if not arguments and address.database and not os.access(address.database, os.R_OK):
        raise Unreachable(f"{address.database} is not there, or may not be read")  # connecting would make it
    try:
        engine = sa.create_engine(address, connect_args=arguments, poolclass=sa.pool.NullPool)
        with engine.connect() as connection:
            return question(connection)
    except (exc.SQLAlchemyError, ImportError) as error:
        reason = getattr(error, "orig", None) or error
        raise Unreachable(f"{address.render_as_string(hide_password=True)} cannot be asked: {reason}") from error


def _mapped(url: str) -> Iterator[tuple[str, str]]:
    try:
        from nova.objects import cell_mapping
    except ImportError as error:
        raise Unreachable(f"Nova cannot be imported: {error}") from error
    table = sa.table(
        "cell_mappings", sa.column("uuid"), sa.column("name"), sa.column("database_connection"), sa.column("id")
    )
    for row in ask(url, lambda connection: connection.execute(sa.select(table).order_by(table.c.id)).all()):
        yield row.name or row.uuid, cell_mapping.CellMapping.format_db_url(row.database_connection)
