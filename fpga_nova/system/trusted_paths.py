# SPDX-License-Identifier: Apache-2.0
"""Files that decide what root loads onto a card: read only where nobody but root could have written them."""

from __future__ import annotations

import os
import pathlib
import stat

from fpga_nova import errors

#: Most bytes of such a file.
MAX_SIZE = 1 << 20


def read(path: pathlib.Path, option: str) -> bytes:
    """Return what is in a file that only its owner, root or the one who runs this, may change.

    The same is asked of its directory, where a file could be put into another's place.

    :param option: the option in [fpga] that leads to it, for messages
    :raises fpga_nova.errors.ConfigurationInvalid: others may change it, it is too long, or its path is not absolute
    :raises OSError: it cannot be read
    """
    if not path.is_absolute():
        raise errors.ConfigurationInvalid(f"[fpga] {option}: {path} is not an absolute path")
    _check(path.parent, path.parent.stat(), option)
    with path.open("rb") as file:
        _check(path, os.fstat(file.fileno()), option)
        content = file.read(MAX_SIZE + 1)
    if len(content) > MAX_SIZE:
        raise errors.ConfigurationInvalid(f"[fpga] {option}: {path} has more than {MAX_SIZE} bytes")
    return content


def _check(path: pathlib.Path, state: os.stat_result, option: str) -> None:
    if state.st_uid not in (0, os.geteuid()) or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise errors.ConfigurationInvalid(
            f"[fpga] {option}: {path} can be changed by others than root, so it is not trusted"
        )
