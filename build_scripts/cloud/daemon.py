# SPDX-License-Identifier: Apache-2.0
"""A module with one long-running process: it starts, is watched until it is well, and stops."""

from __future__ import annotations

import abc
import dataclasses
import json
import pathlib
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from typing import ClassVar

from build_scripts.cloud import process
from build_scripts.cloud.module import Module, Status
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import digest, port_free


class Daemon(Module, abc.ABC):
    """A module with one long-running process."""

    #: The user that the process runs as.
    user: ClassVar[str] = "root"
    #: Its name in state.PORTS, if it listens.
    port: ClassVar[str | None] = None
    #: Seconds that it may take until it is well, and until it has ended.
    start_timeout: ClassVar[float] = 180
    stop_timeout: ClassVar[float] = 20
    #: The signal that asks it to end.
    stop_signal: ClassVar[int] = signal.SIGTERM
    #: Marks in the state's done.json whose change calls for a new start: what the process is made of.
    code: ClassVar[tuple[str, ...]] = ("venv",)

    @abc.abstractmethod
    def command(self) -> Sequence[str]:
        """Return the argument vector."""

    def environment(self) -> Mapping[str, str]:
        """Return what the process's environment has beyond a node's."""
        return {}

    def problem(self) -> str | None:
        """Return what is wrong with the running process, or None; here, that nothing accepts connections."""
        if self.port is None:
            return None
        return connects(self.state.port(self.port))

    def start(self) -> None:
        """Start the process, again if its program or configuration changed, and wait until it is well.

        :raises CloudError: it ended, or was not well in time
        """
        wanted = self._fingerprint()
        running = self._running()
        if running and self.state.read(self._file()).get("fingerprint") != wanted:
            process.stop([running], self.stop_timeout, self.stop_signal)
            running = None
        if running is None:
            self._require_port()
            running = process.spawn(
                self.node.command(self.command(), self.user),
                self._log(),
                self.node.environment(self.user, self.environment()),
            )
            record = {**dataclasses.asdict(running), "fingerprint": wanted, "time": time.time()}
            self.state.write(self._file(), record)
        self._wait(running)

    def stop(self) -> None:
        """Stop the process and wait until it has ended."""
        running = self._running()
        if running:
            process.stop([running], self.stop_timeout, self.stop_signal)

    def status(self) -> Status:
        """Return the process's number, its port, and what is wrong."""
        running = self._running()
        port = self.state.port(self.port) if self.port else None
        if running is None:
            return Status(None, port, "not running")
        return Status(running.pid, port, self.problem())

    def _require_port(self) -> None:
        """Check that the port is free; children of a process just ended have 5 s to let go of it."""
        deadline = time.monotonic() + 5
        while self.port and not port_free(self.state.port(self.port)):
            if time.monotonic() > deadline:
                port = self.state.port(self.port)
                raise CloudError(f"{self.node.name}: port {port}, which is {self.name}'s, is taken by another program")
            time.sleep(0.2)

    def started_at(self) -> float:
        """Return when the process was started last, in seconds since 1970."""
        return float(self.state.read(self._file()).get("time", 0))

    def _wait(self, running: process.Process) -> None:
        deadline = time.monotonic() + self.start_timeout
        while True:
            process.reap()
            if not running.alive():
                raise CloudError(f"{self.node.name}: {self.name} ended; see {self._log()}")
            problem = self.problem()
            if problem is None:
                return
            if time.monotonic() > deadline:
                raise CloudError(f"{self.node.name}: {self.name} is not well, {problem}; see {self._log()}")
            time.sleep(0.3)

    def _fingerprint(self) -> str:
        files = {path: dataclasses.astuple(file) for path, file in self.files().items()}
        code = [self.state.digest_of(mark) for mark in self.code]
        return digest(json.dumps([list(self.command()), self.user, dict(self.environment()), files, code]))

    def _running(self) -> process.Process | None:
        record = self.state.read(self._file())
        if not record:
            return None
        found = process.Process(record["pid"], record["started"], record["boot"])
        return found if found.alive() and self.node.holds(found) else None

    def _file(self) -> str:
        return f"run/{self.node.name}.{self.name}.json"

    def _log(self) -> pathlib.Path:
        return self.state.log(f"{self.node.name}-{self.name}")


def connects(port: int) -> str | None:
    """Return why nothing can connect to 127.0.0.1:port, or None if it can."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return None
    except OSError as error:
        return f"port {port}: {error}"
