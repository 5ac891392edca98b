# SPDX-License-Identifier: Apache-2.0
"""Changes the files of a Nova, all or nothing, even if it is killed.

A change first stages everything in the record: the bytes from before and the bytes to come. Writing `record.json`
(phase "applying") is the point of no return. From there each file is replaced atomically, and a later command continues
where a killed one stopped. A way back works the same in the other direction.
"""

from __future__ import annotations

import dataclasses
import pathlib
import py_compile
import sys
import time
from collections.abc import Mapping

from fpga_nova.patcher import record as records
from fpga_nova.patcher.record import Phase, Record


def stage(package: pathlib.Path, version: str, after: Mapping[str, bytes]) -> Record:
    """Store what a change to `after`, and a later way back, need; return the record, committed.

    :param package: Nova's package directory
    :param version: of that Nova
    :param after: the bytes to come of each file, by its path in the package
    """
    records.drop(package)
    files = []
    caches: dict[str, records.Metadata] = {}
    for name, data in after.items():
        path = package / name
        before = path.read_bytes() if path.is_file() else None
        records.keep(package, "after", name, data)
        if before is not None:
            records.keep(package, "before", name, before)
            for cache in _caches(package, name):
                records.keep(package, "before", cache, (package / cache).read_bytes())
                caches[cache] = records.Metadata.of(package / cache)
        files.append(_file(path, name, before, data))
    record = Record(Phase.APPLYING, version, tuple(files), caches)
    records.save(package, record)
    return record


def stage_way_back(package: pathlib.Path, version: str, before: Mapping[str, bytes | None]) -> Record:
    """Store what a way back to `before` needs, without a record so far; return the record, committed.

    Compiled files are not kept: those that are there are of the files as they are now.

    :param before: the bytes of each file before the change, by its path in the package; None for one that was added
    """
    records.drop(package)
    files = []
    for name, data in before.items():
        path = package / name
        now = path.read_bytes() if path.is_file() else None
        if now is None or now == data:
            continue
        if data is not None:
            records.keep(package, "before", name, data)
        file = _file(path, name, data, now)
        if file.metadata is not None:
            file = dataclasses.replace(file, metadata=dataclasses.replace(file.metadata, mtime_ns=time.time_ns()))
        files.append(file)
    record = Record(Phase.REVERTING, version, tuple(files), {})
    records.save(package, record)
    return record


def roll_forward(package: pathlib.Path, record: Record) -> list[str]:
    """Write each file's bytes to come; return a line for each."""
    done = []
    for file in record.files:
        path = package / file.path
        records.sweep(path)
        if records.digest_of(path) != file.after:
            records.place(path, records.kept(package, "after", file.path), _metadata_after(package, file))
        # Compiled files that are not checked against their source (PEP 552) would hide the patch for good.
        _remove_caches(package, file.path, record)
        _compile(package, file.path, record)
        done.append(f"{'added' if file.before is None else 'changed'} {file.path}")
    records.save(package, dataclasses.replace(record, phase=Phase.APPLIED))
    records.drop_part(package, "after")
    return done


def roll_back(package: pathlib.Path, record: Record, overwrite: bool) -> list[str]:
    """Write each file's bytes from before, remove the record; return a line for each that differed.

    :param overwrite: also files that are neither as before nor as after
    """
    records.save(package, dataclasses.replace(record, phase=Phase.REVERTING))
    done = []
    for file in record.files:
        path = package / file.path
        records.sweep(path)
        now = records.digest_of(path)
        if now not in (file.before, file.after) and not overwrite:
            continue
        if file.before is None:
            records.remove(path)
            done.append(f"removed {file.path}")
        elif now != file.before:
            records.place(path, records.kept(package, "before", file.path), file.metadata)
            done.append(f"restored {file.path}")
        elif records.Metadata.of(path) != file.metadata:
            continue  # the same bytes, but put there by another installation, which has its own compiled files
        _remove_caches(package, file.path, record)
        for cache in _caches_of(file.path, record.caches):
            if (package / cache).parent.is_dir():  # all compiled files may have been removed meanwhile
                records.place(package / cache, records.kept(package, "before", cache), record.caches[cache])
    records.drop(package)
    return done


def _file(path: pathlib.Path, name: str, before: bytes | None, after: bytes) -> records.File:
    if before is None:
        return records.File(name, None, records.digest(after), None)
    return records.File(name, records.digest(before), records.digest(after), records.Metadata.of(path))


def _metadata_after(package: pathlib.Path, file: records.File) -> records.Metadata:
    """Return mode and owner for a patched file: its own, or for an added one those of its neighbours."""
    metadata = file.metadata or records.Metadata.of(package / "__init__.py")
    return dataclasses.replace(metadata, mtime_ns=time.time_ns())


def _remove_caches(package: pathlib.Path, name: str, record: Record) -> None:
    for cache in _caches(package, name):
        records.remove(package / cache)
    for cache in _caches_of(name, record.caches):
        records.sweep(package / cache)


def _compile(package: pathlib.Path, name: str, record: Record) -> None:
    """Compile a patched file for this interpreter if it was compiled before: Nova's user may not write here."""
    staged = package / records.DIRECTORY / "compiled"
    for cache in _caches_of(name, record.caches):
        if cache.endswith(f".{sys.implementation.cache_tag}.pyc") and (package / cache).parent.is_dir():
            path = str(package / name)
            py_compile.compile(path, cfile=str(staged), dfile=path, doraise=True)
            metadata = dataclasses.replace(record.caches[cache], mtime_ns=time.time_ns())
            records.place(package / cache, staged.read_bytes(), metadata)
            records.remove(staged)


def _caches(package: pathlib.Path, name: str) -> list[str]:
    """Return the compiled files of `name` that are there, relative to the package."""
    path = package / name
    found = (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc")
    return sorted(str(cache.relative_to(package)) for cache in found)


def _caches_of(name: str, caches: Mapping[str, records.Metadata]) -> list[str]:
    path = pathlib.PurePath(name)
    return [c for c in caches if pathlib.PurePath(c).match(str(path.parent / "__pycache__" / f"{path.stem}.*.pyc"))]
