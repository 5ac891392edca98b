# SPDX-License-Identifier: Apache-2.0
"""Locks between processes that end with their holder, by flock(2).

The kernel drops such a lock when its holder dies, however that happens; so a region in a transitional state whose
lock can be had has lost its worker, and no pid has to be guessed at.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import time
from collections.abc import Iterator

#: Seconds between two tries; flock(2) has no wait with a limit.
_POLL = 0.05


class Busy(Exception):
    """The lock is held by another process. Never leaves the engine."""


@contextlib.contextmanager
def hold(path: pathlib.Path, timeout: float = 0) -> Iterator[None]:
    """Hold the lock of the file or directory `path`, which is made as a file if it is not there.

    :param timeout: seconds to wait for it; 0 tries once
    :raises Busy: another process held it all the time
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_RDONLY | os.O_CLOEXEC
    descriptor = os.open(path, flags if path.is_dir() else flags | os.O_CREAT, 0o600)
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
        yield
    finally:
        os.close(descriptor)
