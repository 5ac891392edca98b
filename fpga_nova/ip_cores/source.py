# SPDX-License-Identifier: Apache-2.0
"""Where IP cores come from: what an image service must offer, and the fetch of an image into a private file."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Protocol

from fpga_nova import errors, model
from fpga_nova.ip_cores import manifest as manifests

#: Glance's container format of an IP core.
CONTAINER_FORMAT = "fpga"


@dataclasses.dataclass(frozen=True)
class ImageInfo:
    """What the image service says of an image before it is fetched.

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
        """The hash of its data with the hash's name, ``sha512:...``; that of other data is another one."""
        return f"{self.hash_algo}:{self.hash_value}"


class ImageSource(Protocol):
    """An image service."""

    def show(self, image_id: str) -> ImageInfo:
        """Return what is known of an image.

        :raises fpga_nova.errors.ImageNotAvailable: it is unknown, or the service does not answer
        """

    def download(self, image_id: str) -> Iterator[bytes]:
        """Give the image's bytes, as they come; :func:`fetch` holds them against size and hash.

        :raises fpga_nova.errors.ImageNotAvailable: the service does not give them
        """


def show(source: ImageSource, image_id: str, max_size: int) -> tuple[ImageInfo, model.Manifest | None]:
    """Judge an image by its metadata; return these, and the manifest if it is among them.

    :param max_size: most bytes of an archive
    :raises fpga_nova.errors.ImageNotAvailable: it is unknown, or not in a state to be fetched
    :raises fpga_nova.errors.ArchiveInvalid: it is no IP core, is too large, or has a broken manifest
    """
    info = source.show(image_id)
    if info.status != "active":
        raise errors.ImageNotAvailable(f"image {image_id} is {info.status}, not active: upload its data first")
    if info.container_format != CONTAINER_FORMAT:
        raise errors.ArchiveInvalid(
            f"image {image_id} is no IP core: its container format is {info.container_format}, not {CONTAINER_FORMAT}"
        )
    if info.size is None:
        raise errors.ImageNotAvailable(f"image {image_id} has no size in the image service")
    if info.size > max_size:
        raise errors.ArchiveInvalid(f"image {image_id} has {info.size} bytes, more than {max_size}")
    text = info.properties.get("manifest")
    return info, manifests.parse(text, f"property 'manifest' of image {image_id}") if text else None


@contextlib.contextmanager
def fetch(
    source: ImageSource,
    info: ImageInfo,
    directory: pathlib.Path,
    progress: model.Progress | None = None,
    update: Callable[[bytes], None] | None = None,
) -> Iterator[IO[bytes]]:
    """Give the image's bytes as an open file that has no name and goes with its last user.

    They are held against the hash in `info`, the very one that the image was judged with.

    :param update: gets each piece of the bytes as it comes
    :raises fpga_nova.errors.ImageNotAvailable: it did not arrive whole and right
    """
    size = info.size or 0
    digest = hashlib.new(info.hash_algo)
    with tempfile.TemporaryFile(dir=directory) as file:
        done = 0
        for chunk in source.download(info.id):
            done += len(chunk)
            if done > size:
                raise errors.ImageNotAvailable(f"image {info.id} has more than the {size} bytes that it should have")
            file.write(chunk)
            digest.update(chunk)
            if update is not None:
                update(chunk)
            if progress is not None:
                progress(done, size)
        if done != size:
            raise errors.ImageNotAvailable(f"the download of image {info.id} was cut off: {done} of {size} bytes came")
        if digest.hexdigest() != info.hash_value:
            raise errors.ImageNotAvailable(
                f"image {info.id} arrived damaged: its bytes do not have the {info.hash_algo} that they should have"
            )
        file.seek(0)
        yield file
