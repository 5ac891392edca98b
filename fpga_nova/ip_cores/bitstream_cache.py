# SPDX-License-Identifier: Apache-2.0
"""Verified bitstreams by their content: `bitstreams/<SHA-256>`, and beside them what images they came in.

What a region holds stays here for as long as it holds it, so that it can be loaded again after a reboot; what else was
loaded stays as long as there is room, the least recently used going first. Nothing here is believed: a bitstream is
held against its name whenever it is taken, so a file that a power cut left half-written is one that is not there.

An image's data never changes, and Glance names it by its hash: `manifests/<SHA-256 of that hash's text>` is the
manifest of the archive that was once found in it, with which its bitstreams can be told without fetching it again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
from collections.abc import Callable, Collection

from fpga_nova import errors, model
from fpga_nova.ip_cores import archive
from fpga_nova.ip_cores import manifest as manifests
from fpga_nova.system import files, locks

#: Seconds to wait for who is making room: he only removes files.
_PATIENCE = 30


class Cache:
    """The bitstreams of a host.

    :param directory: where they are kept; made with mode 0700
    :param max_size: bytes; only what regions hold is kept beyond it
    """

    def __init__(self, directory: pathlib.Path, max_size: int) -> None:
        self._bitstreams = directory / "bitstreams"
        self._manifests = directory / "manifests"
        self._max_size = max_size
        for path in (self._bitstreams, self._manifests):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def take(self, sha256: str, directory: pathlib.Path) -> pathlib.Path | None:
        """Give a bitstream a second name in `directory`, on the same file system; return that, None if it is not here.

        It has been held against `sha256`, and stays there whatever becomes of the cache.
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

    def keep(self, sha256: str, path: pathlib.Path, held: Callable[[], Collection[str]]) -> None:
        """Keep the bitstream at `path`, on the same file system, and make room for it.

        :param held: tells what regions hold; asked when nobody else makes room, so that what is claimed before `keep`
            is called is safe from all others
        :raises fpga_nova.errors.FpgaError: it cannot be kept
        """
        kept = self._bitstreams / sha256
        try:
            with locks.hold(self._bitstreams, _PATIENCE):
                if not (kept.exists() and kept.samefile(path)):
                    self._link(path, kept)
                os.utime(kept)
                self._make_room(held())
        except OSError as error:
            raise errors.FpgaError(f"bitstream {sha256} cannot be kept at {kept}: {error.strerror}") from error
        except locks.Busy:
            raise errors.FpgaError(f"the cache {self._bitstreams} is busy: waited {_PATIENCE} s for it") from None

    def note(self, digest: str, manifest_text: bytes) -> None:
        """Remember the manifest of the archive that is an image's data.

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
        """Put `path`, which has just been checked, in the place of what may be a damaged file, durably."""
        with path.open("rb") as file:
            os.fsync(file.fileno())
        new = kept.with_suffix(".new")
        new.unlink(missing_ok=True)
        os.link(path, new)
        new.replace(kept)
        files.sync_directory(kept.parent)

    def _manifest_path(self, digest: str) -> pathlib.Path:
        return self._manifests / hashlib.sha256(digest.encode()).hexdigest()

    def _make_room(self, held: Collection[str]) -> None:
        """Remove the least recently used until the rest fits, and never what is held."""
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
