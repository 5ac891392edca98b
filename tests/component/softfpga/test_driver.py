# SPDX-License-Identifier: Apache-2.0
"""The driver: program, read back, serve, erase, and what happens in between."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
import shutil
import signal
import stat
import time
import zlib

import pytest

from fpga_nova import errors, model
from fpga_nova.devices import soft
from fpga_nova.softfpga import client
from fpga_nova.softfpga.decoder.boards import BOARDS
from fpga_nova.softfpga.runtime import region_process
from tests.component.softfpga import conftest
from tests.support.waiting import wait_until

CRC = {name: conftest.as_bitstream(conftest.ACCELERATORS / "crc32" / f"{name}.bin") for name in BOARDS}
ROOT = os.geteuid() == 0


def _region(device: soft.SoftDevice, board: str = "soft-hx1k") -> model.Region:
    return next(region for region in conftest.regions_of(device) if region.board == board)


@pytest.fixture
def region(device: soft.SoftDevice) -> model.Region:
    return _region(device)


@pytest.fixture
def programmed(device: soft.SoftDevice, region: model.Region) -> model.Region:
    device.program(region, CRC["soft-hx1k"])
    return region


def _crc(device: soft.SoftDevice, region: model.Region, data: bytes) -> bytes:
    return client.exchange(device.endpoint(region).address, data, timeout=20)


@pytest.mark.parametrize("board", sorted(BOARDS))
def test_core_runs_until_it_is_erased(device: soft.SoftDevice, board: str) -> None:
    region = _region(device, board)
    device.program(region, CRC[board])
    device.verify(region, CRC[board])
    with pytest.raises(errors.ReadBackMismatch):
        device.verify(region, None)
    assert _crc(device, region, b"123456789") == bytes.fromhex("cbf43926")

    device.erase(region)
    device.verify(region, None)
    with pytest.raises(errors.ReadBackMismatch):
        device.verify(region, CRC[board])
    assert not pathlib.Path(device.endpoint(region).address).exists()


def test_erase_leaves_no_readable_bit_of_the_core(device: soft.SoftDevice, programmed: model.Region) -> None:
    device.erase(programmed)
    core = CRC["soft-hx1k"].path.read_bytes()
    blank = BOARDS["soft-hx1k"].blank()
    # Rows of the core's configuration that the blank does not have.
    rows = [core[i : i + 32] for i in range(0, len(core) - 32, 32)]
    marks = [row for row in rows if row not in blank]
    assert len(marks) > 50
    for path in device.run_path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(mark in content for mark in marks), path


def test_read_back_comes_from_the_running_fabric(device: soft.SoftDevice, programmed: model.Region) -> None:
    files = device._region(programmed)
    files.configuration.write_bytes(b"something else")
    device.verify(programmed, CRC["soft-hx1k"])
    other = dataclasses.replace(CRC["soft-hx1k"], sha256=hashlib.sha256(b"other").hexdigest())
    with pytest.raises(errors.ReadBackMismatch, match="holds"):
        device.verify(programmed, other)


def test_programming_replaces_what_was_there(device: soft.SoftDevice, programmed: model.Region) -> None:
    before = device._region(programmed).server_pid()
    device.program(programmed, CRC["soft-hx1k"])
    assert device._region(programmed).server_pid() != before
    assert _crc(device, programmed, b"a") == zlib.crc32(b"a").to_bytes(4, "big")


def test_two_regions_of_a_card_are_apart(device: soft.SoftDevice) -> None:
    one, other = (region for region in conftest.regions_of(device) if region.board == "soft-hx1k")
    device.program(one, CRC["soft-hx1k"])
    device.program(other, CRC["soft-hx1k"])
    device.erase(one)
    assert _crc(device, other, b"x") == zlib.crc32(b"x").to_bytes(4, "big")
    device.verify(other, CRC["soft-hx1k"])
    device.verify(one, None)


# what cannot be loaded


def _file(tmp_path: pathlib.Path, content: bytes) -> model.Bitstream:
    path = tmp_path / "core.bin"
    path.write_bytes(content)
    return conftest.as_bitstream(path)


def _bad(content: bytes) -> dict[str, bytes]:
    middle = len(content) // 2
    return {
        "corrupt": content[:middle] + bytes([content[middle] ^ 0x10]) + content[middle + 1 :],
        "cut off": content[:middle],
        "empty": b"",
        "junk": bytes(range(256)) * 100,
        "text": b'.device 1k\n.sym 1 "; system("id"); //\n',
    }


@pytest.mark.parametrize("kind", ["corrupt", "cut off", "empty", "junk", "text"])
def test_broken_bitstream_fails_with_iceunpacks_words(
    device: soft.SoftDevice, region: model.Region, tmp_path: pathlib.Path, kind: str
) -> None:
    bitstream = _file(tmp_path, _bad(CRC["soft-hx1k"].path.read_bytes())[kind])
    with pytest.raises(errors.ProgrammingFailed, match=r"^iceunpack: .*[A-Za-z]{3}") as failure:
        device.program(region, bitstream)
    assert "\n" not in str(failure.value)
    # Nothing runs, nothing listens.
    device.verify(region, None)


def test_bitstream_for_another_part_is_refused_by_both_names(device: soft.SoftDevice, region: model.Region) -> None:
    with pytest.raises(errors.ProgrammingFailed, match=r"iCE40HX8K.*soft-hx1k.*iCE40HX1K"):
        device.program(region, CRC["soft-hx8k"])
    device.verify(region, None)


@pytest.mark.parametrize("board", sorted(BOARDS))
def test_blank_is_refused_as_a_core(device: soft.SoftDevice, board: str, tmp_path: pathlib.Path) -> None:
    region = _region(device, board)
    with pytest.raises(errors.ProgrammingFailed, match="no pin of the stream shell is driven"):
        device.program(region, _file(tmp_path, BOARDS[board].blank()))
    device.verify(region, None)


def test_failed_load_ends_the_core_before(
    device: soft.SoftDevice, programmed: model.Region, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(errors.ProgrammingFailed):
        device.program(programmed, _file(tmp_path, b"junk"))
    device.verify(programmed, None)


def test_file_changed_after_admission_is_refused(
    device: soft.SoftDevice, region: model.Region, tmp_path: pathlib.Path
) -> None:
    admitted = _file(tmp_path, CRC["soft-hx1k"].path.read_bytes())
    admitted.path.write_bytes(CRC["soft-hx8k"].path.read_bytes())
    with pytest.raises(errors.ProgrammingFailed, match="not the one that was admitted"):
        device.program(region, admitted)


def test_bitstream_too_large_for_any_part_is_not_read(
    device: soft.SoftDevice, region: model.Region, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(errors.ProgrammingFailed, match="no part here takes that many"):
        device.program(region, model.Bitstream("0" * 64, 1 << 40, path))


# the cache


def test_cached_core_is_not_decoded_again(device: soft.SoftDevice, programmed: model.Region) -> None:
    entries = sorted((device.state_path / "cache/fabrics").iterdir())
    made = [(path, (path / "fabric.so").stat().st_ino) for path in entries]
    start = time.monotonic()
    device.program(programmed, CRC["soft-hx1k"])
    assert time.monotonic() - start < 5
    assert made == [(path, (path / "fabric.so").stat().st_ino) for path in entries]


def test_changed_cache_entry_is_not_run(
    tmp_path: pathlib.Path, run_path: pathlib.Path, device: soft.SoftDevice, programmed: model.Region
) -> None:
    shutil.copytree(device.state_path / "cache", tmp_path / "cache")
    own = conftest.make_device(tmp_path, run_path)
    conftest.regions_of(own)
    shared_object = next((tmp_path / "cache/fabrics").glob(f"{CRC['soft-hx1k'].sha256}-*/fabric.so"))
    content = bytearray(shared_object.read_bytes())
    content[len(content) // 2] ^= 1
    shared_object.write_bytes(content)
    own.program(programmed, CRC["soft-hx1k"])
    own.verify(programmed, CRC["soft-hx1k"])
    assert shared_object.read_bytes() != bytes(content)


def test_cache_is_private(device: soft.SoftDevice, programmed: model.Region) -> None:
    assert stat.S_IMODE((device.state_path / "cache/fabrics").stat().st_mode) == 0o700


# erase from every state


def test_erase_of_a_region_never_seen(device: soft.SoftDevice, region: model.Region) -> None:
    device.verify(region, None)
    device.erase(region)
    device.erase(region)
    device.verify(region, None)


def test_erase_after_the_server_was_killed(device: soft.SoftDevice, programmed: model.Region) -> None:
    files = device._region(programmed)
    os.kill(files.server_pid(), signal.SIGKILL)
    wait_until(lambda: files.server_pid() is None, 10)
    with pytest.raises(errors.ReadBackMismatch):
        device.verify(programmed, CRC["soft-hx1k"])
    with pytest.raises(errors.ReadBackMismatch):
        device.verify(programmed, None)
    device.erase(programmed)
    device.verify(programmed, None)


def test_erase_of_a_stopped_server(
    device: soft.SoftDevice, programmed: model.Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM does not end a stopped process; SIGKILL does."""
    monkeypatch.setattr(region_process, "PATIENCE", 0.2)
    os.kill(device._region(programmed).server_pid(), signal.SIGSTOP)
    device.erase(programmed)
    device.verify(programmed, None)


