# SPDX-License-Identifier: Apache-2.0
"""`fpga-nova doctor` on the hosts of the cloud: as an operator runs it, as root, with no options."""

from __future__ import annotations

import functools
import json
import subprocess

import pytest

STATUS = "fpga_exec as nova-compute runs it"


@pytest.fixture(scope="module")
def doctor(cloud):
    """Return a function that runs it on a node, and returns its exit code and its rows: title to result and details."""

    @functools.cache
    def run(name: str, *arguments: str):
        node = cloud.observer.nodes[name]
        done = subprocess.run(
            node.command(["fpga-nova", "doctor", "--json", *arguments]),
            env=node.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
        )
        assert done.stderr == "" and done.returncode in (0, 1, 2), done
        rows = json.loads(done.stdout)["checks"]
        return done.returncode, {row["check"]: (row["result"], row["details"]) for row in rows}

    return run


@pytest.mark.parametrize(
    ("node", "roles", "service", "applies"),
    [
        ("controller", "api, conductor, scheduler", "nova-conductor", "FpgaFilter"),
        ("controller", "api, conductor, scheduler", "nova-scheduler", "Columns in Nova's database"),
        ("controller", "api, conductor, scheduler", "nova-scheduler", "Glance's container format"),
        ("compute1", "compute", "nova-compute", STATUS),
        ("compute1", "compute", "nova-compute", "rootwrap: what it admits"),
        ("compute1", "compute", "nova-compute", "fpga-cli's credentials"),
        ("compute3", "compute", "nova-compute", "fpga-cli's configuration"),
    ],
)
def test_a_host_of_the_cloud_is_well(doctor, node, roles, service, applies):
    code, rows = doctor(node)
    assert {title: row for title, row in rows.items() if row[0] != 0} == {}
    assert code == 0
    assert rows["Nova's configuration"][1] == f"this host is: {roles}"
    assert service in rows["Services of Nova that run here"][1]
    assert not rows[applies][1].startswith("does not apply"), rows[applies]


def test_the_regions_of_the_cloud(doctor):
    _, rows = doctor("controller")
    assert rows["Regions that compute nodes report"][1].endswith(
        "2 of 3 compute nodes report regions (used/all): compute1 0/2, compute3 0/1"
    )
    _, rows = doctor("compute1")
    assert rows[STATUS][1] == "as nova: Used regions: 0/2"


def test_a_host_without_fpga_is_well(doctor):
    code, rows = doctor("compute2")
    assert code == 0, rows
    assert rows[STATUS][1] == "does not apply: fpga_access is False on this host"


def test_a_user_whom_sudo_does_not_know(doctor):
    code, rows = doctor("compute1", "--nova-user", "glance")
    assert code == 2
    assert rows[STATUS][0] == 2 and "sudo refuses" in rows[STATUS][1]
