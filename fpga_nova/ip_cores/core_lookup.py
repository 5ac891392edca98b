# SPDX-License-Identifier: Apache-2.0
"""From the id of an image to its IP core: look up, fetch, open; or take from the cache without a fetch.

The caller judges between the steps: a core that is refused, or that no region takes, is not fetched.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from typing import IO, Any, Protocol

from fpga_nova import errors, model
from fpga_nova.ip_cores import source as sources
from fpga_nova.ip_cores.archive import Archive
from fpga_nova.ip_cores.bitstream_cache import Cache


class Core(Protocol):
    """An IP core at hand: an open archive, or an image whose bitstreams are in the cache."""

    manifest: model.Manifest

    def unpack(self, entry: model.FileEntry, directory: pathlib.Path) -> pathlib.Path:
        """Write a bitstream below `directory` under its SHA-256 as name, checked; return its path."""


@dataclasses.dataclass(frozen=True)
class FoundImage:
    """An image that was looked up and not fetched.

    :param info: the image service's metadata
    :param manifest: the IP core's manifest, if it is known before the fetch
    :param cached: whether the manifest is from the cache, and so that of exactly these data; otherwise the uploader
        stated it in the metadata
    """

    info: sources.ImageInfo
    manifest: model.Manifest | None
    cached: bool


class CoreLookup(contextlib.AbstractContextManager["CoreLookup"]):
    """The way to the IP cores of an image service; a context manager that closes what it fetched.

    :param source: the image service
    :param directory: a private one, for fetched images, on the cache's file system
    :param max_size: most bytes of an archive
    :param always_fetch: do not trust that a user who may see an image may have its data: fetch the data each time
    :param progress: called while an image is fetched
    """

    def __init__(
        self,
        source: sources.ImageSource,
        cache: Cache,
        directory: pathlib.Path,
        max_size: int,
        always_fetch: bool = False,
        progress: model.Progress | None = None,
    ) -> None:
        self._source = source
        self._cache = cache
        self._directory = directory
        self._max_size = max_size
        self._always_fetch = always_fetch
        self._progress = progress
        self._fetched = contextlib.ExitStack()

    def __exit__(self, *exception: object) -> None:
        self._fetched.close()

    def look_up(self, image_id: str) -> FoundImage:
        """Return an image's metadata and, where it is known, its manifest.

        :raises fpga_nova.errors.ImageNotAvailable: it is unknown, or not in a state to be fetched
        :raises fpga_nova.errors.ArchiveInvalid: it is not an IP core, is too large, or has a broken manifest
        """
        info, stated = sources.show(self._source, image_id, self._max_size)
        known = None if self._always_fetch else self._cache.manifest(info.digest)
        return FoundImage(info, known or stated, cached=known is not None)

    def fetch(self, info: sources.ImageInfo, data_hash: Any = None) -> IO[bytes]:
        """Return an image's data as an open file without a name.

        :param data_hash: a `hashlib` hash that is updated with all of the data
        :raises fpga_nova.errors.ImageNotAvailable: they did not arrive complete and correct
        """
        file = sources.fetch(self._source, info, self._directory, data_hash, self._progress)
        return self._fetched.enter_context(file)

    def open(self, info: sources.ImageInfo, file: IO[bytes]) -> Archive:
        """Open an image's data as an IP-core archive, and note its manifest in the cache.

        :raises fpga_nova.errors.ArchiveInvalid: it is not an IP core
        """
        core = Archive(file, self._max_size)
        self._cache.note(info.digest, core.manifest_text)
        return core

    def cached_core(self, image: FoundImage) -> CachedCore:
        """Return the core of an image whose manifest is from the cache."""
        return CachedCore(self, self._cache, image)


class CachedCore:
    """An IP core whose bitstreams the cache has; the image is fetched only for one that it has dropped."""

    def __init__(self, lookup: CoreLookup, cache: Cache, image: FoundImage) -> None:
        if image.manifest is None or not image.cached:
            raise ValueError(f"the manifest of image {image.info.id} is not from the cache")
        self.manifest = image.manifest
        self._lookup = lookup
        self._cache = cache
        self._info = image.info
        self._archive: Archive | None = None

    def unpack(self, entry: model.FileEntry, directory: pathlib.Path) -> pathlib.Path:
        """Take a bitstream from the cache, or from the image's archive.

        :raises fpga_nova.errors.ImageNotAvailable: the image cannot be fetched
        :raises fpga_nova.errors.ArchiveInvalid: the bitstream's bytes are not those that the manifest declares
        """
        path = self._cache.take(entry.sha256, directory)
        if path is not None:
            return path
        if self._archive is None:
            self._archive = self._lookup.open(self._info, self._lookup.fetch(self._info))
        return self._archive.unpack(entry, directory)


def open_file(path: pathlib.Path) -> IO[bytes]:
    """Open a local archive's file.

    :raises fpga_nova.errors.ImageNotAvailable: it cannot be read
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise errors.ImageNotAvailable(f"archive {path} cannot be read: {error.strerror}") from error
