# SPDX-License-Identifier: Apache-2.0
"""The server of a region: frames, limits, and its privileges."""

from __future__ import annotations

import json
import os
import pathlib
import pwd
import random
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import textwrap
import time
import zlib
from collections.abc import Iterator

import pytest

import fpga_nova
from fpga_nova import errors, model
from fpga_nova.devices import soft
from fpga_nova.softfpga import client, python_process
from fpga_nova.softfpga.runtime import region_process, region_server
from tests.component.softfpga import conftest
from tests.support import designs
from tests.support.waiting import wait_until

ROOT = os.geteuid() == 0
CRC_FILE = conftest.ACCELERATORS / "crc32" / "soft-hx1k.bin"
CRC = conftest.as_bitstream(CRC_FILE)


def _frame(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "big")


class Guest:
    """One end of a region's socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(address)

    def receive(self) -> bytes:
        (length,) = struct.unpack(">I", self._exactly(4))
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def closed(self) -> bool:
        """Whether the region has closed the connection."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


class Programmed:
    """A programmed region and the ways to it."""

    def __init__(self, device: soft.SoftDevice, held: model.Region) -> None:
        self.device = device
        self.region = held
        self.files = device._region(held)
        self.address = device.endpoint(held).address

    def guest(self) -> Guest:
        return Guest(self.address)

    def log(self) -> str:
        return (self.files.directory / region_server.LOG).read_text()

    def status(self) -> dict[str, int]:
        return json.loads(self.files.ask("status"))


@pytest.fixture
def crc(device: soft.SoftDevice) -> Programmed:
    held = conftest.regions_of(device)[0]
    device.program(held, CRC)
    return Programmed(device, held)


@pytest.fixture(scope="session")
def moody_bitstream(tmp_path_factory: pytest.TempPathFactory) -> model.Bitstream:
    directory = tmp_path_factory.mktemp("moody")
    designs.bitstream("moody", directory)
    return conftest.as_bitstream(directory / "stored.bin")


@pytest.fixture
def moody(state_path: pathlib.Path, run_path: pathlib.Path, moody_bitstream: model.Bitstream) -> Iterator[Programmed]:
    device = conftest.make_device(state_path, run_path, soft_cycle_limit=100_000, soft_frame_limit=200_000)
    held = conftest.regions_of(device)[0]
    device.program(held, moody_bitstream)
    yield Programmed(device, held)
    device.erase(held)


# frames


def test_frames_are_answered_in_order(crc: Programmed) -> None:
    guest = crc.guest()
    messages = [b"one", b"", b"two" * 1000, b"", b"", b"x"]
    guest.socket.sendall(b"".join(_frame(message) for message in messages))
    assert [guest.receive() for _ in messages] == [_crc(message) if message else b"" for message in messages]


def test_frame_in_pieces_is_answered(crc: Programmed) -> None:
    guest = crc.guest()
    for byte in _frame(b"123456789"):
        guest.socket.sendall(bytes([byte]))
        time.sleep(0.003)
    assert guest.receive() == bytes.fromhex("cbf43926")


def test_guest_that_shuts_its_side_down_gets_its_answers(crc: Programmed) -> None:
    guest = crc.guest()
    guest.socket.sendall(_frame(b"a") + _frame(b"b"))
    guest.socket.shutdown(socket.SHUT_WR)
    assert [guest.receive(), guest.receive()] == [_crc(b"a"), _crc(b"b")]
    assert guest.closed()
    assert crc.log() == ""


def test_large_frame_is_answered_whole(moody: Programmed) -> None:
    data = b"." + random.Random(1).randbytes(199_999)
    assert client.exchange(moody.address, data) == data


def test_guest_that_reads_late_gets_every_answer(moody: Programmed) -> None:
    guest = moody.guest()
    data = b"." + bytes(150_000)
    guest.socket.sendall(_frame(data) * 2)
    wait_until(lambda: moody.status()["frames"] >= 1, 10)
    assert moody.status()["connections"] == 1
    assert guest.receive() == data
    assert guest.receive() == data


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        pytest.param(
            struct.pack(">I", 200_001), "a frame of 200001 bytes is over the limit of 200000", id="longest frame"
        ),
        pytest.param(_frame(b"Silence"), "the core was silent for more than 100000 clock cycles", id="silence"),
        pytest.param(_frame(b"Endless"), "the core's answer is over the limit of 200000 bytes", id="longest answer"),
    ],
)
def test_limit_closes_the_connection_and_resets_the_core(moody: Programmed, sent: bytes, reason: str) -> None:
    guest = moody.guest()
    guest.socket.sendall(sent)
    assert guest.closed()
    assert reason in moody.log()
    # The next connection finds the fabric as it was at power-up.
    assert client.exchange(moody.address, b"hello") == b"hello"


