# SPDX-License-Identifier: Apache-2.0
"""IP-core archives: a zip with `manifest.json` at its root and the bitstreams that it names.

Archives may be hostile, and root opens them. So everything is judged from the central directory before anything is
unpacked, memory does not grow with the archive, and unpacked bytes are compared with the manifest's size and SHA-256.
The zip format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import pathlib
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from fpga_nova import errors, model
from fpga_nova.ip_cores import manifest as manifests
from fpga_nova.system import files

MANIFEST = "manifest.json"

#: Most entries of an archive: the manifest, 32 bitstreams, 64 further files, and as many directories.
MAX_ENTRIES = 256

#: Most bytes of the central directory: MAX_ENTRIES times a 255-byte name and generous extra fields.
_MAX_DIRECTORY_SIZE = MAX_ENTRIES * 1024

_CHUNK = 1 << 20

# APPNOTE 4.3.16: end of central directory record, and 4.3.15: the zip64 locator before it; 4.3.7: local file header.
_END_RECORD = struct.Struct("<4s4H2LH")
_ZIP64_LOCATOR_SIZE = 20
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")

_ENCRYPTED = 0x1  # APPNOTE 4.4.4, bit 0 of the general purpose flags


class Archive:
    """An open IP-core archive whose form has been checked.

    :param file: seekable binary file
    :param max_size: most bytes of the archive, and of all that it unpacks to
    :raises fpga_nova.errors.ArchiveInvalid: it is not such an archive; the text says which rule it breaks
    """

    def __init__(self, file: IO[bytes], max_size: int) -> None:
        self._file = file
        with _as_invalid():
            _check_end_record(file, max_size)
            self._zip = zipfile.ZipFile(file)
            self._entries = self._check_entries(max_size)
            if MANIFEST not in self._entries:
                raise errors.ArchiveInvalid(f"the archive has no {MANIFEST} at its root")
            info = self._entries[MANIFEST]
            if info.file_size > manifests.MAX_SIZE:
                raise errors.ArchiveInvalid(f"{MANIFEST} has {info.file_size} bytes, more than {manifests.MAX_SIZE}")
            self.manifest_text = self._zip.read(info)
        self.manifest = manifests.parse(self.manifest_text)
        self._check_declared()

    def unpack(self, entry: model.FileEntry, directory: pathlib.Path) -> pathlib.Path:
        """Write a declared file below `directory` under its SHA-256 as name; return its path.

        :raises fpga_nova.errors.ArchiveInvalid: its bytes are not those declared; nothing is left behind
        """
        path = directory / entry.sha256
        digest = hashlib.sha256()
        size = 0
        try:
            with _as_invalid(), self._zip.open(self._entries[entry.file]) as source, path.open("xb") as target:
                while chunk := source.read(_CHUNK):
                    size += len(chunk)
                    if size > entry.size:
                        break
                    digest.update(chunk)
                    target.write(chunk)
            if size != entry.size:
                raise errors.ArchiveInvalid(f"{entry.file} does not have the {entry.size} bytes that {MANIFEST} says")
            if digest.hexdigest() != entry.sha256:
                raise errors.ArchiveInvalid(f"{entry.file} does not have the SHA-256 that {MANIFEST} says")
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def verify(self) -> None:
        """Read every declared file and compare it with the manifest.

        :raises fpga_nova.errors.ArchiveInvalid: one is not what is declared
        """
        for entry in (*self.manifest.bitstreams, *self.manifest.files):
            with _as_invalid(), self._zip.open(self._entries[entry.file]) as source:
                size, sha256 = measure(source)
            if (size, sha256) != (entry.size, entry.sha256):
                raise errors.ArchiveInvalid(f"{entry.file} does not have the size and SHA-256 that {MANIFEST} says")

    def _check_entries(self, max_size: int) -> dict[str, zipfile.ZipInfo]:
        entries: dict[str, zipfile.ZipInfo] = {}
        extents = []
        total = 0
        for info in self._zip.infolist():
            _check_entry(info)
            if info.filename in entries:
                raise errors.ArchiveInvalid(f"the archive has {info.filename!r} twice")
            entries[info.filename] = info
            extents.append((info.header_offset, self._end_of(info), info.filename))
            total += info.file_size
        if total > max_size:
            raise errors.ArchiveInvalid(f"the archive unpacks to {total} bytes, more than {max_size}")
        extents.sort()
        for (_, end, name), (start, _, other) in zip(extents, extents[1:]):
            if start < end:
                raise errors.ArchiveInvalid(f"the archive's entries {name!r} and {other!r} overlap")
        if extents and extents[-1][1] > self._zip.start_dir:
            raise errors.ArchiveInvalid(f"the archive's entry {extents[-1][2]!r} overlaps its directory")
        return {name: info for name, info in entries.items() if not info.is_dir()}

    def _end_of(self, info: zipfile.ZipInfo) -> int:
        """Return the offset behind an entry's data; the local header has lengths of its own."""
        # A file, unlike bytes in memory, answers a seek to an impossible offset with an OSError.
        if not 0 <= info.header_offset < self._zip.start_dir:
            raise errors.ArchiveInvalid(f"the archive's entry {info.filename!r} begins outside of it")
        self._file.seek(info.header_offset)
        header = self._file.read(_LOCAL_HEADER.size)
        if len(header) != _LOCAL_HEADER.size or not header.startswith(b"PK\3\4"):
            raise errors.ArchiveInvalid(f"the archive's entry {info.filename!r} has no local header")
        name_length, extra_length = _LOCAL_HEADER.unpack(header)[-2:]
        return int(info.header_offset + _LOCAL_HEADER.size + name_length + extra_length + info.compress_size)

    def _check_declared(self) -> None:
        declared = {entry.file: entry for entry in (*self.manifest.bitstreams, *self.manifest.files)}
        for name in self._entries:
            if name != MANIFEST and name not in declared:
                raise errors.ArchiveInvalid(f"the archive has a file that {MANIFEST} does not name: {name!r}")
        for name, entry in declared.items():
            if name not in self._entries:
                raise errors.ArchiveInvalid(f"the archive has no {name!r}, which {MANIFEST} names")
            if self._entries[name].file_size != entry.size:
                raise errors.ArchiveInvalid(
                    f"{name} has {self._entries[name].file_size} bytes, {MANIFEST} says {entry.size}"
                )


