# SPDX-License-Identifier: Apache-2.0
"""The audit log: what was done to each region, with which bits, by which user, and how it ended.

It has one JSON object a line and only ever grows: each line is one write(2) with O_APPEND, and is on the disk when a
command ends. A file is opened for one command and closed, so it can be rotated by renaming at any time. JSON escapes
every control character, so no text of a tenant or a tool can begin a line.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import itertools
import json
import os
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

from fpga_nova import errors, model
from fpga_nova.model import RegionState

#: The log's file below the state directory.
FILE = "audit.log"

#: Commands that are logged even where they touched no region; all others only for the regions that they touched.
ALWAYS = frozenset(("burn", "erase", "release", "quarantine", "verify"))

#: The operation under which regions are logged that a command wiped on its way, because they were left behind.
RECOVER = "recover"

_BLOCK = 1 << 16
_LONGEST_LINE = 1 << 20


@dataclasses.dataclass(frozen=True)
class Caller:
    """The process that runs a command, and its user; an unknown value is None.

    :param login_uid: the user who logged in, by the kernel's record
    :param sudo_uid: the user who ran sudo, as sudo put it into the environment
    :param parent: the program that started fpga-cli
    """

    uid: int | None = None
    user: str | None = None
    login_uid: int | None = None
    sudo_uid: int | None = None
    pid: int | None = None
    parent: str | None = None


@dataclasses.dataclass(frozen=True)
class Request:
    """The request of a command, as far as its arguments say.

    :param archive: a local file to burn
    :param reason: why a region is quarantined by hand
    """

    region_id: str | None = None
    owner: str | None = None
    project: str | None = None
    image_id: str | None = None
    archive: str | None = None
    reason: str | None = None


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line of the log; a field that does not apply is None. Those not named here are of Request and Caller.

    :param time: when it ended, UTC, ISO 8601
    :param exit_code: the command's; of a region that was wiped on the way, that of a `recover` that did the same
    :param error: why it failed, one line
    :param seconds: how long it took
    :param state: the region's afterwards
    :param steps: the states that it went through
    """

    time: str | None = None
    command: str | None = None
    exit_code: int | None = None
    error: str | None = None
    seconds: float | None = None
    region_id: str | None = None
    card_id: str | None = None
    state: str | None = None
    steps: Sequence[str] | None = None
    core: str | None = None
    image_id: str | None = None
    archive: str | None = None
    bitstream_sha256: str | None = None
    owner: str | None = None
    project: str | None = None
    reason: str | None = None
    uid: int | None = None
    user: str | None = None
    login_uid: int | None = None
    sudo_uid: int | None = None
    pid: int | None = None
    parent: str | None = None


#: Every key of an entry, in order.
KEYS = tuple(field.name for field in dataclasses.fields(Entry))


class OperationLog:
    """Takes note of what one command does, and makes its entries.

    :param command: the command's name
    """

    def __init__(self, command: str, request: Request, caller: Caller) -> None:
        self._command = command
        self._operation = command
        self._request = Request(*(value and errors.one_line(value) for value in dataclasses.astuple(request)))
        self._caller = caller
        self._begun = time.monotonic()
        self._touched: dict[tuple[str, str], _Touched] = {}

    @contextlib.contextmanager
    def recovering(self) -> Iterator[None]:
        """Log the transitions of this block as RECOVER, not as the command's."""
        self._operation = RECOVER
        try:
            yield
        finally:
            self._operation = self._command

    def record_transition(self, before: model.Region, after: model.Region) -> None:
        """Take note of a transition that is in the store."""
        touched = self._touched.setdefault((self._operation, after.id), _Touched(before))
        touched.add(before, after)

    def entries(self, error: BaseException | None) -> list[Entry]:
        """Return the entries of the command, which has ended, with `error` if that ended it."""
        common = Entry(time=_now(), command=self._command, **dataclasses.asdict(self._caller))
        on_the_way = []
        own = []
        for (operation, _), touched in self._touched.items():
            if operation == self._command != RECOVER:
                own.append(touched.entry(common))
            else:
                on_the_way.append(touched.recovered_entry(common))
        if not own and self._command in ALWAYS:
            own = [common]
        return on_the_way + [self._ended(entry, error) for entry in own]

    def _ended(self, entry: Entry, error: BaseException | None) -> Entry:
        """Complete an entry with the command's end and, where it touched nothing, with its request."""
        asked = self._request
        return dataclasses.replace(
            entry,
            exit_code=errors.exit_code(error),
            error=_reason(error),
            seconds=round(time.monotonic() - self._begun, 3),
            region_id=entry.region_id or asked.region_id,
            owner=entry.owner or asked.owner,
            project=asked.project,
            image_id=entry.image_id or asked.image_id,
            archive=asked.archive,
            reason=asked.reason,
        )


