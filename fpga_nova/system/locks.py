# SPDX-License-Identifier: Apache-2.0
"""Locks between processes that end with their holder, by flock(2).

The kernel drops such a lock when its holder dies, however that happens; so a region in a transitional state whose
lock can be had has lost its worker, and no pid has to be guessed at.

A process that works on somebody's behalf (a vendor's tool that writes the card) inherits the descriptors of his locks
(:func:`descriptors`): should he be killed, they stay locked until his worker has ended too.
"""

from __future__ import annotations

import contextlib
import contextvars
import fcntl
import os
import pathlib
import time
from collections.abc import Iterator

#: Seconds between two tries; flock(2) has no wait with a limit.
_POLL = 0.05

_held: contextvars.ContextVar[tuple[int, ...]] = contextvars.ContextVar("held", default=())


class Busy(Exception):
    """The lock is held by another process. Never leaves the engine."""


@contextlib.contextmanager
def hold(path: pathlib.Path, timeout: float = 0, make: bool = True) -> Iterator[None]:
    """Hold the lock of the file or directory `path`.

    :param timeout: seconds to wait for it; 0 tries once
    :param make: whether it is made, as a file, if it is not there
    :raises Busy: another process held it all the time
    :raises FileNotFoundError: it is not there and was not to be made
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
                    raise Busy(str(path)) from None
                time.sleep(_POLL)
        _held.set((*_held.get(), descriptor))
        try:
            yield
        finally:
            # By name, not by a token: locks may end in another order than the reverse of their beginning.
            _held.set(tuple(held for held in _held.get() if held != descriptor))
            # Said outright, as closing alone would leave the lock to a child that inherited it and was left behind.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def descriptors() -> tuple[int, ...]:
    """Return the descriptors of the locks held here, for `pass_fds` of a child that is to keep them if we die."""
    return _held.get()
