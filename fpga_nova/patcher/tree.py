# SPDX-License-Identifier: Apache-2.0
"""One Nova and the series: status, check, apply and revert."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import fcntl
import os
from collections.abc import Iterator

from fpga_nova import errors
from fpga_nova.patcher import by_hand, changes
from fpga_nova.patcher import record as records
from fpga_nova.patcher.by_hand import HandPatched
from fpga_nova.patcher.functions import Reader
from fpga_nova.patcher.locate import Nova
from fpga_nova.patcher.record import Phase, Record
from fpga_nova.patcher.series import NotSupported, PatchesDoNotFit, Series


class Refused(errors.FpgaError):
    """The command was refused, and nothing was touched."""


class State(enum.Enum):
    """The state of a Nova; the value is the exit code of `fpga-nova patch status`."""

    APPLIED = 0
    NOT_APPLIED = 3
    PARTLY = 4
    CHANGED = 5
    OTHER_PATCHES = 6


@dataclasses.dataclass(frozen=True)
class Status:
    """A state, and its explanation for the operator.

    :param by_hand: the patches that were applied with patch(1), if there is no record
    :param replaced: another installation of Nova was put over the patched one
    """

    state: State
    text: str
    by_hand: HandPatched | None = None
    replaced: bool = False


class Tree:
    """One Nova and the series."""

    def __init__(self, nova: Nova, series: Series) -> None:
        self.nova = nova
        self.series = series

    def status(self) -> Status:
        """Return the state of this Nova, and change nothing.

        :raises fpga_nova.errors.FpgaError: the record is not readable, or there is none and the release of Nova is not
            one of those supported
        """
        record = records.load(self.nova.package)
        if record is None:
            return self._status_without_record()
        if record.phase is not Phase.APPLIED:
            done = "an apply" if record.phase is Phase.APPLYING else "a revert"
            return Status(State.PARTLY, f"{done} was cut short; `apply` completes the patch, `revert` takes it back")
        if self._replaced(record):
            text = f"patched when it was {record.nova_version}, and replaced since, as a package's upgrade does"
            return Status(State.CHANGED, f"{text}; {self._prospect(record)}", replaced=True)
        others = self._others(record)
        if others:
            return Status(State.CHANGED, f"patched, and changed since: {', '.join(others)}")
        missing = [file.path for file in record.files if self._hash(file.path) != file.after]
        if missing:
            return Status(State.CHANGED, f"patched, and put back since: {', '.join(missing)}")
        if self._has_other_patches(record):
            return Status(
                State.OTHER_PATCHES,
                "patched by another version of fpga-nova; `apply` puts the patches of this one in their place",
            )
        return Status(State.APPLIED, f"patched, {len(record.files)} files")

    def check(self) -> str:
        """Say whether an apply would succeed, and change nothing.

        :raises fpga_nova.errors.FpgaError: with the reason why it would not
        """
        status = self.status()
        if status.state is State.APPLIED:
            return "already applied"
        if status.state is State.PARTLY and status.by_hand is None:
            return status.text
        self.series.release(self.nova.version)
        names, like = self._plan(self._source(status, records.load(self.nova.package)))
        return f"the series applies: {len(names)} files, whose functions are as in Nova {like}"

    def apply(self) -> list[str]:
        """Apply the series; return a line for each file, none if it was applied already.

        :raises fpga_nova.errors.FpgaError: with the reason; nothing is touched
        """
        with self._locked():
            status = self.status()
            if status.state is State.APPLIED:
                return []
            record = records.load(self.nova.package)
            if record is not None and record.phase is Phase.APPLYING:
                others = self._others(record)
                if others:
                    raise Refused(f"changed after an apply was cut short: {', '.join(others)}; see `revert`")
                self._require_writable()
                return changes.roll_forward(self.nova.package, record)
            self.series.release(self.nova.version)
            if record is not None and record.phase is Phase.REVERTING:
                self._require_writable()
                changes.roll_back(self.nova.package, record, overwrite=False)
                record = None
            after, _ = self._plan(self._source(status, record))
            self._require_writable()
            if status.by_hand is not None:
                record = self._stage_way_back(status.by_hand)
            if record is not None:
                changes.roll_back(self.nova.package, record, overwrite=False)
            return changes.roll_forward(self.nova.package, changes.stage(self.nova.package, self.nova.version, after))

    def revert(self, force: bool = False) -> list[str]:
        """Put the files back as they were; return a line for each, none if nothing was patched.

        :param force: also those that were changed since; their changes are lost
        :raises Refused: with the reason; nothing is touched
        """
        with self._locked():
            record = records.load(self.nova.package)
            if record is None:
                return self._revert_without_record()
            others = [] if self._replaced(record) else self._others(record)
            if others and not force:
                raise Refused(f"changed since they were patched: {', '.join(others)}; --force discards those changes")
            self._require_writable()
            return changes.roll_back(self.nova.package, record, overwrite=force)

    def _hash(self, name: str) -> str | None:
        return records.digest_of(self.nova.package / name)

    def _others(self, record: Record) -> list[str]:
        """Return the files that are neither as before the patch nor as after it."""
        return [file.path for file in record.files if self._hash(file.path) not in (file.before, file.after)]

    def _replaced(self, record: Record) -> bool:
        """Return whether another installation of Nova was put over the patched one.

        pip and dpkg replace the files that they know, all of them, and leave those that the series added. Nova's
        version tells nothing: a distribution's update has the one that it had before.
        """
        return not any(self._hash(file.path) == file.after for file in record.changed())

    def _prospect(self, record: Record) -> str:
        """Say what an apply would do to a Nova that was replaced."""
        try:
            self._plan(self._replacement(record))
        except errors.FpgaError as error:
            return f"it is not patched now, and `apply` would be refused: {error}"
        return "it is not patched now; `apply` patches it again"

    def _replacement(self, record: Record) -> Reader:
        """Return a reader of a Nova that was replaced, without the files that an earlier patch added."""
        stale = {f.path for f in record.files if f.before is None and self._hash(f.path) == f.after}
        return lambda name: None if name in stale else self._bytes(name)

    def _source(self, status: Status, record: Record | None) -> Reader:
        """Return a reader of the files as they will be when an apply begins its work.

        :raises Refused: the Nova was changed by another hand since it was patched
        """
        if status.by_hand is not None:
            originals = status.by_hand.originals
            return lambda name: originals[name] if name in originals else self._bytes(name)
        if record is None:
            return self._bytes
        if status.state is State.OTHER_PATCHES:
            return self._originals(record)
        if not self._replaced(record):
            raise Refused(f"{status.text}; see `revert`")
        return self._replacement(record)

    def _bytes(self, name: str) -> bytes | None:
        path = self.nova.package / name
        return path.read_bytes() if path.is_file() else None

    def _originals(self, record: Record) -> Reader:
        """Return a reader of each file as it was before the patch."""
        before = {file.path: file.before for file in record.files}

        def read(name: str) -> bytes | None:
            if name not in before:
                return self._bytes(name)
            return None if before[name] is None else records.kept(self.nova.package, "before", name)

        return read

    def _has_other_patches(self, record: Record) -> bool:
        """Return whether today's series makes other files than the record has."""
        try:
            after = self.series.apply_to(record.nova_version, self._originals(record))
        except (PatchesDoNotFit, NotSupported):
            return True
        now = {name: records.digest(data) for name, data in after.items() if data is not None}
        return now != {file.path: file.after for file in record.files}

    def _status_without_record(self) -> Status:
        try:
            self.series.apply_to(self.nova.version, self._bytes)
        except PatchesDoNotFit as error:
            found = by_hand.find(self.series, self.nova.version, self._bytes)
            if found is None:
                return Status(State.CHANGED, f"neither patched nor as released: {error}{self._traces()}")
            text = "patched by hand, with patch(1), so there is no record"
            if not found.missing:
                return Status(State.APPLIED, f"{text}; `revert` takes it back all the same", found)
            text = f"{text}, and it lacks {', '.join(found.missing)}"
            return Status(State.PARTLY, f"{text}; `apply` completes the patch, `revert` takes it back", found)
        return Status(State.NOT_APPLIED, "not patched")

    def _traces(self) -> str:
        """Return which files have lines of the patch, as the end of a sentence; nothing where none has."""
        found = self.series.files_with_traces(self._bytes)
        return f"; lines of the patch are in {', '.join(found)}" if found else ""

    def _revert_without_record(self) -> list[str]:
        status = self._status_without_record()
        if status.by_hand is not None:
            self._require_writable()
            return changes.roll_back(self.nova.package, self._stage_way_back(status.by_hand), overwrite=False)
        # A Nova with changes of others and without ours has nothing to take back.
        if status.state is State.CHANGED and self._traces():
            raise Refused(
                f"{status.text}; there is no record of what they were before, and they are not as the patches make "
                "them; put Nova's own files back, by installing its package again"
            )
        return []

    def _stage_way_back(self, found: HandPatched) -> Record:
        return changes.stage_way_back(self.nova.package, self.nova.version, found.originals)

    def _require_writable(self) -> None:
        package = self.nova.package
        for directory in sorted({package, *((package / name).parent for name in self.series.files())}):
            if not os.access(directory, os.W_OK):
                raise Refused(f"{directory} is not writable; run this as root or as the owner of that Nova")

    def _plan(self, source: Reader) -> tuple[dict[str, bytes], str]:
        """Return the bytes to come of each file, and the release that this Nova is like.

        :raises fpga_nova.errors.FpgaError: the series does not apply, or was not tried on such a Nova
        """
        after = self.series.apply_to(self.nova.version, source)
        like = self.series.tried_on(self.nova.version, source, after)
        return {name: data for name, data in after.items() if data is not None}, like

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Exclude other runs of this command; the lock ends with the process."""
        descriptor = os.open(self.nova.package, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Refused(f"another fpga-nova is at work on {self.nova.package}") from error
            yield
        finally:
            os.close(descriptor)
