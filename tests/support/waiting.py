# SPDX-License-Identifier: Apache-2.0
"""Waiting for another process, and a look at the locks that it holds."""

from __future__ import annotations

import fcntl
import pathlib
import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Ask for a condition until it holds.

    :raises AssertionError: it does not within that time
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen in {seconds:.0f} s"
        time.sleep(0.01)


def lock_is_held(path: pathlib.Path) -> bool:
    """Return whether any descriptor holds the flock(2) of the file `path`."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
