# SPDX-License-Identifier: Apache-2.0
"""The commands of fpga-cli over simulated cards: their exit codes and messages."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import uuid

import pytest

from fpga_nova.system import locks
from tests.support.archives import manifest_data, write_archive

UUID_LINE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n")


def burn(host, archive, *options):
    return host.cli("burn", "--file", archive, *options).strip()


def test_each_region_takes_the_bitstream_for_its_board(host, tmp_path):
    """Of two bitstreams a region takes the one that fits; two fit on a, one on b."""
    data = manifest_data(b"for a")
    data["bitstreams"] += manifest_data(b"for b!", "board2")["bitstreams"]
    data["bitstreams"][1]["file"] = "y.bin"
    both = write_archive(tmp_path / "both.zip", data, x_bin=b"for a", y_bin=b"for b!")
    burned = [burn(host, both) for _ in range(3)]
    host.cli("burn", "--file", both, code=65)
    held = {region["id"]: region["bitstream_sha256"] for region in host.regions()}
    assert set(held) == set(burned)
    assert sorted(held.values()) == sorted([*[data["bitstreams"][0]["sha256"]] * 2, data["bitstreams"][1]["sha256"]])


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["burn", "--file", "/nowhere.zip"], 66, "/nowhere.zip cannot be read"),
        (["burn", str(uuid.uuid4())], 66, "no credentials for Glance"),
        (["erase", "none"], 33, "cannot erase FPGA device with id 'none' - unknown region"),
        (["release", "none"], 33, "unknown region"),
    ],
)
def test_bad_input_has_its_exit_code_and_message(host, arguments, code, text):
    assert text in host.cli(*arguments, code=code)
    assert host.cli("status") == "Used regions: 0/3\n"


@pytest.mark.parametrize("arguments", [[], ["burn"], ["burn", "x"], ["erase"], ["burn", "--owner", "x"], ["sing"]])
def test_wrong_usage_exits_with_2(host, arguments):
    code, _, err = host.run(*arguments)
    assert code == 2
    assert "usage:" in err or err.startswith("Error: ")


def test_bad_archives_are_refused_and_touch_no_region(host, tmp_path):
    path = tmp_path / "bad.zip"
    path.write_bytes(b"junk")
    assert "not a zip" in host.cli("burn", "--file", path, code=67)
    write_archive(path, manifest_data(name=""))
    assert "name" in host.cli("burn", "--file", path, code=67)
    write_archive(path, x_bin=b"stib")
    assert "SHA-256" in host.cli("burn", "--file", path, code=67)
    write_archive(path, manifest_data(board="board9"))
    text = host.cli("burn", "--file", path, code=64)
    assert "no matching hardware found: IP core 'core' is for sim board9; this host has sim board1, sim board2" in text
    write_archive(path, manifest_data(vendor="intel"))
    host.cli("burn", "--file", path, code=64)
    assert host.states() == ["free"] * 3


def test_bad_configuration_is_named(host):
    for options, text in (
        ({"sim_cards": "a"}, "sim_cards: 'a' is not NAME:BOARD:REGIONS"),
        ({"sim_cards": "a:b:1,a:b:1"}, "already listed"),
        ({"devices": "nothing"}, "no usable driver 'nothing'"),
        ({"lock_timeout": "soon"}, "lock_timeout"),
    ):
        host.configure(**options)
        assert text in host.cli("status", code=1)
    host.config_file.unlink()
    assert "is not there" in host.cli("status", code=1)


def test_status_notices_a_changed_configuration(host):
    assert host.cli("status") == "Used regions: 0/3\n"
    host.configure(sim_cards="a:board1:2")
    assert host.cli("status") == "Used regions: 0/2\n"
    host.configure(sim_cards="a:board1:2,c:board1:5")
    assert host.cli("status") == "Used regions: 0/7\n"


def test_unreadable_store_has_its_exit_code_by_command(host, core_archive):
    host.cli("status")
    (host.state_path / "regions.sqlite").write_bytes(b"junk" * 4096)
    for path in host.state_path.glob("regions.sqlite-*"):
        path.unlink()
    assert "not readable" in host.cli("status", code=128)
    assert "not readable" in host.cli("erase", "x", code=32)
    assert "not readable" in host.cli("burn", "--file", core_archive, code=128)


def test_commands_after_all_cards_were_pulled(host, core_archive):
    region = burn(host, core_archive)
    for card in ("a", "b"):
        (host.state_path / "sim" / card).rename(host.path / card)
    assert "not accessible" in host.cli("status", code=127)
    assert "this host has none" in host.cli("burn", "--file", core_archive, code=64)
    assert "quarantined" in host.cli("erase", region, code=31)
    for card in ("a", "b"):
        (host.path / card).rename(host.state_path / "sim" / card)
    assert host.cli("status") == "Used regions: 1/3\n"
    host.cli("release", region)
    assert host.cli("status") == "Used regions: 0/3\n"


def test_failed_programming_repeats_the_tools_message_and_loses_no_region(host, core_archive):
    host.cli("status")
    host.fault("program", "fail CRC error in bitstream")
    assert "CRC error in bitstream" in host.cli("burn", "--file", core_archive, code=69)
    assert host.states() == ["free"] * 3


def test_region_that_reads_back_wrong_is_not_given_out(host, core_archive):
    host.cli("status")
    host.fault("program", "corrupt")
    assert "not what it should" in host.cli("burn", "--file", core_archive, code=69)
    assert host.states() == ["free"] * 3


def test_failed_erase_quarantines_the_region(host, core_archive):
    region = burn(host, core_archive)
    for fault in ("fail device is hung", "corrupt"):
        host.fault("erase", fault)
        assert "quarantined" in host.cli("erase", region, code=31)
        assert host.cli("status") == "Used regions: 1/3\n"
        host.cli("release", region, code=31)
    other = burn(host, core_archive)
    assert other != region
    host.cli("burn", "--file", core_archive, code=65)
    host.fault("erase", None)
    assert "check the card" in host.cli("erase", region, code=31)
    host.cli("release", region)
    assert host.cli("release", region, code=1)
    assert host.cli("status") == "Used regions: 1/3\n"


def test_erase_after_the_driver_was_switched_off_quarantines(host, core_archive):
    """Its region cannot be wiped, and is not offered again until an operator has checked it."""
    region = burn(host, core_archive)
    host.configure(devices="soft")
    assert "driver 'sim' is not enabled" in host.cli("erase", region, code=31)
    host.configure()
    assert host.cli("status") == "Used regions: 1/3\n"
    host.cli("release", region)
    assert host.cli("status") == "Used regions: 0/3\n"


def test_erase_by_owner_leaves_regions_of_other_owners(host, core_archive):
    mine, other = str(uuid.uuid4()), str(uuid.uuid4())
    region = burn(host, core_archive, "--owner", mine)
    host.cli("erase", "--owner", other, region)
    host.cli("erase", "--owner", other)
    assert host.cli("status") == "Used regions: 1/3\n"
    host.cli("erase", "--owner", mine)
    again = burn(host, core_archive, "--owner", other)
    assert again == region
    host.cli("erase", "--owner", mine, region)  # late: it has another holder by now
    assert host.cli("status") == "Used regions: 1/3\n"


def test_wait_of_a_burn_is_bounded(host, core_archive):
    host.configure(sim_cards="a:board1:1", lock_timeout="0")
    host.cli("status")
    region = host.regions()[0]["id"]
    with locks.hold(host.state_path / "locks" / f"{region}.lock"):
        set_state(host, region, "erasing")
        assert "waited 0 s for those that fit and are being erased" in host.cli("burn", "--file", core_archive, code=65)


def set_state(host, region, state):
    """Record a state of a region, as a process does that works on it."""
    with contextlib.closing(sqlite3.connect(host.state_path / "regions.sqlite")) as connection, connection:
        connection.execute("UPDATE regions SET state = ? WHERE id = ?", (state, region))


def test_wait_of_an_erase_is_bounded_and_says_what_for(host, core_archive):
    host.configure(sim_cards="a:board1:1", lock_timeout="0")
    region = burn(host, core_archive)
    with locks.hold(host.state_path / "locks" / f"{region}.lock"):
        assert "waited 0 s for the burn or erase in progress" in host.cli("erase", region, code=31)
        assert "waited 0 s for the burn or erase in progress" in host.cli("release", region, code=31)
    assert host.states() == ["programmed"]


def test_help_lists_commands_codes_and_examples(host):
    text = host.cli("--help")
    for word in ("burn", "erase", "status", "exit codes", "64", "examples"):
        assert word in text
    for command in re.findall(r"^    (\w+) ", text, re.MULTILINE):
        assert "usage: fpga-cli" in host.cli(command, "--help")


def test_inspect_prints_or_refuses(host, tmp_path, core_archive):
    assert '"name": "core"' in host.cli("inspect", core_archive)
    write_archive(tmp_path / "bad.zip", x_bin=b"stib")
    assert "SHA-256" in host.cli("inspect", tmp_path / "bad.zip", code=67)
