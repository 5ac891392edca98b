# SPDX-License-Identifier: Apache-2.0
"""The cache of verified bitstreams and of the manifests of the images that they came in.

`bitstreams/<SHA-256>` is a bitstream. One that a region holds stays for as long as the region holds it, so that it can
be loaded again after a reboot. Others stay while there is room; the least recently used goes first. The cache trusts no
file: a bitstream is compared with its name whenever it is taken, so one that a power cut left half-written counts as
missing.

`manifests/<SHA-256 of the hash's text>` is the manifest of the archive in an image. An image's data never changes, and
Glance names it by its hash, so the manifest tells which bitstreams the image has without another download.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
from collections.abc import Collection, Iterator

from fpga_nova import errors, model
from fpga_nova.ip_cores import archive
from fpga_nova.ip_cores import manifest as manifests
from fpga_nova.system import files, locks

#: Seconds to wait for a process that makes room; it only removes files.
_PATIENCE = 30


class Cache:
    """The bitstreams of a host.

    :param directory: where they are kept; made with mode 0700
    :param max_size: bytes; only bitstreams that regions hold are kept beyond it
    """

    def __init__(self, directory: pathlib.Path, max_size: int) -> None:
        self._bitstreams = directory / "bitstreams"
        self._manifests = directory / "manifests"
        self._max_size = max_size
        for path in (self._bitstreams, self._manifests):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def take(self, sha256: str, directory: pathlib.Path) -> pathlib.Path | None:
        """Link a bitstream into `directory`, on the same file system; return its path, None if it is not here.

        Its bytes have been compared with `sha256`. The link stays even if the cache drops the bitstream.
        """
        path = directory / sha256
        kept = self._bitstreams / sha256
        try:
            if not path.exists():
                os.link(kept, path)
            with path.open("rb") as file:
                if archive.measure(file)[1] == sha256:
                    os.utime(path)
                    return path
        except FileNotFoundError:
            return None
        for damaged in (path, kept):
            damaged.unlink(missing_ok=True)
        return None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the cache's lock, for :meth:`keep`.

        :raises fpga_nova.errors.FpgaError: another process holds it for too long, or it cannot be locked
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locks.hold(self._bitstreams, _PATIENCE))
            except locks.Busy:
                raise errors.FpgaError(f"the cache {self._bitstreams} is busy: waited {_PATIENCE} s for it") from None
            except OSError as error:
                raise errors.FpgaError(f"the cache {self._bitstreams} cannot be locked: {error.strerror}") from error
            yield

    def keep(self, sha256: str, path: pathlib.Path, held: Collection[str]) -> None:
        """Keep the bitstream at `path`, on the same file system, and make room for it.

        Call it with the cache :meth:`locked`.

        :param held: SHA-256 of the bitstreams that regions hold, read under the cache's lock: so no process drops a
            bitstream whose region was claimed before the bitstream was kept
        :raises fpga_nova.errors.FpgaError: it cannot be kept
        """
        kept = self._bitstreams / sha256
        try:
            if not (kept.exists() and kept.samefile(path)):
                self._link(path, kept)
            os.utime(kept)
            self._make_room(held)
        except OSError as error:
            raise errors.FpgaError(f"bitstream {sha256} cannot be kept at {kept}: {error.strerror}") from error

    def note(self, digest: str, manifest_text: bytes) -> None:
        """Keep the manifest of the archive that is an image's data.

        :param digest: the image service's hash of the data, with the hash's name
        """
        with files.replacing(self._manifest_path(digest), 0o600) as file:
            file.write(manifest_text)

    def manifest(self, digest: str) -> model.Manifest | None:
        """Return the manifest of the archive that is the data with this hash, None if it is not known."""
        path = self._manifest_path(digest)
        try:
            found = manifests.parse(path.read_bytes())
        except FileNotFoundError:
            return None
        except errors.ArchiveInvalid:  # half-written, or of another version of the schema
            path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(FileNotFoundError):
            os.utime(path)
        return found

    @staticmethod
    def _link(path: pathlib.Path, kept: pathlib.Path) -> None:
        """Link `path`, which has just been checked, over what may be a damaged file, durably, with mode 0600."""
        with path.open("rb") as file:
            os.fchmod(file.fileno(), 0o600)
            os.fsync(file.fileno())
        new = kept.with_suffix(".new")
        new.unlink(missing_ok=True)
        os.link(path, new)
        new.replace(kept)
        files.sync_directory(kept.parent)

    def _manifest_path(self, digest: str) -> pathlib.Path:
        return self._manifests / hashlib.sha256(digest.encode()).hexdigest()

    def _make_room(self, held: Collection[str]) -> None:
        """Remove the least recently used files until the rest fits, but none that a region holds."""
        found = []
        for path in (*self._bitstreams.iterdir(), *self._manifests.iterdir()):
            with contextlib.suppress(FileNotFoundError):
                state = path.stat()
                found.append((state.st_mtime_ns, state.st_size, path))
        size = sum(size for _, size, _ in found)
        for _, its_size, path in sorted(found):
            if size <= self._max_size:
                break
            if path.parent == self._manifests or path.name not in held:
                path.unlink(missing_ok=True)
                size -= its_size