class _Touched:
    """The effect of an operation on one region."""

    def __init__(self, before: model.Region) -> None:
        self._begun = self._ended = time.monotonic()
        self._steps = [str(before.state)]
        self._holding: dict[str, str] = {}
        self._region = before

    def add(self, before: model.Region, after: model.Region) -> None:
        self._steps.append(str(after.state))
        self._region = after
        self._ended = time.monotonic()
        # A freed region has no core any more: the one that it had before counts.
        for region in (before, after):
            for name in ("core", "image_id", "bitstream_sha256", "owner"):
                if getattr(region, name) is not None:
                    self._holding[name] = getattr(region, name)

    def entry(self, common: Entry) -> Entry:
        return dataclasses.replace(
            common,
            region_id=self._region.id,
            card_id=self._region.card_id,
            state=str(self._region.state),
            steps=tuple(self._steps),
            core=self._holding.get("core"),
            image_id=self._holding.get("image_id"),
            bitstream_sha256=self._holding.get("bitstream_sha256"),
            owner=self._holding.get("owner"),
        )

    def recovered_entry(self, common: Entry) -> Entry:
        return dataclasses.replace(
            self.entry(common),
            command=RECOVER,
            exit_code=self._recover_exit_code(),
            error=self._region.error,
            seconds=round(self._ended - self._begun, 3),
        )

    def _recover_exit_code(self) -> int:
        """Return the exit code of a command that was run to do just this."""
        if self._region.state is RegionState.QUARANTINED:
            return errors.EraseFailed.exit_code
        return errors.ReadBackMismatch.exit_code if self._region.lost else 0


def append(state_path: pathlib.Path, entries: Sequence[Entry]) -> None:
    """Append entries to the log; they are on the disk when this returns.

    :raises OSError: they are not, or not whole
    """
    text = "".join(f"{json.dumps(dataclasses.asdict(entry))}\n" for entry in entries).encode("ascii")
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(state_path / FILE, flags, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            text = b"\n" + text  # a full disk cut the last line: it spoils only itself
        written = os.write(descriptor, text)
        os.fsync(descriptor)
        if written != len(text):
            raise OSError(f"only {written} of {len(text)} bytes could be written")
    finally:
        os.close(descriptor)


def read(state_path: pathlib.Path, region_id: str | None = None) -> Iterator[Entry]:
    """Give the log's entries, newest first, then those of audit.log.1, .2 ... as long as there are such files.

    Memory does not grow with the log. A damaged line gives an entry that has only an `error`.

    :param region_id: give only this region's
    :raises fpga_nova.errors.FpgaError: the log cannot be read
    """
    for number in itertools.count():
        path = state_path / (f"{FILE}.{number}" if number else FILE)
        try:
            with path.open("rb") as file:
                for line in _backwards(file):
                    entry = _parse(line, path)
                    if region_id is None or entry.region_id == region_id:
                        yield entry
        except FileNotFoundError:
            if number:  # the newest may be missing: it was rotated, and no command ran since
                return
        except OSError as error:
            raise errors.FpgaError(f"audit log {path} cannot be read: {error.strerror}") from error


def _backwards(file: Any) -> Iterator[bytes]:
    """Give a file's lines from its end, without their line breaks; of a line that is too long, its end."""
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


def _parse(line: bytes, path: pathlib.Path) -> Entry:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        entry = {"error": f"a damaged line in {path}"}
    return Entry(**{key: entry.get(key) for key in KEYS})


def _reason(error: BaseException | None) -> str | None:
    if error is None:
        return None
    return str(error) if isinstance(error, errors.FpgaError) else errors.one_line(f"{type(error).__name__}: {error}")


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