def test_erase_does_not_believe_a_stale_pid(device: soft.SoftDevice, region: model.Region) -> None:
    files = device._region(region)
    files.make()
    # The pid of a living process that does not hold the lock: ours.
    (files.directory / "lock").write_text(f"{os.getpid()}\n")
    (files.directory / "endpoint.sock").touch()
    files.endpoint.touch()
    device.erase(region)
    device.verify(region, None)


# cards


def test_cards_are_those_that_the_operator_named(device: soft.SoftDevice) -> None:
    one, other = device.discover()
    assert (one.id, one.board, len(one.slots)) == ("soft:card0", "soft-hx1k", 2)
    assert (other.id, other.board, len(other.slots)) == ("soft:card1", "soft-hx8k", 1)
    assert {slot.region_type for slot in one.slots} == {"stream"}
    assert one.slots[0].interface_id == one.slots[1].interface_id == BOARDS["soft-hx1k"].interface_id
    assert one.slots[0].interface_id != other.slots[0].interface_id


def test_pulled_card_loses_its_configuration(tmp_path: pathlib.Path, run_path: pathlib.Path) -> None:
    device = conftest.make_device(tmp_path, run_path)
    region = _region(device)
    device.program(region, CRC["soft-hx1k"])
    path = pathlib.Path(device.discover()[0].path)
    path.rmdir()
    assert [card.id for card in device.discover()] == ["soft:card1"]
    for call in (
        lambda: device.verify(region, CRC["soft-hx1k"]),
        lambda: device.program(region, CRC["soft-hx1k"]),
        lambda: device.erase(region),
    ):
        with pytest.raises(errors.DeviceNotAccessible, match="card soft:card0 is not there"):
            call()
    # Without power there is no configuration.
    assert device._region(region).server_pid() is None
    path.mkdir()
    assert len(device.discover()) == 2
    device.verify(region, None)


def test_card_of_an_unknown_board_is_refused(tmp_path: pathlib.Path) -> None:
    device = conftest.make_device(tmp_path, tmp_path, soft_cards=["f:ice40:1"])
    with pytest.raises(errors.ConfigurationInvalid, match="there is no board 'ice40', only soft-hx1k, soft-hx8k"):
        device.discover()


def test_run_path_too_long_for_a_socket_is_refused(state_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    device = conftest.make_device(state_path, tmp_path / ("long" * 25))
    with pytest.raises(errors.ConfigurationInvalid, match="run_path is too long"):
        device.program(_region(device), CRC["soft-hx1k"])


@pytest.mark.parametrize(
    ("option", "value"), [("endpoint_group", "no-such-group"), *([("soft_user", "no-such-user")] if ROOT else [])]
)
def test_unknown_user_or_group_is_refused(
    state_path: pathlib.Path, run_path: pathlib.Path, option: str, value: str
) -> None:
    device = conftest.make_device(state_path, run_path, **{option: value})
    with pytest.raises(errors.ConfigurationInvalid, match=f"{option}: there is no .*{value}"):
        device.program(_region(device), CRC["soft-hx1k"])
