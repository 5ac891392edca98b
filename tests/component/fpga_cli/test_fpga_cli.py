# SPDX-License-Identifier: Apache-2.0
"""fpga-cli as a process over simulated cards: the contract, bad input, and death at every step."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import time
import uuid

import pytest

from tests.support.archives import manifest_data, write_archive
from tests.support.waiting import wait_until

UUID_LINE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n")


def burn(host, archive, *options):
    return host.cli("burn", "--file", archive, *options).strip()


def test_the_contract(host, core_archive):
    assert host.cli("status") == "Used regions: 0/3\n"
    region = host.cli("burn", "--file", core_archive)
    assert UUID_LINE.fullmatch(region)
    assert host.cli("status") == "Used regions: 1/3\n"
    assert host.cli("erase", region.strip()) == ""
    assert host.cli("status") == "Used regions: 0/3\n"
    assert host.cli("erase", region.strip()) == ""  # again is no error


def test_bitstreams_by_board(host, tmp_path):
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
        (["erase", "nobody"], 33, "cannot erase FPGA device with id 'nobody' - unknown region"),
        (["release", "nobody"], 33, "unknown region"),
    ],
)
def test_bad_input(host, arguments, code, text):
    assert text in host.cli(*arguments, code=code)
    assert host.cli("status") == "Used regions: 0/3\n"


@pytest.mark.parametrize("arguments", [[], ["burn"], ["burn", "x"], ["erase"], ["burn", "--owner", "x"], ["sing"]])
def test_wrong_usage(host, arguments):
    process = host.start(*arguments)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "usage:" in err or err.startswith("Error: ")
    assert "Traceback" not in err


def test_bad_archives(host, tmp_path):
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


def test_bad_configuration(host):
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


def test_a_changed_configuration_is_seen_by_status(host):
    assert host.cli("status") == "Used regions: 0/3\n"
    host.configure(sim_cards="a:board1:2")
    assert host.cli("status") == "Used regions: 0/2\n"
    host.configure(sim_cards="a:board1:2,c:board1:5")
    assert host.cli("status") == "Used regions: 0/7\n"


def test_store_not_readable(host, core_archive):
    host.cli("status")
    (host.state_path / "regions.sqlite").write_bytes(b"junk" * 4096)
    for path in host.state_path.glob("regions.sqlite-*"):
        path.unlink()
    assert "not readable" in host.cli("status", code=128)
    assert "not readable" in host.cli("erase", "x", code=32)
    assert "not readable" in host.cli("burn", "--file", core_archive, code=128)


def test_all_cards_pulled(host, core_archive):
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


def test_failed_programming_gives_the_tools_words_and_loses_no_region(host, core_archive):
    host.cli("status")
    host.fault("program", "fail CRC error in bitstream")
    assert "CRC error in bitstream" in host.cli("burn", "--file", core_archive, code=69)
    assert host.states() == ["free"] * 3


def test_a_region_that_reads_back_wrong_is_not_given_out(host, core_archive):
    host.cli("status")
    host.fault("program", "corrupt")
    assert "not what it should" in host.cli("burn", "--file", core_archive, code=69)
    assert host.states() == ["free"] * 3


def test_failed_erase_quarantines(host, core_archive):
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


def test_a_driver_that_was_switched_off(host, core_archive):
    """Its region cannot be wiped, and is not offered again until an operator has seen to it."""
    region = burn(host, core_archive)
    host.configure(devices="soft")
    assert "driver 'sim' is not enabled" in host.cli("erase", region, code=31)
    host.configure()
    assert host.cli("status") == "Used regions: 1/3\n"
    host.cli("release", region)
    assert host.cli("status") == "Used regions: 0/3\n"


def test_owners(host, core_archive):
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


def test_killed_while_the_card_is_being_recovered(host, core_archive):
    host.cli("status")
    host.fault("program", "kill")
    host.cli("burn", "--file", core_archive, code=-signal.SIGKILL)
    host.fault("erase", "kill")
    host.cli("status", code=-signal.SIGKILL)
    host.fault("erase", None)
    host.fault("program", None)
    assert "free" in host.cli("recover")
    assert host.cli("status") == "Used regions: 0/3\n"


def test_what_a_killed_burn_unpacked_is_swept(host, core_archive):
    host.cli("status")
    host.fault("program", "kill")
    host.cli("burn", "--file", core_archive, code=-signal.SIGKILL)
    assert list((host.state_path / "tmp").iterdir())
    host.fault("program", None)
    burn(host, core_archive)
    assert not list((host.state_path / "tmp").iterdir())


def test_64_burns_at_once_over_8_regions(host, core_archive):
    """On a host that has never seen its card: those who come first find all regions dirty, and wipe them."""
    host.configure(sim_cards="a:board1:5,b:board1:3", lock_timeout="60")
    processes = [host.start("burn", "--file", core_archive) for _ in range(64)]
    results = [(process.communicate(timeout=120), process.returncode) for process in processes]
    assert sorted(code for _, code in results) == [0] * 8 + [65] * 56, [err for (_, err), code in results if code]
    assert len({out for (out, _), code in results if code == 0}) == 8
    assert host.states() == ["programmed"] * 8
    assert host.cli("status") == "Used regions: 8/8\n"


def test_who_waits_for_no_region_still_waits_for_the_store(host):
    host.configure(lock_timeout="0")
    host.cli("status")
    processes = [host.start("list") for _ in range(12)]
    results = [(process.communicate(timeout=60), process.returncode) for process in processes]
    assert [code for _, code in results] == [0] * 12, results


def test_a_burn_waits_for_an_erase(host, core_archive):
    host.configure(sim_cards="a:board1:1")
    region = burn(host, core_archive)
    host.fault("erase", "slow 2")
    erasing = host.start("erase", region)
    wait_until(lambda: host.states() == ["erasing"])
    assert burn(host, core_archive) == region
    assert erasing.wait(timeout=60) == 0
    erasing.communicate()


def test_a_burns_wait_is_bounded(host, core_archive):
    host.configure(sim_cards="a:board1:1", lock_timeout="1")
    region = burn(host, core_archive)
    host.fault("erase", "slow 5")
    erasing = host.start("erase", region)
    wait_until(lambda: host.states() == ["erasing"])
    assert "waited 1 s for those that fit and are being erased" in host.cli("burn", "--file", core_archive, code=65)
    assert erasing.wait(timeout=60) == 0
    erasing.communicate()


def test_burns_and_erases_at_once_never_break_the_store(host, core_archive):
    region = burn(host, core_archive)
    for _ in range(5):
        processes = [
            host.start("burn", "--file", core_archive),
            host.start("erase", region),
            host.start("burn", "--file", core_archive),
        ]
        codes = [process.wait(timeout=60) for process in processes]
        for process in processes:
            process.communicate()
        assert codes[1] == 0
        assert set(codes) <= {0, 65}
        held = [entry for entry in host.regions() if entry["state"] == "programmed"]
        assert {entry["state"] for entry in host.regions()} <= {"free", "programmed"}
        assert host.cli("status") == f"Used regions: {len(held)}/3\n"
        for entry in held:
            host.cli("erase", entry["id"])
        region = burn(host, core_archive)


def test_burns_on_different_cards_overlap(host, tmp_path):
    """Each load waits in its card until its FIFO is closed, which is not before both have come to theirs."""
    host.cli("status")
    burning = []
    with contextlib.ExitStack() as gates:
        for card, board in (("a", "board1"), ("b", "board2")):
            fifo = tmp_path / f"gate-{card}"
            os.mkfifo(fifo)
            host.fault("program", f"wait {fifo}", card=card)
            burning.append(host.start("burn", "--file", write_archive(tmp_path / card, manifest_data(board=board))))
            gates.callback(os.close, opened_by_a_reader(fifo))
        # Now both are in their cards, and neither can have ended.
        assert sorted(host.states()) == ["free", "programming", "programming"]
        assert [process.poll() for process in burning] == [None, None]
    for process in burning:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert sorted(host.states()) == ["free", "programmed", "programmed"]


def opened_by_a_reader(fifo, seconds=20) -> int:
    """Open a FIFO for writing as soon as somebody has it open for reading; return the descriptor."""
    end = time.monotonic() + seconds
    while True:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:  # fifo(7): ENXIO while nobody reads
            assert error.errno == errno.ENXIO and time.monotonic() < end, error
            time.sleep(0.02)


def test_an_erase_waits_for_the_burn_on_its_region(host, core_archive):
    host.configure(sim_cards="a:board1:1")
    host.cli("status")
    host.fault("program", "slow 2")
    owner = str(uuid.uuid4())
    burning = host.start("burn", "--owner", owner, "--file", core_archive)
    wait_until(lambda: host.states() == ["programming"])
    host.cli("erase", "--owner", owner)
    out, _ = burning.communicate(timeout=60)
    assert burning.returncode == 0 and UUID_LINE.fullmatch(out)
    assert host.states() == ["free"]


def test_the_wait_is_bounded_and_says_what_for(host, core_archive):
    host.configure(sim_cards="a:board1:1", lock_timeout="1")
    host.cli("status")
    host.fault("program", "slow 4")
    burning = host.start("burn", "--file", core_archive)
    wait_until(lambda: host.states() == ["programming"])
    region = host.regions()[0]["id"]
    assert "waited 1 s for the burn or erase in progress" in host.cli("erase", region, code=31)
    burning.communicate(timeout=60)
    assert host.states() == ["programmed"]


def test_help_teaches(host):
    text = host.cli("--help")
    for word in ("burn", "erase", "status", "exit codes", "64", "examples"):
        assert word in text
    for command in re.findall(r"^    (\w+) ", text, re.MULTILINE):
        assert "usage: fpga-cli" in host.cli(command, "--help")


def test_inspect(host, tmp_path, core_archive):
    assert '"name": "core"' in host.cli("inspect", core_archive)
    write_archive(tmp_path / "bad.zip", x_bin=b"stib")
    assert "SHA-256" in host.cli("inspect", tmp_path / "bad.zip", code=67)


def test_status_imports_nothing_heavy(host):
    import subprocess
    import sys

    host.cli("status")
    code = (
        "import sys; from fpga_nova.fpga_cli.main import main; "
        f"main(['--config-file', {str(host.config_file)!r}, 'status']); "
        "print(*sorted(name for name in sys.modules if name.split('.')[0] in "
        "('oslo_config', 'stevedore', 'argparse', 'logging', 'json', 'jsonschema', 'requests', 'dataclasses')))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "Used regions: 0/3\n\n"
