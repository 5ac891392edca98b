# SPDX-License-Identifier: Apache-2.0
"""Where fpga-cli gets an IP core from: a local archive, the cache, or Glance."""

from __future__ import annotations

import contextlib
import functools
import pathlib
from collections.abc import Callable
from typing import Any

from fpga_nova import errors, model
from fpga_nova.fpga_cli import progress
from fpga_nova.ip_cores import archive
from fpga_nova.ip_cores import source as sources
from fpga_nova.ip_cores.admission import Admission, Core
from fpga_nova.ip_cores.bitstream_cache import Cache


class CachedCore:
    """An IP core that was here before: what of it is still in the cache does not move again.

    :param fetch: gets the archive after all
    """

    def __init__(self, manifest: model.Manifest, cache: Cache, fetch: Callable[[], Core]) -> None:
        self.manifest = manifest
        self._cache = cache
        self._fetch = fetch

    def unpack(self, entry: model.FileEntry, directory: pathlib.Path) -> pathlib.Path:
        """Take a bitstream from the cache, or from the archive where it is not there."""
        return self._cache.take(entry.sha256, directory) or self._fetch().unpack(entry, directory)


class Cores:
    """The way to IP cores, until `stack` ends.

    :param conf: the configuration, read with Glance's options
    :param directory: a private one, for what is fetched
    :param token: Keystone's token to read Glance with; None for fpga-cli's own credentials
    """

    def __init__(
        self,
        conf: Any,
        cache: Cache,
        directory: pathlib.Path,
        stack: contextlib.ExitStack,
        token: str | None = None,
    ) -> None:
        self._conf = conf
        self._cache = cache
        self._directory = directory
        self._stack = stack
        self._token = token
        self._max_size = conf.fpga.max_archive_size << 20

    def of_file(self, path: pathlib.Path) -> Core:
        """Open a local archive.

        :raises fpga_nova.errors.ImageNotAvailable: it cannot be read
        :raises fpga_nova.errors.ArchiveInvalid: it is none
        """
        return archive.Archive(self._stack.enter_context(open_archive(path)), self._max_size)

    def of_image(
        self, image_id: str, fits: Callable[[model.Manifest], object], admission: Admission | None = None
    ) -> Core:
        """Get an image of Glance, without its data where the cache has what is needed of it.

        :param fits: is asked as soon as the manifest is known, and raises where no region takes the core
        :param admission: judges the image, before its data are fetched and by them; None where nothing is burned anew
        :raises fpga_nova.errors.RefusedByPolicy: from `admission`
        :raises fpga_nova.errors.ImageNotAvailable: it cannot be had
        :raises fpga_nova.errors.ArchiveInvalid: it is no IP core
        """
        from fpga_nova.clients import glance

        session, adapter = glance.session_from_conf(self._conf, "fpga")
        if self._token is None:
            source = glance.GlanceImages(session, **adapter)
        else:
            source = glance.GlanceImages.with_token(self._token, session, **adapter)
        info, stated = sources.show(source, image_id, self._max_size)
        # Who may see an image may perhaps not download it: with a user's token, Glance is asked for the data each time.
        known = self._cache.manifest(info.digest) if self._token is None else None
        manifest = known or stated
        if admission is not None:
            admission.before_download(info, manifest)
        if manifest is not None:
            fits(manifest)

        @functools.cache
        def fetch() -> archive.Archive:
            with progress.bar(f"image {info.name or info.id}") as report:
                update = admission.update if admission is not None else None
                file = self._stack.enter_context(sources.fetch(source, info, self._directory, report, update))
            if admission is not None:
                admission.after_download()
            core = archive.Archive(file, self._max_size)
            self._cache.note(info.digest, core.manifest_text)
            return core

        if known is None or (admission is not None and admission.needs_data):
            return fetch()
        return CachedCore(known, self._cache, fetch)

    def bitstream_of(self, region: model.Region) -> model.Bitstream:
        """Get again what `region` is recorded with.

        :raises fpga_nova.errors.FpgaError: it is to be had no more; with what to do
        """
        sha256 = region.bitstream_sha256 or ""
        path = self._cache.take(sha256, self._directory)
        if path is None:
            advice = f"`fpga-cli erase {region.id}`, then burn it again"
            if region.image_id is None:
                raise errors.FpgaError(f"its bitstream is no longer kept here, and came from a local archive: {advice}")
            try:
                core = self.of_image(region.image_id, lambda manifest: None)
                entry = next((entry for entry in core.manifest.bitstreams if entry.sha256 == sha256), None)
                if entry is None:
                    raise errors.ImageNotAvailable(f"image {region.image_id} does not have its bitstream")
                path = core.unpack(entry, self._directory)
            except (errors.ImageNotAvailable, errors.ArchiveInvalid) as error:
                raise errors.FpgaError(f"{error}; when that is mended, `fpga-cli recover`, else {advice}") from error
        return model.Bitstream(sha256, path.stat().st_size, path, region.function_id)


def open_archive(path: pathlib.Path) -> Any:
    """Open a local archive.

    :raises fpga_nova.errors.ImageNotAvailable: it cannot be read
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise errors.ImageNotAvailable(f"archive {path} cannot be read: {error.strerror}") from error
