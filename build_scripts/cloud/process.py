# SPDX-License-Identifier: Apache-2.0
"""Processes by identity: a pid together with the time at which its process started."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

_BOOT_ID = pathlib.Path("/proc/sys/kernel/random/boot_id")


@dataclasses.dataclass(frozen=True)
class Process:
    """One process, never to be taken for another one that got its number later.

    :param pid: its number
    :param started: clock ticks from boot to its start, field 22 of /proc/PID/stat (proc(5))
    :param boot: the kernel's boot id
    """

    pid: int
    started: int
    boot: str

    def alive(self) -> bool:
        """Whether this very process still runs; one that is dead and not yet reaped does not."""
        return identify(self.pid) == self

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to this very process; return False if it is gone."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            # The handle is open, so the number cannot be given to another process between this look and the signal.
            if not self.alive():
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True


def identify(pid: int) -> Process | None:
    """Return the identity of the process that has this number now, or None if none is alive."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name, in parentheses, may itself hold blanks and parentheses.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    return Process(pid=pid, started=int(fields[19]), boot=_BOOT_ID.read_text().strip())


def spawn(argv: Sequence[str], log: pathlib.Path, env: Mapping[str, str]) -> Process:
    """Start a daemon in a session of its own, with no input and its output added to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd="/",
            start_new_session=True,
        )
    _children.append(child)
    process = identify(child.pid)
    if process is None:  # it ended at once; a start time that no process has stands for it
        return Process(pid=child.pid, started=-1, boot="")
    return process


# Popen objects of daemons that are meant to outlive us: kept so that nothing is said about them when collected, and
# polled so that a daemon that ended is reaped.
_children: list[subprocess.Popen[bytes]] = []


def reap() -> None:
    """Take note of daemons started here that ended."""
    for child in _children:
        child.poll()


def stop(processes: Sequence[Process], timeout: float, request: int = signal.SIGTERM) -> None:
    """End processes: ask each to by the signal `request`, and after `timeout` seconds kill what is left."""
    left = [process for process in processes if process.signal(request)]
    deadline = time.monotonic() + timeout
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        reap()
        left = [process for process in left if process.alive()]
    for process in left:
        process.signal(signal.SIGKILL)
    while any(process.alive() for process in left):
        time.sleep(0.02)
        reap()
