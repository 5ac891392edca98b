# SPDX-License-Identifier: Apache-2.0
"""The roles that the doctor sees, and a configuration that cannot be used."""

from __future__ import annotations

import pathlib

import pytest

from fpga_nova.doctor import patch_checks, processes, roles
from fpga_nova.doctor.findings import NotChecked
from tests.support.doctor_world import FAILURE, SUCCESS, WARNING


def service(name: str) -> processes.Service:
    return processes.Service(name, 1, 0, pathlib.Path("/usr/bin") / name, 0)


@pytest.mark.parametrize(
    ("remove", "running", "expected"),
    [
        ((), (), {"api", "conductor", "scheduler", "compute"}),
        (("database", "api_database"), (), {"compute"}),
        (("DEFAULT",), (), {"api", "conductor", "scheduler"}),
        (("DEFAULT", "database", "api_database"), (), set()),
        (("DEFAULT",), ("nova-conductor",), {"api", "conductor"}),
        (("DEFAULT", "database", "api_database"), ("nova-scheduler",), {"scheduler"}),
    ],
)
def test_roles_come_from_services_and_nova_conf(world, remove, running, expected):
    for section in remove:
        del world.nova[section]
    host = world.inspection()
    host.services = (list(map(service, running)), True)
    assert host.roles == expected


def test_asked_roles_go_first(world):
    assert world.inspection(roles=("scheduler",)).roles == {"scheduler"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "nova.conf cannot be used: Failed to find some config files"),
        ("no section\n", "nova.conf cannot be used"),
        ("[DEFAULT]\nfpga_access = perhaps\n", "nova.conf cannot be used"),
    ],
)
def test_unusable_nova_conf_fails_once_and_is_unknown_elsewhere(world, content, words):
    if content is None:
        world.nova = None
    else:
        (world.path / "nova.conf").write_text(content)
    result, details = world.examine(patch_checks.check_configuration)
    assert (result, words in details) == (FAILURE, True)
    host = world.inspection()
    assert host.roles == set(roles.ROLES)
    with pytest.raises(NotChecked, match="Nova's configuration is not known"):
        host.without_fpga()


def test_roles_are_the_row_of_the_configuration(world):
    del world.nova["database"], world.nova["api_database"]
    assert world.examine(patch_checks.check_configuration) == (SUCCESS, "this host is: compute")


def test_host_without_any_role_is_a_warning(world):
    world.nova = {"DEFAULT": {"host": "host1"}}
    result, details = world.examine(patch_checks.check_configuration)
    assert (result, "name what this host runs with --role" in details) == (WARNING, True)


def test_stand_in_leaves_our_own_fpga_cli_out(world):
    world.stand_in()
    unused = world.inspection().without_own_fpga_cli()
    assert unused is not None
    assert unused.reason == "other stands in for fpga-cli"
