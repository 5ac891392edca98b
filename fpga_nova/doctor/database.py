# SPDX-License-Identifier: Apache-2.0
"""Nova's databases, by Nova's own configuration: the columns in each cell, and what the compute nodes report."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from fpga_nova.doctor.findings import DoesNotApply, Doubtful, Failed, Finding, NotChecked, worst
from fpga_nova.doctor.site import Site
from fpga_nova.nova import columns as ours

#: Seconds to wait for a database to accept a connection.
_TIMEOUT = 10

#: Most hosts that a line names.
_LISTED = 8


class _Unreachable(Exception):
    """A database cannot be asked; the text says why."""


def columns(site: Site) -> str:
    """Each cell's database has the columns, in the tables and in their shadows."""
    found: list[Finding] = []
    cells = _cells(site)
    for name, url in cells:
        try:
            missing = _missing(url)
        except _Unreachable as error:
            found.append(Failed(f"{name}: {error}"))
            continue
        if missing:
            found.append(
                Failed(f"{name}: no {', '.join(missing)}; with Nova patched, run `nova-manage db sync` for that cell")
            )
    worst(found)
    return f"all are there in {', '.join(name for name, _ in cells)}"


def compute_nodes(site: Site) -> str:
    """Compute nodes report regions, and the one of this host does if it should."""
    nodes: list[Any] = []
    for name, url in _cells(site):
        try:
            if _missing(url):
                raise NotChecked(f"{name} has not all columns")
            nodes += _nodes(url)
        except _Unreachable as error:
            raise NotChecked(f"{name}: {error}") from error
    this = [node for node in nodes if node.host == site.conf.host]
    if "compute" in site.roles and site.conf.fpga_access and not any(node.fpga_regions for node in this):
        raise Failed(
            f"{site.conf.host} has fpga_access = True, but has reported no region; restart its nova-compute, and see "
            "its log"
        )
    over = [node.host for node in nodes if (node.fpga_regions_used or 0) > (node.fpga_regions or 0)]
    if over:
        raise Failed(f"{_list(over)}: more regions in use than there are; restart nova-compute there")
    having = [f"{node.host} {node.fpga_regions_used or 0}/{node.fpga_regions}" for node in nodes if node.fpga_regions]
    if not having:
        raise Doubtful(
            "no compute node reports an FPGA region; on the hosts that have one, Nova must be patched, fpga_access be "
            "True, and nova-compute be restarted: run the doctor there"
        )
    return f"{len(having)} of {len(nodes)} compute nodes report regions (used/all): {_list(having)}"


def _cells(site: Site) -> list[tuple[str, str]]:
    """Return name and database address of each cell."""
    conf = site.conf
    if conf.api_database.connection:
        try:
            cells = list(_mapped_cells(conf.api_database.connection))
        except _Unreachable as error:
            raise Failed(f"the API database: {error}; see [api_database] connection") from error
        if not cells:
            raise Failed("the API database knows no cell; see `nova-manage cell_v2`")
        return cells
    if conf.database.connection:
        return [("this cell", conf.database.connection)]
    raise DoesNotApply("nova.conf of this host has no database; run the doctor on a controller")


def _mapped_cells(url: str) -> Iterator[tuple[str, str]]:
    try:
        from nova.objects import cell_mapping
    except ImportError as error:
        raise _Unreachable(f"Nova cannot be imported: {error}") from error
    table = sa.table(
        "cell_mappings", sa.column("uuid"), sa.column("name"), sa.column("database_connection"), sa.column("id")
    )
    for row in _ask(url, lambda connection: connection.execute(sa.select(table).order_by(table.c.id)).all()):
        yield row.name or row.uuid, cell_mapping.CellMapping.format_db_url(row.database_connection)


def _missing(url: str) -> list[str]:
    def look(connection: Any) -> list[str]:
        inspector = sa.inspect(connection)
        tables = set(inspector.get_table_names())
        missing = []
        for base, wanted in ours.COLUMNS.items():
            for table in (base, f"shadow_{base}"):
                if table not in tables:
                    missing.append(f"table {table}")
                    continue
                present = {column["name"] for column in inspector.get_columns(table)}
                missing += [f"{table}.{name}" for name in wanted if name not in present]
        return missing

    return list(_ask(url, look))


def _nodes(url: str) -> list[Any]:
    table = sa.table(
        "compute_nodes", *map(sa.column, ("host", "hypervisor_hostname", "deleted", *ours.COLUMNS["compute_nodes"]))
    )
    query = sa.select(table).where(table.c.deleted == 0).order_by(table.c.host)
    return list(_ask(url, lambda connection: connection.execute(query).all()))


def _ask(url: str, question: Any) -> Any:
    """Connect, ask, and close.

    :raises _Unreachable: in words that have no password
    """
    try:
        address = sa.engine.make_url(url)
    except exc.ArgumentError:
        raise _Unreachable("its address is not one that SQLAlchemy can read") from None
    arguments = {} if address.get_backend_name() == "sqlite" else {"connect_timeout": _TIMEOUT}
    if not arguments and address.database and not os.access(address.database, os.R_OK):
        raise _Unreachable(f"{address.database} is not there, or may not be read")  # connecting would make it
    try:
        engine = sa.create_engine(address, connect_args=arguments, poolclass=sa.pool.NullPool)
        with engine.connect() as connection:
            return question(connection)
    except (exc.SQLAlchemyError, ImportError) as error:
        reason = getattr(error, "orig", None) or error
        raise _Unreachable(f"{address.render_as_string(hide_password=True)} cannot be asked: {reason}") from error


def _list(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