def measure(source: IO[bytes]) -> tuple[int, str]:
    """Return (size in bytes, SHA-256 in hex) of what `source` still holds."""
    digest = hashlib.sha256()
    size = 0
    while chunk := source.read(_CHUNK):
        size += len(chunk)
        digest.update(chunk)
    return size, digest.hexdigest()


def pack(directory: pathlib.Path, target: pathlib.Path) -> model.Manifest:
    """Make an archive of the IP core in `directory`; the same files always give the same bytes.

    `directory` has a `core.json`: a manifest whose bitstreams and files may lack sha256 and size, which are added from
    the files named there, relative to `directory`.

    :param target: the archive; replaced in one step if it exists, durably
    :raises fpga_nova.errors.ArchiveInvalid: core.json or a file that it names cannot be used
    """
    core = directory / "core.json"
    try:
        data = manifests.loads(core.read_bytes(), str(core))
    except OSError as error:
        raise errors.ArchiveInvalid(f"{core} is not readable: {error.strerror}") from error
    if isinstance(data, dict):
        for section in ("bitstreams", "files"):
            for entry in data[section] if isinstance(data.get(section), list) else ():
                if isinstance(entry, dict) and isinstance(entry.get("file"), str):
                    try:
                        with (directory / entry["file"]).open("rb") as source:
                            entry["size"], entry["sha256"] = measure(source)
                    except OSError as error:
                        raise errors.ArchiveInvalid(f"{core}: {entry['file']}: {error.strerror}") from error
    manifest = manifests.build(data, str(core))
    text = (json.dumps(data, indent=2, sort_keys=True) + "\n").encode()
    try:
        with files.replacing(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(_entry(MANIFEST), text)
            # A file may serve several kinds of regions; it is packed once.
            for file in dict.fromkeys(entry.file for entry in (*manifest.bitstreams, *manifest.files)):
                with (directory / file).open("rb") as source, archive.open(_entry(file), "w") as packed:
                    while chunk := source.read(_CHUNK):
                        packed.write(chunk)
    except OSError as error:
        raise errors.FpgaError(f"cannot write {target}: {error.strerror}") from error
    return manifest


def _entry(name: str) -> zipfile.ZipInfo:
    """Describe an entry without anything that changes from run to run; 1980 is the zip format's beginning of time."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    info.create_system = 3  # APPNOTE 4.4.2: Unix, which the mode above belongs to
    return info


def _check_end_record(file: IO[bytes], max_size: int) -> None:
    """Bound the central directory before zipfile reads it whole into memory."""
    size = file.seek(0, 2)
    if size > max_size:
        raise errors.ArchiveInvalid(f"the archive has {size} bytes, more than {max_size}")
    tail_size = min(size, _ZIP64_LOCATOR_SIZE + _END_RECORD.size + 0xFFFF)
    file.seek(size - tail_size)
    tail = file.read(tail_size)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END_RECORD.size:
        raise errors.ArchiveInvalid("the archive is not a zip file")
    _, disk, directory_disk, here, entries, directory_size, _, _ = _END_RECORD.unpack_from(tail, at)
    if disk or directory_disk or here != entries:
        raise errors.ArchiveInvalid("the archive is one of several volumes")
    if directory_size > size - tail_size + at:
        raise errors.ArchiveInvalid("the archive's directory begins outside of it")
    if tail[max(0, at - _ZIP64_LOCATOR_SIZE) : at].startswith(b"PK\6\7"):
        raise errors.ArchiveInvalid("the archive is in zip64 form, which no IP core needs")
    if entries > MAX_ENTRIES or directory_size > _MAX_DIRECTORY_SIZE:
        raise errors.ArchiveInvalid(f"the archive has {entries} entries, more than {MAX_ENTRIES}")


def _check_entry(info: zipfile.ZipInfo) -> None:
    name = info.filename
    # ZipInfo cuts a name at a NUL byte; an entry with such a name is refused.
    if name != info.orig_filename:
        raise errors.ArchiveInvalid(f"the archive has an entry with a forged name: {name!r}")
    parts = name.removesuffix("/").split("/")
    if name.startswith("/") or "\\" in name or ":" in name or any(part in ("", ".", "..") for part in parts):
        raise errors.ArchiveInvalid(f"the archive has an entry outside its root: {name!r}")
    if not name.isprintable() or len(name) > 255:
        raise errors.ArchiveInvalid(f"the archive has an entry with an unusable name: {name!r}")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.is_dir():
        if info.file_size or kind not in (0, stat.S_IFDIR):
            raise errors.ArchiveInvalid(f"the archive has a directory with content: {name!r}")
    elif kind not in (0, stat.S_IFREG):
        raise errors.ArchiveInvalid(f"the archive has an entry that is not a regular file: {name!r}")
    if info.flag_bits & _ENCRYPTED:
        raise errors.ArchiveInvalid(f"the archive has an encrypted entry: {name!r}")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise errors.ArchiveInvalid(f"the archive has an entry that is neither stored nor deflated: {name!r}")


@contextlib.contextmanager
def _as_invalid() -> Iterator[None]:
    """Turn what zipfile raises over bad archives into ArchiveInvalid.

    Besides BadZipFile these are, seen with hostile bytes: zlib.error and EOFError from broken or short data,
    NotImplementedError for versions and flags that it does not know, UnicodeDecodeError (a ValueError) and struct.error
    from mangled headers, RuntimeError over passwords, OverflowError from impossible offsets.
    """
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        ValueError,
        struct.error,
        RuntimeError,
        OverflowError,
    ) as error:
        raise errors.ArchiveInvalid(f"the archive is not a readable zip file: {error}") from error