def test_half_a_message_is_not_part_of_the_next(crc: Programmed) -> None:
    guest = crc.guest()
    guest.socket.sendall(struct.pack(">I", 1000) + b"half")
    wait_until(lambda: crc.status()["bytes_in"] == 4, 10)
    guest.socket.close()
    assert client.exchange(crc.address, b"123456789") == bytes.fromhex("cbf43926")
    assert "in the middle of a message" in crc.log()


def test_next_connection_waits_for_the_first_to_end(crc: Programmed) -> None:
    first, second = crc.guest(), crc.guest()
    second.socket.sendall(_frame(b"second"))
    first.socket.sendall(_frame(b"first"))
    assert first.receive() == _crc(b"first")
    assert select.select([second.socket], [], [], 0.2)[0] == []
    first.socket.close()
    assert second.receive() == _crc(b"second")


def test_control_socket_answers_while_the_core_is_busy(
    state_path: pathlib.Path, run_path: pathlib.Path, moody_bitstream: model.Bitstream
) -> None:
    device = conftest.make_device(state_path, run_path, soft_cycle_limit=1 << 60)
    held = conftest.regions_of(device)[0]
    device.program(held, moody_bitstream)
    programmed = Programmed(device, held)
    guest = programmed.guest()
    guest.socket.sendall(_frame(b"Silent for ever"))
    wait_until(lambda: programmed.status()["bytes_in"] == 1, 10)
    device.verify(held, moody_bitstream)
    # And a client that has had enough can go.
    guest.socket.close()
    assert client.exchange(programmed.address, b"hello") == b"hello"
    device.erase(held)


def test_served_frames_and_bytes_are_counted(crc: Programmed) -> None:
    assert client.exchange(crc.address, b"12345") and client.exchange(crc.address, b"") == b""
    status = crc.status()
    assert (status["connections"], status["frames"]) == (2, 2)
    assert (status["bytes_in"], status["bytes_out"], status["cycles"]) == (5, 4, 9)
    assert status["pid"] == crc.files.server_pid()


# life and death


def test_erase_closes_an_open_connection(crc: Programmed) -> None:
    guest = crc.guest()
    guest.socket.sendall(_frame(b"a"))
    guest.receive()
    crc.device.erase(crc.region)
    assert guest.closed()
    with pytest.raises(FileNotFoundError):
        crc.guest()


