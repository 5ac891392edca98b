# SPDX-License-Identifier: Apache-2.0
"""Applies the series to a Nova and takes it out again, all or nothing, whenever it is killed.

An apply stages everything in the record first: the bytes from before and the bytes to come. Writing `record.json`
(phase "applying") is the point of no return; from there each file is replaced atomically, and a later apply goes on
where a killed one stopped, a later revert takes it back. A revert is the same the other way.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import fcntl
import os
import pathlib
import py_compile
import sys
import time
from collections.abc import Callable, Iterator

from fpga_nova import errors
from fpga_nova.patcher import record as records
from fpga_nova.patcher.locate import Nova
from fpga_nova.patcher.record import Phase, Record
from fpga_nova.patcher.series import DoesNotApply, NotSupported, Series


class Refused(errors.FpgaError):
    """The command was refused, and nothing was touched."""


class State(enum.Enum):
    """What a Nova is; the value is the exit code of `fpga-nova patch status`."""

    APPLIED = 0
    NOT_APPLIED = 3
    PARTLY = 4
    CHANGED = 5
    OTHER_PATCHES = 6


@dataclasses.dataclass(frozen=True)
class Status:
    """A state, and what a person should know about it."""

    state: State
    text: str
    by_hand: bool = False


class Tree:
    """One Nova and the series."""

    def __init__(self, nova: Nova, series: Series) -> None:
        self.nova = nova
        self.series = series

    def status(self) -> Status:
        """Return what this Nova is; changes nothing.

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
            return Status(
                State.CHANGED,
                f"patched when it was {record.nova_version}, and replaced since, as a package's upgrade does; "
                "`apply` patches it again",
            )
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
        """Say whether an apply would succeed; changes nothing.

        :raises fpga_nova.errors.FpgaError: with the reason why it would not
        """
        status = self.status()
        if status.state is State.APPLIED:
            return "already applied"
        if status.state is State.PARTLY:
            return status.text
        self.series.release(self.nova.version)
        names, like = self._plan(self._source(status, records.load(self.nova.package)))
        return f"the series applies: {len(names)} files, whose functions are as in Nova {like}"

    def apply(self) -> list[str]:
        """Apply the series; return what was done, a line each, nothing where it was applied already.

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
                return self._roll_forward(record)
            self.series.release(self.nova.version)
            if record is not None and record.phase is Phase.REVERTING:
                self._require_writable()
                self._roll_back(record, overwrite=False)
                record = None
            after, _ = self._plan(self._source(status, record))
            self._require_writable()
            if record is not None:
                self._roll_back(record, overwrite=False)
            return self._roll_forward(self._stage(after))

    def revert(self, force: bool = False) -> list[str]:
        """Put the files back as they were before the patch; return what was done, nothing where there was no patch.

        :param force: also those that were changed since; their changes are lost
        :raises Refused: with the reason; nothing is touched
        """
        with self._locked():
            record = records.load(self.nova.package)
            if record is None:
                status = self._status_without_record()
                if status.by_hand:
                    raise Refused(
                        "the patch was not applied by this command; take it out with `patch -Rp1 -i` of each patch in "
                        "the reverse order"
                    )
                return []
            others = [] if self._replaced(record) else self._others(record)
            if others and not force:
                raise Refused(f"changed since they were patched: {', '.join(others)}; --force discards those changes")
            self._require_writable()
            return self._roll_back(record, overwrite=force)

    # Looking.

    def _hash(self, name: str) -> str | None:
        return records.digest_of(self.nova.package / name)

    def _others(self, record: Record) -> list[str]:
        """Return the files that are neither as before nor as after."""
        return [file.path for file in record.files if self._hash(file.path) not in (file.before, file.after)]

    def _replaced(self, record: Record) -> bool:
        """Return whether another installation of Nova was put over the patched one.

        pip and dpkg replace the files that they know and leave those that the series added.
        """
        hashes = {file.path: self._hash(file.path) for file in record.files}
        changed = record.changed()
        if any(hashes[file.path] == file.after for file in changed):
            return False
        return record.nova_version != self.nova.version or all(hashes[file.path] == file.before for file in changed)

    def _source(self, status: Status, record: Record | None) -> Callable[[str], bytes | None]:
        """Return what gives the files as they will be when an apply begins its work.

        :raises Refused: the Nova was changed by someone since it was patched
        """
        if record is None:
            return self._bytes
        if status.state is State.OTHER_PATCHES:
            return self._originals(record)
        if not self._replaced(record):
            raise Refused(f"{status.text}; see `revert`")
        # What an earlier patch added to a Nova that was replaced since goes before an apply.
        stale = {f.path for f in record.files if f.before is None and self._hash(f.path) == f.after}
        return lambda name: None if name in stale else self._bytes(name)

    def _bytes(self, name: str) -> bytes | None:
        path = self.nova.package / name
        return path.read_bytes() if path.is_file() else None

    def _originals(self, record: Record) -> Callable[[str], bytes | None]:
        """Return what gives each file as it was before the patch."""
        before = {file.path: file.before for file in record.files}

        def read(name: str) -> bytes | None:
            if name not in before:
                return self._bytes(name)
            return None if before[name] is None else records.kept(self.nova.package, "before", name)

        return read

    def _has_other_patches(self, record: Record) -> bool:
        """Return whether the series, as it is now, makes something else of the files than what the record has."""
        try:
            after = self.series.apply_to(record.nova_version, self._originals(record))
        except (DoesNotApply, NotSupported):
            return True
        now = {name: records.digest(data) for name, data in after.items() if data is not None}
        return now != {file.path: file.after for file in record.files}

    def _status_without_record(self) -> Status:
        try:
            self.series.apply_to(self.nova.version, self._bytes)
        except DoesNotApply as error:
            try:
                self.series.apply_to(self.nova.version, self._bytes, backwards=True)
            except DoesNotApply:
                return Status(State.CHANGED, f"neither patched nor as released: {error}")
            return Status(State.APPLIED, "patched, but not by this command: there is no record", by_hand=True)
        return Status(State.NOT_APPLIED, "not patched")

    def _require_writable(self) -> None:
        package = self.nova.package
        for directory in sorted({package, *((package / name).parent for name in self.series.files())}):
            if not os.access(directory, os.W_OK):
                raise Refused(f"{directory} is not writable; run this as root or as the owner of that Nova")

    def _plan(self, source: Callable[[str], bytes | None]) -> tuple[dict[str, bytes], str]:
        """Return the bytes to come of each file, and the release that this Nova is like: the dry run.

        :raises fpga_nova.errors.FpgaError: the series does not apply, or was not tried on such a Nova
        """
        after = self.series.apply_to(self.nova.version, source)
        like = self.series.tried_on(self.nova.version, source, after)
        return {name: data for name, data in after.items() if data is not None}, like

    # Doing.

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other runs of this command off; the lock ends with the process."""
        descriptor = os.open(self.nova.package, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Refused(f"another fpga-nova is at work on {self.nova.package}") from error
            yield
        finally:
            os.close(descriptor)

    def _stage(self, after: dict[str, bytes]) -> Record:
        """Store everything that an apply and a later revert need; return the record, committed."""
        package = self.nova.package
        records.drop(package)
        files = []
        caches: dict[str, records.Metadata] = {}
        for name, data in after.items():
            path = package / name
            before = path.read_bytes() if path.is_file() else None
            records.keep(package, "after", name, data)
            if before is not None:
                records.keep(package, "before", name, before)
                for cache in self._caches(name):
                    records.keep(package, "before", cache, (package / cache).read_bytes())
                    caches[cache] = records.Metadata.of(package / cache)
            files.append(
                records.File(
                    name,
                    None if before is None else records.digest(before),
                    records.digest(data),
                    None if before is None else records.Metadata.of(path),
                )
            )
        record = Record(Phase.APPLYING, self.nova.version, tuple(files), caches)
        records.save(package, record)
        return record

    def _roll_forward(self, record: Record) -> list[str]:
        package = self.nova.package
        done = []
        for file in record.files:
            path = package / file.path
            records.sweep(path)
            if self._hash(file.path) != file.after:
                records.place(path, records.kept(package, "after", file.path), self._metadata_after(file))
            # Compiled files that are not checked against their source (PEP 552) would hide the patch for good.
            self._remove_caches(file.path, record)
            self._compile(file.path, record)
            done.append(f"{'added' if file.before is None else 'changed'} {file.path}")
        records.save(package, dataclasses.replace(record, phase=Phase.APPLIED))
        records.drop_part(package, "after")
        return done

    def _roll_back(self, record: Record, overwrite: bool) -> list[str]:
        package = self.nova.package
        records.save(package, dataclasses.replace(record, phase=Phase.REVERTING))
        done = []
        for file in record.files:
            path = package / file.path
            records.sweep(path)
            if self._hash(file.path) not in (file.before, file.after) and not overwrite:
                continue
            if file.before is None:
                records.remove(path)
                done.append(f"removed {file.path}")
            elif self._hash(file.path) != file.before:
                records.place(path, records.kept(package, "before", file.path), file.metadata)
                done.append(f"restored {file.path}")
            elif records.Metadata.of(path) != file.metadata:
                continue  # the same bytes, but put there by another installation, which has its own compiled files
            self._remove_caches(file.path, record)
            for cache in self._caches_of(file.path, record.caches):
                if (package / cache).parent.is_dir():  # somebody may have removed all compiled files meanwhile
                    records.place(package / cache, records.kept(package, "before", cache), record.caches[cache])
        records.drop(package)
        return done

    def _metadata_after(self, file: records.File) -> records.Metadata:
        """Return mode and owner for a patched file: its own, or for an added one those of its neighbours."""
        neighbour = self.nova.package / "__init__.py"
        metadata = file.metadata or records.Metadata.of(neighbour)
        return dataclasses.replace(metadata, mtime_ns=time.time_ns())

    def _remove_caches(self, name: str, record: Record) -> None:
        for cache in self._caches(name):
            records.remove(self.nova.package / cache)
        for cache in self._caches_of(name, record.caches):
            records.sweep(self.nova.package / cache)

    def _compile(self, name: str, record: Record) -> None:
        """Compile a patched file for this interpreter if it was compiled before: who runs Nova may not write here."""
        staged = self.nova.package / records.DIRECTORY / "compiled"
        for cache in self._caches_of(name, record.caches):
            if cache.endswith(f".{sys.implementation.cache_tag}.pyc") and (self.nova.package / cache).parent.is_dir():
                path = str(self.nova.package / name)
                py_compile.compile(path, cfile=str(staged), dfile=path, doraise=True)
                metadata = dataclasses.replace(record.caches[cache], mtime_ns=time.time_ns())
                records.place(self.nova.package / cache, staged.read_bytes(), metadata)
                records.remove(staged)

    def _caches(self, name: str) -> list[str]:
        """Return the compiled files of `name` that are there, relative to the package."""
        path = self.nova.package / name
        found = (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc")
        return sorted(str(cache.relative_to(self.nova.package)) for cache in found)

    @staticmethod
    def _caches_of(name: str, caches: dict[str, records.Metadata]) -> list[str]:
        path = pathlib.PurePath(name)
        return [c for c in caches if pathlib.PurePath(c).match(str(path.parent / "__pycache__" / f"{path.stem}.*.pyc"))]
