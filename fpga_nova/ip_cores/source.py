# SPDX-License-Identifier: Apache-2.0
"""The source of IP cores: the contract of an image service, and the checked fetch of an image."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO, Any, Protocol

from fpga_nova import errors, model
from fpga_nova.ip_cores import manifest as manifests

#: Glance's container format of an IP core.
CONTAINER_FORMAT = "fpga"


@dataclasses.dataclass(frozen=True)
class ImageInfo:
    """An image's metadata, before it is fetched.

    :param size: bytes, if known
    :param hash_algo: hash of its data that the image service keeps, as hashlib names it
    :param hash_value: that hash, in hex
    :param properties: further properties; `manifest` holds the archive's manifest if the uploader set it
    :param owner: id of the project that owns it
    """

    id: str
    name: str
    status: str
    container_format: str | None
    size: int | None
    hash_algo: str
    hash_value: str
    properties: Mapping[str, str]
    owner: str | None = None

    @property
    def digest(self) -> str:
        """The hash of its data with the hash's name, ``sha512:...``; other data have another one."""
        return f"{self.hash_algo}:{self.hash_value}"


class ImageSource(Protocol):
    """An image service."""

    def show(self, image_id: str) -> ImageInfo:
        """Return an image's metadata.

        :raises fpga_nova.errors.ImageNotAvailable: it is unknown, or the service does not answer
        """

    def download(self, image_id: str) -> Iterator[bytes]:
        """Give the image's bytes as they come; :func:`fetch` compares them with size and hash.

        :raises fpga_nova.errors.ImageNotAvailable: the service does not give them
        """


def show(source: ImageSource, image_id: str, max_size: int) -> tuple[ImageInfo, model.Manifest | None]:
    """Check an image by its metadata; return the metadata, and the manifest if it is among them.

    :param max_size: most bytes of an archive
    :raises fpga_nova.errors.ImageNotAvailable: it is unknown, or not in a state to be fetched
    :raises fpga_nova.errors.ArchiveInvalid: it is not an IP core, is too large, or has a broken manifest
    """
    info = source.show(image_id)
    if info.status != "active":
        raise errors.ImageNotAvailable(f"image {image_id} is {info.status}, not active: upload its data first")
    if info.container_format != CONTAINER_FORMAT:
        raise errors.ArchiveInvalid(
            f"image {image_id} is not an IP core: its container format is {info.container_format}, not "
            f"{CONTAINER_FORMAT}"
        )
    if info.size is None:
        raise errors.ImageNotAvailable(f"image {image_id} has no size in the image service")
    if info.size > max_size:
        raise errors.ArchiveInvalid(f"image {image_id} has {info.size} bytes, more than {max_size}")
    text = info.properties.get("manifest")
    return info, manifests.parse(text, f"property 'manifest' of image {image_id}") if text else None


def fetch(
    source: ImageSource,
    info: ImageInfo,
    directory: pathlib.Path,
    data_hash: Any = None,
    progress: model.Progress | None = None,
) -> IO[bytes]:
    """Return the image's bytes as an open file without a name, which goes when it is closed.

    They are compared with the hash in `info`, the very one that the image was judged by.

    :param data_hash: a further `hashlib` hash that is updated with all of the bytes
    :raises fpga_nova.errors.ImageNotAvailable: they did not arrive complete and correct
    """
    file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - it is the caller's, after a success
    try:
        _download(source, info, file, data_hash, progress)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _download(
    source: ImageSource, info: ImageInfo, file: IO[bytes], data_hash: Any, progress: model.Progress | None
) -> None:
    size = info.size or 0
    digest = hashlib.new(info.hash_algo)
    done = 0
    for chunk in source.download(info.id):
        done += len(chunk)
        if done > size:
            raise errors.ImageNotAvailable(f"image {info.id} has more than the {size} bytes that it should have")
        file.write(chunk)
        digest.update(chunk)
        if data_hash is not None:
            data_hash.update(chunk)
        if progress is not None:
            progress(done, size)
    if done != size:
        raise errors.ImageNotAvailable(f"the download of image {info.id} was cut off: {done} of {size} bytes came")
    if digest.hexdigest() != info.hash_value:
        raise errors.ImageNotAvailable(
            f"image {info.id} arrived damaged: its bytes do not have the {info.hash_algo} that they should have"
        )
