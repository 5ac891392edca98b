# SPDX-License-Identifier: Apache-2.0
"""Files that survive a power cut."""

from __future__ import annotations

import os
import pathlib


def sync_directory(path: pathlib.Path) -> None:
    """Bring the names in a directory to the disk.

    :raises OSError: the system refuses
    """
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
