# SPDX-License-Identifier: Apache-2.0
"""fpga-cli as a process over simulated cards: the contract, kills, many at once, and readers that go away."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import uuid

import pytest

from tests.support.archives import manifest_data, write_archive
from tests.support.long import LONG
from tests.support.waiting import wait_until

UUID_LINE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n")


def burn(host, archive, *options):
    return host.cli("burn", "--file", archive, *options).strip()


def test_contract_of_burn_status_and_erase(host, core_archive):
    assert host.cli("status") == "Used regions: 0/3\n"
    region = host.cli("burn", "--file", core_archive)
    assert UUID_LINE.fullmatch(region)
    assert host.cli("status") == "Used regions: 1/3\n"
    assert host.cli("erase", region.strip()) == ""
    assert host.cli("status") == "Used regions: 0/3\n"
    assert host.cli("erase", region.strip()) == ""  # a second erase is not an error


def test_region_is_recovered_after_the_recovering_command_was_killed_too(host, core_archive):
    host.cli("status")
    host.fault("program", "kill")
    host.cli("burn", "--file", core_archive, code=-signal.SIGKILL)
    host.fault("erase", "kill")
    host.cli("status", code=-signal.SIGKILL)
    host.fault("erase", None)
    host.fault("program", None)
    assert "free" in host.cli("recover")
    assert host.cli("status") == "Used regions: 0/3\n"


def test_files_that_a_killed_burn_unpacked_are_removed_by_the_next(host, core_archive):
    host.cli("status")
    host.fault("program", "kill")
    host.cli("burn", "--file", core_archive, code=-signal.SIGKILL)
    assert list((host.state_path / "tmp").iterdir())
    host.fault("program", None)
    burn(host, core_archive)
    assert not list((host.state_path / "tmp").iterdir())


def test_burns_at_once_give_no_region_twice(host, core_archive):
    """The host has never seen its cards: the first processes find all regions dirty, and wipe them."""
    burns = 64 if LONG else 12
    host.configure(sim_cards="a:board1:5,b:board1:3", lock_timeout="60")
    processes = [host.start("burn", "--file", core_archive) for _ in range(burns)]
    results = [(process.communicate(timeout=120), process.returncode) for process in processes]
    codes = sorted(code for _, code in results)
    assert codes == [0] * 8 + [65] * (burns - 8), [err for (_, err), code in results if code]
    assert len({out for (out, _), code in results if code == 0}) == 8
    assert host.states() == ["programmed"] * 8
    assert host.cli("status") == "Used regions: 8/8\n"


def test_command_that_waits_for_no_region_waits_for_the_store(host):
    host.configure(lock_timeout="0")
    host.cli("status")
    processes = [host.start("list") for _ in range(12 if LONG else 4)]
    results = [(process.communicate(timeout=60), process.returncode) for process in processes]
    assert {code for _, code in results} == {0}, results


def test_burn_waits_for_an_erase_and_takes_its_region(host, core_archive, tmp_path):
    host.configure(sim_cards="a:board1:1")
    region = burn(host, core_archive)
    with gate(host, "erase", tmp_path / "gate"):
        erasing = host.start("erase", region)
        wait_until(lambda: host.states() == ["erasing"])
        burning = host.start("burn", "--file", core_archive)
        # It has unpacked its bitstream, so it has looked for a free region.
        wait_until(lambda: list((host.state_path / "tmp").glob("*/*")))
    assert erasing.communicate(timeout=60) == ("", "")
    assert burning.communicate(timeout=60) == (f"{region}\n", "")
    assert host.states() == ["programmed"]


def test_burns_and_erases_at_once_never_break_the_store(host, core_archive):
    region = burn(host, core_archive)
    for _ in range(5 if LONG else 2):
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
    """Each load waits in its card until its FIFO is closed, which happens after both have reached theirs."""
    host.cli("status")
    burning = []
    with contextlib.ExitStack() as gates:
        for card, board in (("a", "board1"), ("b", "board2")):
            gates.enter_context(gate(host, "program", tmp_path / f"gate-{card}", card))
            burning.append(host.start("burn", "--file", write_archive(tmp_path / card, manifest_data(board=board))))
        wait_until(lambda: sorted(host.states()) == ["free", "programming", "programming"])
        # Both are in their cards, and neither can have ended.
        assert [process.poll() for process in burning] == [None, None]
    for process in burning:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert sorted(host.states()) == ["free", "programmed", "programmed"]


@contextlib.contextmanager
def gate(host, when, fifo, card="a"):
    """Let a simulated card stop at a step; at the end of the block, wait until it is there, and let it go on."""
    os.mkfifo(fifo)
    host.fault(when, f"wait {fifo}", card=card)
    yield
    os.close(os.open(fifo, os.O_WRONLY))  # fifo(7): the open waits for a reader
    host.fault(when, None, card=card)


def test_erase_waits_for_the_burn_on_its_region(host, core_archive, tmp_path):
    host.configure(sim_cards="a:board1:1")
    host.cli("status")
    owner = str(uuid.uuid4())
    with gate(host, "program", tmp_path / "gate"):
        burning = host.start("burn", "--owner", owner, "--file", core_archive)
        wait_until(lambda: host.states() == ["programming"])
        erasing = host.start("erase", "--owner", owner)
    out, _ = burning.communicate(timeout=60)
    assert burning.returncode == 0 and UUID_LINE.fullmatch(out)
    assert erasing.communicate(timeout=60) == ("", "")
    assert host.states() == ["free"]


def test_status_imports_nothing_heavy(host):
    host.cli("status")
    code = (
        "import sys; from fpga_nova.fpga_cli.main import main; "
        f"main(['--config-file', {str(host.config_file)!r}, 'status']); "
        "print(*sorted(name for name in sys.modules if name.split('.')[0] in "
        "('oslo_config', 'stevedore', 'argparse', 'logging', 'json', 'jsonschema', 'requests', 'dataclasses')))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "Used regions: 0/3\n\n"


# Readers that go away


def closed_pipe() -> int:
    """Return the writing end of a pipe without a reader."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("command", ["status", "list", "--help", "history", "metrics"])
def test_closed_output_is_silent(host, command):
    host.cli("status")
    writing = closed_pipe()
    process = host.start(command, stdout=writing)
    os.close(writing)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 141


def test_long_output_that_is_cut_is_silent(host):
    """Its first part was read; the rest is more than a pipe holds."""
    host.configure(sim_cards=",".join(f"{card}:board1:64" for card in "abcd"), lock_timeout="60")
    process = host.start("list", "-f", "json")
    assert process.stdout.readline() == "[\n"
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 141
    process.stderr.close()


def test_error_keeps_its_exit_code_when_the_output_is_closed(host):
    writing = closed_pipe()
    process = host.start("erase", "none", stdout=writing)
    os.close(writing)
    assert "unknown region" in process.communicate(timeout=60)[1]
    assert process.returncode == 33


def test_burn_erases_the_region_again_when_its_id_cannot_be_printed(host, core_archive):
    host.cli("status")
    writing = closed_pipe()
    process = host.start("burn", "--file", core_archive, stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == "Error: the region's id could not be printed (Broken pipe); the region was erased again\n"
    assert host.states() == ["free"] * 3
