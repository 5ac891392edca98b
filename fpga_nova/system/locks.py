# SPDX-License-Identifier: Apache-2.0
"""Locks between processes that end with their holder, by flock(2).

The kernel releases such a lock when its holder dies, however that happens; so a region in a transitional state whose
lock is free has lost its worker, and no pid has to be guessed.

A process that works for the holder of locks (a vendor's tool that writes the card) inherits their descriptors
(:func:`descriptors`): if the holder is killed, they stay locked until that process has ended too.
"""

from __future__ import annotations

import contextlib
import contextvars
import fcntl
import os
import pathlib
import time
from collections.abc import Iterator

from fpga_nova import errors

#: Seconds between two tries; flock(2) has no wait with a limit.
_POLL = 0.05

_held: contextvars.ContextVar[tuple[int, ...]] = contextvars.ContextVar("held", default=())


class Busy(errors.FpgaError):
    """Another process holds the lock. The engine turns it into the error of its operation."""


@contextlib.contextmanager
def hold(path: pathlib.Path, timeout: float = 0, make: bool = True) -> Iterator[None]:
    """Hold the lock of the file or directory `path`.

    :param timeout: seconds to wait for it; 0 tries once
    :param make: whether to make the path, as a file, if it does not exist
    :raises Busy: another process held the lock all the time
    :raises FileNotFoundError: the path does not exist and `make` is False
    """
    flags = os.O_RDONLY | os.O_CLOEXEC
    if make and not path.is_dir():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags |= os.O_CREAT
    descriptor = os.open(path, flags, 0o600)
    try:
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Busy(f"{path} is locked by another process") from None
                time.sleep(_POLL)
        _held.set((*_held.get(), descriptor))
        try:
            yield
        finally:
            # By name, not by a token: locks may end in another order than the reverse of their beginning.
            _held.set(tuple(held for held in _held.get() if held != descriptor))
            # Unlock explicitly: closing alone would leave the lock to a child that inherited the descriptor.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def descriptors() -> tuple[int, ...]:
    """Return the descriptors of the locks held here, for `pass_fds` of a child that keeps them if this process dies."""
    return _held.get()
