# SPDX-License-Identifier: Apache-2.0
"""A host with a simulated and a soft card, and the truth about it as seen from outside."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import select
import shutil
import signal
import sqlite3
import tempfile
import time
import uuid
import zlib
from collections.abc import Callable

from tests.crash import forked, killed
from tests.support import ROOT
from tests.support.archives import manifest_data, write_archive

#: The content of a core for the simulated card; long enough that copying it takes a while.
SIM_CORE = b"the core's secret " * 200_000
SOFT_CORE = (ROOT / "accelerators/crc32/soft-hx1k.bin").read_bytes()
SOFT_FUNCTION = json.loads((ROOT / "accelerators/crc32/core.json").read_text())["function"]

CARD_OF = {"sim": "sim:a", "soft": "soft:s"}


@dataclasses.dataclass(frozen=True)
class Row:
    """A region as the store's file has it."""

    id: str
    card: str
    index: int
    state: str
    owner: str | None
    error: str | None

    @property
    def kind(self) -> str:
        return self.card.partition(":")[0]


class World:
    """One host in a directory of its own.

    :param regions: of the simulated card, and of the soft card
    """

    def __init__(self, sim_regions: int = 4, soft_regions: int = 2) -> None:
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="crash"))  # short, as the sockets' paths have little room
        self.state = self.path / "state"
        self.run_path = self.path / "run"
        self.config_file = self.path / "fpga.conf"
        self.config_file.write_text(
            f"[fpga]\nstate_path = {self.state}\nrun_path = {self.run_path}\ndevices = sim,soft\n"
            f"sim_cards = a:board1:{sim_regions}\nsoft_cards = s:soft-hx1k:{soft_regions}\nlock_timeout = 20\n"
        )
        self.archives = {
            "sim": write_archive(self.path / "sim.zip", manifest_data(SIM_CORE), x_bin=SIM_CORE),
            "soft": write_archive(
                self.path / "soft.zip",
                manifest_data(SOFT_CORE, "soft-hx1k", vendor="lattice", function=SOFT_FUNCTION),
                x_bin=SOFT_CORE,
            ),
        }
        blank = _blank()
        rows = [SOFT_CORE[at : at + 32] for at in range(0, len(SOFT_CORE) - 32, 32)]
        #: Pieces of the cores that no blank region has.
        self.marks = [SIM_CORE[:64], *(row for row in rows if row not in blank)]
        assert len(self.marks) > 50

    def remove(self) -> None:
        """End the servers and remove all."""
        for pid in self.servers().values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.path)

    # fpga-cli

    def start(self, *arguments: object, prepare: Callable[[], None] = lambda: None, out: int | None = None) -> Call:
        """Start fpga-cli in a fork; its output goes to files, or its stdout to the descriptor `out`."""
        return Call(self, arguments, prepare, out)

    def cli(self, *arguments: object, code: int = 0, prepare: Callable[[], None] = lambda: None) -> str:
        """Run fpga-cli in a fork, and require its exit code; return its stdout."""
        call = self.start(*arguments, prepare=prepare)
        assert call.wait() == code, f"fpga-cli {arguments} ended with {call.code}, not {code}: {call.out()}{call.err()}"
        return call.out()

    # the truth

    def rows(self) -> list[Row]:
        """Return the regions, read from the store's file."""
        path = f"file:{self.state / 'regions.sqlite'}?mode=ro"
        with contextlib.closing(sqlite3.connect(path, uri=True, timeout=20)) as connection:
            query = 'SELECT id, card_id, "index", state, owner, error FROM regions ORDER BY card_id, "index"'
            return [Row(*row) for row in connection.execute(query)]

    def worked_on(self, row: Row) -> bool:
        """Return whether a region's lock is held: while no command runs, by a server that is just starting."""
        path = self.state / "locks" / f"{row.id}.lock"
        if not path.exists():
            return False
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def wait_for_workers(self, seconds: float = 60) -> None:
        """Wait until no process works on any region."""
        deadline = time.monotonic() + seconds
        while worked_on := [row for row in self.rows() if self.worked_on(row)]:
            assert time.monotonic() < deadline, f"the locks of {worked_on} are held for more than {seconds} s"
            time.sleep(0.02)

    def servers(self) -> dict[pathlib.Path, int]:
        """Return the servers that run, by their region's directory."""
        return killed.server_pids(self.run_path)

    def place(self, row: Row) -> pathlib.Path:
        """Return where a region's card keeps its bits: a file or a directory."""
        return self.run_path / row.kind / row.card.partition(":")[2] / str(row.index)

    def socket(self, row: Row) -> pathlib.Path:
        return self.run_path / "endpoints" / f"{row.id}.sock"

    def check_blank(self, row: Row) -> None:
        """See that nothing of a core is left in a free region: no bits, no socket, no server."""
        place = self.place(row)
        for path in [place, *place.rglob("*")]:
            if path.is_file():
                content = path.read_bytes()
                assert not any(mark in content for mark in self.marks), f"{row} has bits of its last core: {path}"
        assert not self.socket(row).exists(), f"{row} has a socket"
        assert place not in self.servers(), f"{row} has a server"

    def holds_core(self, row: Row) -> bool:
        """Return whether a region holds its core: by its bits, or, on the soft card, by what it computes."""
        if row.kind == "sim":
            path = self.place(row)
            return path.is_file() and path.read_bytes() == SIM_CORE
        from fpga_nova.softfpga import client

        try:
            data = row.id.encode()
            return client.exchange(str(self.socket(row)), data, timeout=20) == zlib.crc32(data).to_bytes(4, "big")
        except OSError:
            return False

    def reboot(self) -> None:
        """End all servers, remove what a restart removes, and let the store be of another boot."""
        for pid in self.servers().values():
            os.kill(pid, signal.SIGKILL)
        while self.servers():
            time.sleep(0.01)
        shutil.rmtree(self.run_path, ignore_errors=True)
        with contextlib.closing(sqlite3.connect(self.state / "regions.sqlite", timeout=20)) as connection, connection:
            connection.execute("UPDATE meta SET value = ? WHERE key = 'boot_id'", (str(uuid.uuid4()),))


