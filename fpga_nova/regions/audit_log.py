# SPDX-License-Identifier: Apache-2.0
"""The audit log: who did what to which region, with which bits, and how it ended; one JSON object a line.

It is only ever appended to, a line in one write(2) with O_APPEND, and is on the disk when a command ends. A file is
opened for one command and closed, so it can be rotated by renaming at any time. JSON escapes every control character,
so nothing that a tenant or a tool says can begin a line.
"""

from __future__ import annotations

import datetime
import itertools
import json
import os
import pathlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

from fpga_nova import errors, model
from fpga_nova.model import RegionState

#: The log's file below the state directory.
FILE = "audit.log"

#: Every key of an entry; one that does not apply is null.
#:
#: time: when it ended, UTC, ISO 8601 · seconds: how long it took · exit_code, error: of the command · state: the
#: region's afterwards · steps: the states that it went through · archive: a local file that was burned · reason: why it
#: was quarantined by hand · uid, user: who runs fpga-cli · login_uid: who logged in, by the kernel's record ·
#: sudo_uid: who ran sudo, by sudo's word · parent: the command that ran fpga-cli
KEYS = (
    *("time", "command", "exit_code", "error", "seconds"),
    *(
        "region_id",
        "card_id",
        "state",
        "steps",
        "core",
        "image_id",
        "archive",
        "bitstream_sha256",
        "owner",
        "project",
        "reason",
    ),
    *("uid", "user", "login_uid", "sudo_uid", "pid", "parent"),
)

#: Commands that are logged even where they touched no region; all others only for the regions that they touched.
ALWAYS = frozenset(("burn", "erase", "release", "quarantine", "verify"))

#: What regions are said to have gone through that a command wiped on its way, as somebody had left them behind.
RECOVER = "recover"

_BLOCK = 1 << 16
_LONGEST_LINE = 1 << 20


class OperationLog:
    """What one command did, as it does it.

    :param command: its name
    :param subject: what it was asked for: region_id, owner, project, image_id, archive, reason, as far as it has them
    :param who: uid, user, login_uid, sudo_uid, pid, parent
    """

    def __init__(self, command: str, subject: Mapping[str, Any], who: Mapping[str, Any]) -> None:
        self.command = command
        #: What the next transitions belong to: the command, or RECOVER.
        self.operation = command
        self._subject = {key: errors.one_line(str(value)) for key, value in subject.items() if value is not None}
        self._who = dict(who)
        self._begun = time.monotonic()
        self._touched: dict[tuple[str, str], dict[str, Any]] = {}

    def record_transition(self, before: model.Region, after: model.Region) -> None:
        """Take note of a transition that is in the store."""
        now = time.monotonic()
        entry = self._touched.setdefault((self.operation, after.id), {"steps": [str(before.state)], "begun": now})
        # A freed region has no core any more: what it had before counts.
        for region in (before, after):
            for key in ("core", "image_id", "bitstream_sha256", "owner"):
                if getattr(region, key) is not None:
                    entry[key] = getattr(region, key)
        entry.update(region_id=after.id, card_id=after.card_id, state=str(after.state), region_error=after.error)
        entry.update(seconds=now - entry["begun"])
        entry["steps"].append(str(after.state))

    def entries(self, error: BaseException | None) -> list[dict[str, Any]]:
        """Return the entries of the command, which has ended, with `error` if that is why."""
        common = {**dict.fromkeys(KEYS), **self._who, "time": _now()}
        result = []
        mine = []
        for (operation, _), touched in self._touched.items():
            entry = {**common, **{key: value for key, value in touched.items() if key in KEYS}, "command": operation}
            if operation == self.command != RECOVER:
                mine.append(entry)
                continue
            entry.update(exit_code=_exit_code_of(touched), error=touched["region_error"])
            result.append(entry)
        if not mine and self.command in ALWAYS:
            mine = [dict(common)]
        seconds = time.monotonic() - self._begun
        for entry in mine:
            for key, value in self._subject.items():
                if entry[key] is None:
                    entry[key] = value
            entry.update(command=self.command, seconds=seconds, exit_code=exit_code(error), error=_reason(error))
        for entry in [*result, *mine]:
            entry["seconds"] = round(entry["seconds"], 3)
        return result + mine


def exit_code(error: BaseException | None) -> int:
    """Return the exit code of a command that ended with `error`."""
    if error is None:
        return 0
    if isinstance(error, errors.FpgaError):
        return error.exit_code
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def _exit_code_of(touched: Mapping[str, Any]) -> int:
    """Return how a command would have ended that was run to do what was done to a region on the way."""
    if touched["state"] == RegionState.QUARANTINED:
        return errors.EraseFailed.exit_code
    if touched["state"] == RegionState.PROGRAMMED and touched["region_error"] is not None:  # it is lost
        return errors.ReadBackMismatch.exit_code
    return 0


def append(state_path: pathlib.Path, entries: list[dict[str, Any]]) -> None:
    """Put entries at the log's end; they are on the disk when this returns.

    :raises OSError: they are not, or not whole
    """
    text = "".join(f"{json.dumps(entry)}\n" for entry in entries).encode("ascii")
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(state_path / FILE, flags, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            text = b"\n" + text  # a disk was full in the midst of a line: let it spoil that one alone
        written = os.write(descriptor, text)
        os.fsync(descriptor)
        if written != len(text):
            raise OSError(f"only {written} of {len(text)} bytes could be written")
    finally:
        os.close(descriptor)


def read(state_path: pathlib.Path, region_id: str | None = None) -> Iterator[dict[str, Any]]:
    """Give the log's entries, newest first, then those of audit.log.1, .2 ... as long as there are such files.

    Memory does not grow with the log. A line that is no entry is given as one that has only an `error`.

    :param region_id: give only this region's
    :raises fpga_nova.errors.FpgaError: the log cannot be read
    """
    for number in itertools.count():
        path = state_path / (f"{FILE}.{number}" if number else FILE)
        try:
            with path.open("rb") as file:
                for line in _backwards(file):
                    entry = _parse(line, path)
                    if region_id is None or entry["region_id"] == region_id:
                        yield entry
        except FileNotFoundError:
            if number:  # the newest may be missing: it was rotated, and nothing was done since
                return
        except OSError as error:
            raise errors.FpgaError(f"audit log {path} cannot be read: {error.strerror}") from error


def _backwards(file: Any) -> Iterator[bytes]:
    """Give a file's lines from its end, without their line breaks; of one that is too long, its end."""
    position = file.seek(0, os.SEEK_END)
    rest = b""
    while position:
        size = min(_BLOCK, position)
        position -= size
        file.seek(position)
        rest = file.read(size) + rest
        head, *lines = rest.split(b"\n")
        yield from (line for line in reversed(lines) if line)
        rest = head[-_LONGEST_LINE:]
    if rest:
        yield rest


def _parse(line: bytes, path: pathlib.Path) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        entry = {"error": f"a damaged line in {path}"}
    return {key: entry.get(key) for key in KEYS}


def _reason(error: BaseException | None) -> str | None:
    if error is None:
        return None
    return str(error) if isinstance(error, errors.FpgaError) else errors.one_line(f"{type(error).__name__}: {error}")


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
