# SPDX-License-Identifier: Apache-2.0
"""The record of a patched Nova: hashes, the bytes from before, and how far the last command went.

The record is the directory `.fpga-nova` inside Nova's package. There it belongs to exactly one Nova, however many the
machine has; it moves with a virtual environment or a container's layer; and a user that may write to Nova may write it.
`record.json` is written last when a change begins. When a revert ends, it is removed first, and the rest of the
directory after it. A directory without `record.json` means nothing.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import os
import pathlib
import shutil

from fpga_nova import errors
from fpga_nova.system import files

#: Name of the record's directory inside Nova's package.
DIRECTORY = ".fpga-nova"
_FORMAT = 1


class Phase(str, enum.Enum):
    """How far the last command went."""

    APPLYING = "applying"
    APPLIED = "applied"
    REVERTING = "reverting"


@dataclasses.dataclass(frozen=True)
class Metadata:
    """A file's permission bits, owner, and time of change in nanoseconds since the epoch."""

    mode: int
    uid: int
    gid: int
    mtime_ns: int

    @classmethod
    def of(cls, path: pathlib.Path) -> Metadata:
        """Return the metadata of `path`."""
        status = path.stat()
        return cls(status.st_mode & 0o7777, status.st_uid, status.st_gid, status.st_mtime_ns)


@dataclasses.dataclass(frozen=True)
class File:
    """A file that the series changes or adds.

    :param path: relative to Nova's package
    :param before: SHA-256 (hex) of its bytes before, None where the series adds it
    :param after: SHA-256 (hex) of its bytes after
    :param metadata: from before, None where the series adds it
    """

    path: str
    before: str | None
    after: str
    metadata: Metadata | None


@dataclasses.dataclass(frozen=True)
class Record:
    """The content of `record.json`.

    :param caches: the compiled files (`__pycache__/*.pyc`) of the changed files from before, with their metadata;
        a revert puts them back
    """

    phase: Phase
    nova_version: str
    files: tuple[File, ...]
    caches: dict[str, Metadata]

    def changed(self) -> tuple[File, ...]:
        """Return the files that were there before."""
        return tuple(file for file in self.files if file.before is not None)


def load(nova: pathlib.Path) -> Record | None:
    """Return the record of the Nova whose package is `nova`, or None.

    :raises fpga_nova.errors.ConfigurationInvalid: there is one that cannot be read
    """
    path = nova / DIRECTORY / "record.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != _FORMAT:
            raise errors.ConfigurationInvalid(f"{path} has format {data['format']}; a newer fpga-nova wrote it")
        return Record(
            Phase(data["phase"]),
            data["nova_version"],
            tuple(
                File(f["path"], f["before"], f["after"], Metadata(**f["metadata"]) if f["metadata"] else None)
                for f in data["files"]
            ),
            {name: Metadata(**metadata) for name, metadata in data["caches"].items()},
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise errors.ConfigurationInvalid(f"{path} cannot be read: {error}") from error


def save(nova: pathlib.Path, record: Record) -> None:
    """Write the record, at once and durably."""
    text = json.dumps({"format": _FORMAT, **dataclasses.asdict(record)}, indent=1)
    place(nova / DIRECTORY / "record.json", text.encode(), None)


def keep(nova: pathlib.Path, part: str, name: str, data: bytes) -> None:
    """Store `data` in the record as `name` of `part` ("before" or "after"), durably."""
    path = nova / DIRECTORY / part / name
    path.parent.mkdir(parents=True, exist_ok=True)
    place(path, data, None)


def kept(nova: pathlib.Path, part: str, name: str) -> bytes:
    """Return the bytes that :func:`keep` stored."""
    return (nova / DIRECTORY / part / name).read_bytes()


def drop_part(nova: pathlib.Path, part: str) -> None:
    """Remove all that was stored in `part`."""
    shutil.rmtree(nova / DIRECTORY / part, ignore_errors=True)


def drop(nova: pathlib.Path) -> None:
    """Remove the record: record.json first, so that the rest after a kill means nothing."""
    directory = nova / DIRECTORY
    remove(directory / "record.json")
    if directory.is_dir():
        shutil.rmtree(directory)
        files.sync_directory(nova)


def digest(data: bytes) -> str:
    """Return the SHA-256 of `data`, hex."""
    return hashlib.sha256(data).hexdigest()


def digest_of(path: pathlib.Path) -> str | None:
    """Return the SHA-256 of a file, hex, or None where there is none."""
    return digest(path.read_bytes()) if path.is_file() else None


def place(path: pathlib.Path, data: bytes, metadata: Metadata | None) -> None:
    """Write `data` to `path` in one step.

    A reader, and a kill, find the old file or the new one, and never a part.

    :param metadata: of the new file, with its `mtime_ns`; None leaves it to the system
    """
    temporary = _temporary(path)
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        if metadata is not None:
            status = os.fstat(file.fileno())
            if (status.st_uid, status.st_gid) != (metadata.uid, metadata.gid):
                os.fchown(file.fileno(), metadata.uid, metadata.gid)
            os.fchmod(file.fileno(), metadata.mode)
            os.utime(file.fileno(), ns=(metadata.mtime_ns, metadata.mtime_ns))
        os.fsync(file.fileno())
    temporary.replace(path)
    files.sync_directory(path.parent)


def remove(path: pathlib.Path) -> None:
    """Remove a file, if it is there, durably."""
    if path.exists():
        path.unlink()
        files.sync_directory(path.parent)


def sweep(path: pathlib.Path) -> None:
    """Remove the temporary file that a killed :func:`place` of `path` left."""
    remove(_temporary(path))


def _temporary(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f".{path.name}.fpga-nova")
