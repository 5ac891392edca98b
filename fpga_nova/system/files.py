# SPDX-License-Identifier: Apache-2.0
"""Files that are replaced whole, and that survive a power cut."""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
from collections.abc import Iterator
from typing import IO


@contextlib.contextmanager
def replacing(path: pathlib.Path, mode: int | None = None, durable: bool = True) -> Iterator[IO[bytes]]:
    """Give a new file that takes the place of `path`, in one step, when the block ends without an exception.

    It is written beside `path`, under a hidden name without its suffix, so that a collector of a kind of file never
    takes a part for the whole. After an exception `path` is as it was and no part is left; after a kill one may be.

    :param mode: the new file's permissions, whatever the umask; by default 0666 less the umask, as `open` makes it
    :param durable: whether the content and the name are on the disk at the end, so that a power cut leaves the old
        file or the new one; otherwise they get there in the kernel's time
    :raises OSError: the file cannot be made, written or renamed
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600 if mode is not None else 0o666)
    try:
        with open(descriptor, "w+b") as file:  # noqa: PTH123 - a descriptor
            if mode is not None:
                os.fchmod(descriptor, mode)
            yield file
            file.flush()
            if durable:
                os.fsync(descriptor)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if durable:
        sync_directory(path.parent)


def sync_directory(path: pathlib.Path) -> None:
    """Bring the names in a directory to the disk.

    :raises OSError: the system refuses
    """
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
