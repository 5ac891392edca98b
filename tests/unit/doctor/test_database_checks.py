# SPDX-License-Identifier: Apache-2.0
"""The doctor on Nova's databases: the columns of each cell, and what compute nodes report."""

from __future__ import annotations

import pytest

from fpga_nova.doctor.database_checks import check_columns, check_compute_nodes
from tests.support.doctor_world import FAILURE, SUCCESS, WARNING


def test_columns_in_every_cell_are_well(world):
    assert world.examine(check_columns) == (SUCCESS, "all are there in cell0, cell1")


def test_reporting_compute_nodes_are_well(world):
    assert world.examine(check_compute_nodes) == (
        SUCCESS, "1 of 1 compute nodes report regions (used/all): host1 0/2",
    )  # fmt: skip


@pytest.mark.parametrize("look", [check_columns, check_compute_nodes])
def test_host_without_database_has_nothing_to_look_at(world, look):
    del world.nova["database"], world.nova["api_database"]
    result, details = world.examine(look)
    assert (result, details.startswith("does not apply: nova.conf of this host has no database")) == (SUCCESS, True)


@pytest.mark.parametrize(
    ("database", "statement", "words"),
    [
        ("cell1", "ALTER TABLE instances DROP COLUMN fpga_device", "cell1: no instances.fpga_device"),
        (
            "cell0",
            "ALTER TABLE shadow_compute_nodes DROP COLUMN fpga_regions_used",
            "cell0: no shadow_compute_nodes.fpga_regions_used; with Nova patched, run `nova-manage db sync`",
        ),
        ("cell0", "DROP TABLE shadow_instances", "cell0: no table shadow_instances"),
        ("api", "DELETE FROM cell_mappings", "knows no cell"),
        (
            "api",
            "UPDATE cell_mappings SET database_connection = '{scheme}:///nowhere' WHERE name = 'cell1'",
            "cell1: ",
        ),
    ],
)
def test_missing_column_fails_with_its_cell(world, database, statement, words):
    world.sql(database, statement)
    result, details = world.examine(check_columns)
    assert (result, words in details) == (FAILURE, True), details


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "is not there"), (b"this is not a database" * 100, "cannot be asked: file is not a database")],
)
def test_unreadable_database_fails(world, content, words):
    if content is None:
        (world.databases / "cell1").unlink()
    else:
        (world.databases / "cell1").write_bytes(content)
    result, details = world.examine(check_columns)
    assert (result, words in details) == (FAILURE, True), details


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (
            "mysql+pymysql://nova:secret@127.0.0.1:1/nova",
            "the API database: mysql+pymysql://nova:***@127.0.0.1:1/nova cannot be asked",
        ),
        ("nonsense with secret", "SQLAlchemy"),
        ("oracle://nova:secret@h/x", "cannot be asked"),
    ],
)
def test_unusable_address_fails_without_its_password(world, address, words):
    world.nova["api_database"]["connection"] = address
    result, details = world.examine(check_columns)
    assert (result, words in details) == (FAILURE, True), details


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("fpga_regions = NULL, fpga_regions_used = NULL", "restart its nova-compute"),
        ("host = 'host2'", "host1 has fpga_access = True"),
        ("fpga_regions_used = 3", "host1: more regions in use than there are"),
    ],
)
def test_wrong_report_fails(world, change, words):
    world.sql("cell1", f"UPDATE compute_nodes SET {change}")
    result, details = world.examine(check_compute_nodes)
    assert (result, words in details) == (FAILURE, True), details


def test_cloud_without_reports_is_a_warning_on_a_controller(world):
    world.nova["DEFAULT"]["fpga_access"] = False
    world.sql("cell1", "UPDATE compute_nodes SET fpga_regions = NULL")
    result, details = world.examine(check_compute_nodes, roles=("conductor",))
    assert (result, "no compute node reports an FPGA region" in details) == (WARNING, True), details


def test_reports_without_columns_are_not_checked(world):
    world.sql("cell1", "ALTER TABLE compute_nodes DROP COLUMN fpga_regions")
    assert world.examine(check_compute_nodes) == (WARNING, "not checked: cell1 has not all columns")