def test_server_outlives_the_process_that_started_it(
    state_path: pathlib.Path, run_path: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Its session is its own, and none of the starter's descriptors keeps on living in it."""
    pipe = tmp_path / "starter.py"
    pipe.write_text(
        textwrap.dedent("""
        import os, pathlib, sys
        from tests.component.softfpga import conftest
        device = conftest.make_device(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
        held = conftest.regions_of(device)[0]
        lock = os.open(sys.argv[2] + "/starters-lock", os.O_CREAT | os.O_RDWR)
        os.set_inheritable(lock, True)
        device.program(held, conftest.as_bitstream(pathlib.Path(sys.argv[3])))
        print("programmed", flush=True)
        """)
    )
    root = str(pathlib.Path(__file__).resolve().parents[3])
    done = subprocess.run(
        [sys.executable, str(pipe), str(state_path), str(run_path), str(CRC_FILE)],
        env={**os.environ, "PYTHONPATH": root},
        # Ends only when no process has the other end open: a server that kept it would hang this test.
        capture_output=True,
        timeout=60,
        start_new_session=True,
        check=False,
    )
    assert done.stdout == b"programmed\n", done.stderr
    device = conftest.make_device(state_path, run_path)
    programmed = Programmed(device, conftest.regions_of(device)[0])
    pid = programmed.files.server_pid()
    assert pid is not None and os.getsid(pid) != os.getsid(0)
    kept = [str(path.readlink()) for path in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
    assert not [path for path in kept if "starters-lock" in path or path.startswith("pipe:")], kept
    device.verify(programmed.region, CRC)
    assert client.exchange(programmed.address, b"x") == _crc(b"x")
    device.erase(programmed.region)


def test_second_server_of_a_region_is_refused(crc: Programmed, tmp_path: pathlib.Path) -> None:
    before = crc.files.server_pid()
    options = region_server.ServerOptions(
        str(crc.files.directory), str(tmp_path / "none"), "", os.getuid(), os.getgid(), 1, 1
    )
    with pytest.raises(errors.ProgrammingFailed, match="already running"):
        crc.files.start(options)
    assert crc.files.server_pid() == before
    crc.device.verify(crc.region, CRC)


def test_reason_of_a_server_that_does_not_start_is_reported(crc: Programmed, tmp_path: pathlib.Path) -> None:
    (tmp_path / "other.so").write_bytes(b"not what was decoded")
    files = region_process.SoftRegion(tmp_path / "region", tmp_path / "endpoints" / "x.sock")
    files.make()
    options = region_server.ServerOptions(
        str(files.directory), str(tmp_path / "other.so"), "0" * 64, os.getuid(), os.getgid(), 1, 1
    )
    with pytest.raises(errors.ProgrammingFailed, match=r"did not start: the decoded fabric .* has been changed"):
        files.start(options)
    assert files.server_pid() is None


def test_server_is_found_by_its_lock_whatever_its_command_line(tmp_path: pathlib.Path) -> None:
    files = region_process.SoftRegion(tmp_path, tmp_path / "e.sock")
    assert files.server_pid() is None
    code = "import sys, time, pathlib; from fpga_nova.softfpga.runtime import region_server; "
    code += "region_server.lock(pathlib.Path(sys.argv[1])); print(1, flush=True); time.sleep(60)"
    argv = [sys.executable, "-c", code, str(tmp_path / "lock")]
    holder = subprocess.Popen(argv, stdout=subprocess.PIPE, env=python_process.environment())
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"1\n"
        assert files.server_pid() == holder.pid
        files.stop()
        assert files.server_pid() is None
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


# privileges


def test_sockets_are_open_to_their_owner_only(crc: Programmed) -> None:
    mode = pathlib.Path(crc.address).stat()
    assert stat.S_IMODE(mode.st_mode) == 0o600
    assert stat.S_IMODE(crc.files.control.stat().st_mode) == 0o600
    assert stat.S_IMODE(crc.files.directory.stat().st_mode) == 0o700


@pytest.mark.skipif(not ROOT, reason="only root gives a socket to a group that it is not in")
def test_endpoint_is_open_to_the_configured_group(state_path: pathlib.Path, run_path: pathlib.Path) -> None:
    device = conftest.make_device(state_path, run_path, endpoint_group="daemon")
    held = conftest.regions_of(device)[0]
    device.program(held, CRC)
    mode = pathlib.Path(device.endpoint(held).address).stat()
    assert (stat.S_IMODE(mode.st_mode), mode.st_gid) == (0o660, 1)
    device.erase(held)


def test_guests_can_reach_the_endpoint_under_any_umask(state_path: pathlib.Path, run_path: pathlib.Path) -> None:
    before = os.umask(0o077)
    try:
        device = conftest.make_device(state_path, run_path / "run")
        held = conftest.regions_of(device)[0]
        device.program(held, CRC)
    finally:
        os.umask(before)
    endpoints = pathlib.Path(device.endpoint(held).address).parent
    assert [stat.S_IMODE(path.stat().st_mode) for path in (endpoints.parent, endpoints)] == [0o755, 0o755]
    device.erase(held)


def _process(pid: int) -> dict[str, list[str]]:
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.split() for name, value in (line.split(":", 1) for line in lines)}


def test_server_cannot_gain_privileges(crc: Programmed) -> None:
    pid = crc.files.server_pid()
    assert pid is not None
    assert _process(pid)["NoNewPrivs"] == ["1"]
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
    for limit, value in (("Max processes", 0), ("Max core file size", 0), ("Max open files", 32)):
        line = next(line for line in limits.splitlines() if line.startswith(limit))
        assert line[len("Max processes             ") :].split()[:2] == [str(value)] * 2, line


@pytest.mark.skipif(not ROOT, reason="a server that was not started as root has nothing to drop")
def test_server_does_not_run_as_root(crc: Programmed) -> None:
    pid = crc.files.server_pid()
    assert pid is not None
    nobody = pwd.getpwnam("nobody")
    status = _process(pid)
    assert status["Uid"] == [str(nobody.pw_uid)] * 4
    assert status["Gid"] == [str(nobody.pw_gid)] * 4
    assert status["Groups"] == []
    assert all(int(status[kind][0], 16) == 0 for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"))


def test_tools_of_the_translator_are_confined(
    device: soft.SoftDevice, run_path: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tools, which read a tenant's file, run as the same user, and can gain no privileges either."""
    run_path.chmod(0o711)
    witness = run_path / "bin"
    witness.mkdir()
    tool = witness / "iceunpack"
    # Instead of unpacking, it prints its own user.
    tool.write_text("#!/bin/sh\ngrep -E '^(Uid|NoNewPrivs):' /proc/self/status | tr '\\t\\n' '  ' >&2\nexit 1\n")
    for path in (witness, tool):
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{witness}:{os.environ['PATH']}")
    (tmp_path / "core.bin").write_bytes(CRC_FILE.read_bytes() + b"different")
    uid = pwd.getpwnam("nobody").pw_uid if ROOT else os.geteuid()
    with pytest.raises(errors.ProgrammingFailed, match=rf"iceunpack: Uid: {uid} {uid} {uid} {uid} NoNewPrivs: 1"):
        device.program(conftest.regions_of(device)[0], conftest.as_bitstream(tmp_path / "core.bin"))


@pytest.fixture
def private_directory() -> Iterator[pathlib.Path]:
    """A directory that root alone can enter, as root's home is."""
    with tempfile.TemporaryDirectory(prefix="private") as path:
        yield pathlib.Path(path)


@pytest.fixture
def private_python(private_directory: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A Python below a directory that only root can enter, by which the soft FPGA then starts its processes."""
    library = pathlib.Path(os.__file__).parent
    python = private_directory / "bin" / library.name
    python.parent.mkdir()
    shutil.copy(pathlib.Path(sys.executable).resolve(), python)
    (private_directory / "lib").mkdir()
    (private_directory / "lib" / library.name).symlink_to(library)
    code = "import os; print(os.__file__)"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, timeout=30, check=True)
    if not done.stdout.startswith(str(private_directory)):
        pytest.skip("this Python does not find its library beside itself")
    monkeypatch.setattr(sys, "executable", str(python))
    return private_directory


def _private_python_error(private_python: pathlib.Path) -> str:
    return (
        rf"soft_user nobody cannot read the Python of fpga-cli, {private_python}/lib/[\w.]+, as {private_python} is "
        r"closed to other users; run fpga-cli with a Python that every user can read"
    )


@pytest.mark.skipif(not ROOT, reason="others than root decode as themselves")
def test_python_that_soft_user_cannot_read_is_named_by_the_translator(
    tmp_path: pathlib.Path, run_path: pathlib.Path, private_python: pathlib.Path
) -> None:
    device = conftest.make_device(tmp_path, run_path)
    with pytest.raises(errors.ProgrammingFailed, match=f"^{_private_python_error(private_python)}"):
        device.program(conftest.regions_of(device)[0], CRC)


@pytest.mark.skipif(not ROOT, reason="others than root serve as themselves")
def test_python_that_soft_user_cannot_read_is_named_by_the_server(
    crc: Programmed, private_python: pathlib.Path
) -> None:
    """The fabric is in the cache already, so the server is the first to meet it."""
    with pytest.raises(errors.ProgrammingFailed, match=f"did not start: {_private_python_error(private_python)}"):
        crc.device.program(crc.region, CRC)
    crc.device.verify(crc.region, None)


@pytest.mark.skipif(not ROOT, reason="others than root decode as themselves")
def test_package_that_soft_user_cannot_read_does_no_harm(
    tmp_path: pathlib.Path, run_path: pathlib.Path, private_directory: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """README's virtual environment may lie below root's home: its modules are imported before privileges are lost."""
    package = pathlib.Path(fpga_nova.__file__).parent
    shutil.copytree(package, private_directory / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fpga_nova, "__file__", str(private_directory / package.name / "__init__.py"))
    assert str(private_directory) in python_process.environment()["PYTHONPATH"]
    device = conftest.make_device(tmp_path, run_path)
    held = conftest.regions_of(device)[0]
    device.program(held, CRC)
    device.verify(held, CRC)
    device.erase(held)


def test_soft_user_root_is_refused(state_path: pathlib.Path, run_path: pathlib.Path) -> None:
    if not ROOT:
        pytest.skip("soft_user is of no use to others than root")
    device = conftest.make_device(state_path, run_path, soft_user="root")
    with pytest.raises(errors.ConfigurationInvalid, match="never runs as root"):
        device.program(conftest.regions_of(device)[0], CRC)


# the command-line client


def test_client_runs_as_a_command(crc: Programmed) -> None:
    argv = [sys.executable, "-m", "fpga_nova.softfpga.client"]
    done = subprocess.run([*argv, crc.address], input=b"123456789", capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, bytes.fromhex("cbf43926"), b"")
    done = subprocess.run([*argv, "/no/such.sock"], input=b"", capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"Error: /no/such.sock: No such file or directory\n"


def test_interrupt_of_a_terminal_does_not_end_the_server(crc: Programmed) -> None:
    pid = crc.files.server_pid()
    assert pid is not None
    os.kill(pid, signal.SIGINT)
    assert client.exchange(crc.address, b"a") == _crc(b"a")
