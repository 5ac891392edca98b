# SPDX-License-Identifier: Apache-2.0
"""Bounded reads of a bitstream's file, which may be hostile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from fpga_nova import errors

#: Most bytes that a reader asks a file for in one call, so that memory does not grow with what a header claims.
MAX_READ = 1 << 16

#: Bytes of a file's beginning that identify its format; the longest is an iCE40 file's comment, see `ice40.py`.
HEAD_SIZE = 4096


class Window:
    """A stretch of a seekable file, read piece by piece; no read leaves it.

    Its offsets count from its own beginning; messages name the offset in the file.

    :param format: name of the format, for messages
    """

    def __init__(self, file: IO[bytes], format: str, start: int = 0, size: int | None = None) -> None:
        self.format = format
        self.size = file.seek(0, 2) - start if size is None else size
        self._file = file
        self._start = start

    def read(self, offset: int, size: int, what: str) -> bytes:
        """Return `size` bytes, at most MAX_READ, from `offset`.

        :param what: name of these bytes, for the message
        :raises fpga_nova.errors.ArchiveInvalid: the window is shorter
        """
        self.require(offset, size, what)
        if size > MAX_READ:
            raise self.invalid(offset, f"{what} of at most {MAX_READ} bytes, not {size}")
        self._file.seek(self._start + offset)
        data = self._file.read(size)
        if len(data) != size:
            raise self.invalid(offset, f"{size} bytes of {what}, the file is shorter than it was")
        return data

    def chunks(self, offset: int, size: int, what: str) -> Iterator[bytes]:
        """Yield `size` bytes from `offset` in pieces of at most MAX_READ.

        :raises fpga_nova.errors.ArchiveInvalid: the window is shorter
        """
        self.require(offset, size, what)
        for at in range(offset, offset + size, MAX_READ):
            yield self.read(at, min(MAX_READ, offset + size - at), what)

    def head(self, size: int = HEAD_SIZE) -> bytes:
        """Return the first `size` bytes, or all if there are fewer."""
        return self.read(0, min(size, self.size), "data")

    def require(self, offset: int, size: int, what: str) -> None:
        """Check that the window has `size` bytes from `offset`.

        :raises fpga_nova.errors.ArchiveInvalid: it is shorter
        """
        if offset + size > self.size:
            raise self.invalid(offset, f"{size} bytes of {what}, {max(0, self.size - offset)} are there")

    def within(self, offset: int, size: int, format: str) -> Window:
        """Return a window on a part of this one, whose extent has been checked."""
        return Window(self._file, format, self._start + offset, size)

    def invalid(self, offset: int, expected: str) -> errors.ArchiveInvalid:
        """Return the error for an offset at which something else was expected."""
        return errors.ArchiveInvalid(f"{self.format} bitstream, offset {self._start + offset}: expected {expected}")


def printable(data: bytes) -> str | None:
    """Return `data` as text if it is printable ASCII, else None."""
    if not data.isascii():
        return None
    text = data.decode("ascii")
    return text if text.isprintable() else None
