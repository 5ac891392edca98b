# SPDX-License-Identifier: Apache-2.0
"""Nova's databases: the columns in each cell, and the regions that compute nodes report."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from fpga_nova.doctor.findings import (
    FailureFound,
    Finding,
    NotApplicable,
    NotChecked,
    Passed,
    WarningFound,
    raise_worst,
)
from fpga_nova.doctor.inspected_host import HostInspection
from fpga_nova.nova import columns as ours
from fpga_nova.nova_db import databases

#: Most hosts that a line names.
_LISTED = 8

_NO_DATABASE = NotApplicable("nova.conf of this host has no database; run the doctor on a controller")


def check_columns(host: HostInspection) -> Passed:
    """Each cell's database has the columns, in the tables and in their shadows."""
    cells = databases.cells(host.conf)
    if not cells:
        return _NO_DATABASE
    found: list[Finding] = []
    for name, url in cells:
        try:
            missing = _missing(url)
        except databases.DatabaseUnreachable as error:
            found.append(FailureFound(f"{name}: {error}"))
            continue
        if missing:
            found.append(
                FailureFound(
                    f"{name}: no {', '.join(missing)}; with Nova patched, run `nova-manage db sync` for that cell"
                )
            )
    raise_worst(found)
    return f"all are there in {', '.join(name for name, _ in cells)}"


def check_compute_nodes(host: HostInspection) -> Passed:
    """Compute nodes report regions, and the one of this host does if it should."""
    cells = databases.cells(host.conf)
    if not cells:
        return _NO_DATABASE
    nodes: list[Any] = []
    for name, url in cells:
        try:
            if _missing(url):
                raise NotChecked(f"{name} has not all columns")
            nodes += _nodes(url)
        except databases.DatabaseUnreachable as error:
            raise NotChecked(f"{name}: {error}") from error
    this = [node for node in nodes if node.host == host.conf.host]
    if "compute" in host.roles and host.conf.fpga_access and not any(node.fpga_regions for node in this):
        raise FailureFound(
            f"{host.conf.host} has fpga_access = True, but has reported no region; restart its nova-compute, and see "
            "its log"
        )
    over = [node.host for node in nodes if (node.fpga_regions_used or 0) > (node.fpga_regions or 0)]
    if over:
        raise FailureFound(f"{_list(over)}: more regions in use than there are; restart nova-compute there")
    having = [f"{node.host} {node.fpga_regions_used or 0}/{node.fpga_regions}" for node in nodes if node.fpga_regions]
    if not having:
        raise WarningFound(
            "no compute node reports an FPGA region; on the hosts that have one, Nova must be patched, fpga_access be "
            "True, and nova-compute be restarted: run the doctor there"
        )
    return f"{len(having)} of {len(nodes)} compute nodes report regions (used/all): {_list(having)}"


def _missing(url: str) -> list[str]:
    missing = []
    for table, present in databases.query(url, databases.present_columns).items():
        if present is None:
            missing.append(f"table {table}")
        else:
            wanted = ours.COLUMNS[table.removeprefix("shadow_")]
            missing += [f"{table}.{name}" for name in wanted if name not in present]
    return missing


def _nodes(url: str) -> list[Any]:
    table = sa.table(
        "compute_nodes", *map(sa.column, ("host", "hypervisor_hostname", "deleted", *ours.COLUMNS["compute_nodes"]))
    )
    query = sa.select(table).where(table.c.deleted == 0).order_by(table.c.host)
    return list(databases.query(url, lambda connection: connection.execute(query).all()))


def _list(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