class Call:
    """One call of fpga-cli, in a fork."""

    def __init__(
        self, world: World, arguments: tuple[object, ...], prepare: Callable[[], None], out: int | None
    ) -> None:
        self._files = [tempfile.TemporaryFile(dir=world.path) for _ in range(2)]  # noqa: SIM115
        descriptors = [file.fileno() for file in self._files]
        self.arguments = arguments
        self.pid = forked.start(
            ["--config-file", world.config_file, *arguments],
            descriptors[0] if out is None else out,
            descriptors[1],
            prepare,
        )
        #: exit code, or minus the signal that killed it; None while it runs
        self.code: int | None = None

    def poll(self) -> int | None:
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def wait(self, seconds: float = 60) -> int:
        deadline = time.monotonic() + seconds
        while self.poll() is None:
            assert time.monotonic() < deadline, f"fpga-cli {self.arguments} did not end in {seconds} s: {self.err()}"
            time.sleep(0.002)
        assert self.code is not None
        return self.code

    def kill(self) -> bool:
        """Kill it; return whether it still lived."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        return self.wait() == -signal.SIGKILL

    def _text(self, index: int) -> str:
        self._files[index].seek(0)
        return self._files[index].read().decode()

    def out(self) -> str:
        return self._text(0)

    def err(self) -> str:
        return self._text(1)


class Caller:
    """A process that calls fpga-cli and takes its output through a pipe, as nova-compute does."""

    def __init__(self, world: World, *arguments: object, prepare: Callable[[], None] = lambda: None) -> None:
        self._told = tempfile.TemporaryFile(dir=world.path)  # noqa: SIM115
        # Both processes have its other end: it ends when both have ended.
        self._alive, alive = os.pipe()
        self.arguments = arguments
        self.pid = os.fork()
        if self.pid == 0:
            try:
                reading, writing = os.pipe()
                world.start(*arguments, prepare=lambda: (os.close(reading), prepare()), out=writing)  # type: ignore[func-returns-value]
                os.close(writing)
                while words := os.read(reading, 1000):
                    os.write(self._told.fileno(), words)
            finally:
                os._exit(0)
        os.close(alive)
        self.code: int | None = None

    def kill(self) -> bool:
        """Kill the caller, not what it called; return whether it still lived."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code == -signal.SIGKILL

    def wait(self) -> None:
        """Wait until the caller and fpga-cli have ended."""
        assert select.select([self._alive], [], [], 60)[0], f"fpga-cli {self.arguments} did not end in 60 s"
        os.close(self._alive)
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def told(self) -> str:
        """Return what the caller has read."""
        self._told.seek(0)
        return self._told.read().decode()


def _blank() -> bytes:
    from fpga_nova.softfpga.decoder.boards import BOARDS

    return BOARDS["soft-hx1k"].blank()
