# SPDX-License-Identifier: Apache-2.0
"""Who but root could change what root reads or runs."""

from __future__ import annotations

import pathlib
import stat


def changeable(path: pathlib.Path) -> str | None:
    """Return why others than root could change `path` or put another in its place, or None if they could not.

    Its directories count, up to the root, and if it is a link, those of what it leads to. In a directory with the
    sticky bit, as /tmp, only the owner of a file may replace it.

    :raises OSError: it is not there, or may not be looked at
    """
    for end in (path.absolute(), path.resolve(strict=True)):
        for each in (end, *end.parents):
            if each.is_symlink():  # a link is changed in its directory, and what it leads to is the other end
                continue
            state = each.stat()
            if state.st_uid != 0:
                return f"{each} belongs to the user {state.st_uid}"
            others = stat.S_IWOTH | (stat.S_IWGRP if state.st_gid != 0 else 0)
            if state.st_mode & others and not (each != end and state.st_mode & stat.S_ISVTX):
                return f"{each} can be written to by others than root"
    return None
