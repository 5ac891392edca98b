# SPDX-License-Identifier: Apache-2.0
"""verify asks the card; a quarantined region is never offered, whatever else happens."""

from __future__ import annotations

import json
import uuid

import pytest

from fpga_nova.system import locks


@pytest.fixture
def region(host, core_archive):
    return host.cli("burn", "--file", core_archive).strip()


def verify(host, code, *arguments):
    """Run verify; return what it printed by region, and stderr: it prints its findings also when it fails."""
    found, out, err = host.run("verify", *arguments, "-f", "json")
    assert found == code, err
    return {entry["id"]: entry for entry in json.loads(out)}, err


def memory(host, region):
    shown = json.loads(host.cli("show", region, "-f", "json"))
    path = host.path / "run" / "sim" / shown["card_id"].removeprefix("sim:") / str(shown["index"])
    assert shown["endpoint_address"] in (None, str(path))
    return path


def test_verify_of_regions_that_hold(host, region):
    found, _ = verify(host, 0)
    assert [entry["result"] for entry in found.values()] == ["holds"] * 3
    assert host.states() == ["programmed", "free", "free"]


def test_verify_of_a_region_that_lost_its_bits(host, region):
    memory(host, region).write_bytes(b"cosmic ray")
    found, err = verify(host, 69)
    assert found[region]["result"] == "fails" and "not what it should" in found[region]["error"]
    assert "1 of 3 regions cannot be verified" in err
    assert verify(host, 69, region)[0].keys() == {region}
    assert host.states() == ["programmed", "free", "free"]  # its holder keeps it
    assert "programmed, lost" in host.cli("list")
    host.cli("recover")
    assert verify(host, 0, region)[0][region]["result"] == "holds"


def test_verify_of_a_region_that_has_its_bits_again(host, region):
    path = memory(host, region)
    content = path.read_bytes()
    path.write_bytes(b"cosmic ray")
    verify(host, 69)
    path.write_bytes(content)
    assert verify(host, 0, region)[0][region]["error"] is None
    assert "lost" not in host.cli("list")


def test_verify_quarantines_a_free_region_that_is_not_blank(host, region):
    path = memory(host, region)
    host.cli("erase", region)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"a tenant's secret")
    found, _ = verify(host, 69, region)
    assert found[region]["state"] == "quarantined"
    assert host.cli("status") == "Used regions: 1/3\n"
    assert "was free, but not blank" in host.cli("show", region, "-f", "value", "-c", "error")
    host.cli("release", region)
    assert not path.exists()
    assert host.cli("status") == "Used regions: 0/3\n"


def test_verify_of_a_card_that_is_away(host, region):
    (host.state_path / "sim" / "a").rename(host.path / "a")
    found, err = verify(host, 127, region)
    assert found[region]["result"] == "fails" and "is not there" in err
    (host.path / "a").rename(host.state_path / "sim" / "a")
    verify(host, 0, region)


def test_quarantined_region_is_out_of_service_until_released(host, region, core_archive):
    owner = str(uuid.uuid4())
    held = host.cli("burn", "--owner", owner, "--file", core_archive).strip()
    free = next(entry["id"] for entry in host.regions() if entry["state"] == "free")
    for each in (region, free, held):
        assert host.cli("quarantine", each, "--reason", "fan is\nbroken") == ""
        assert "already: by hand: fan is broken" in host.cli("quarantine", each, "--reason", "again", code=1)
    assert host.cli("status") == "Used regions: 3/3\n"
    assert host.cli("recover") == ""
    assert host.states() == ["quarantined"] * 3
    host.cli("burn", "--file", core_archive, code=65)
    assert "by hand: fan is broken" in host.cli("erase", "--owner", owner, code=31)
    assert {entry["result"] for entry in verify(host, 0)[0].values()} == {"unknown"}
    for each in (region, free, held):
        host.cli("release", each)
    assert host.cli("status") == "Used regions: 0/3\n"


def test_quarantine_touches_no_card(host, region):
    host.fault("erase", "fail hung")
    host.fault("verify", "fail hung")
    host.configure(devices="soft", lock_timeout="1")
    host.cli("quarantine", region, "--reason", "hung")
    assert host.states()[0] == "quarantined"


def test_quarantine_and_verify_of_a_busy_region(host, core_archive):
    host.configure(sim_cards="a:board1:1", lock_timeout="0")
    region = host.cli("burn", "--file", core_archive).strip()
    with locks.hold(host.state_path / "locks" / f"{region}.lock"):
        assert "is busy: waited 0 s" in host.cli("quarantine", region, "--reason", "now", code=1)
        assert "is busy: waited 0 s" in verify(host, 1, region)[1]
    assert host.states() == ["programmed"]
