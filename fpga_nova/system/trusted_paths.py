# SPDX-License-Identifier: Apache-2.0
"""Paths that only root can change: what root runs, and files that decide what root loads onto a card."""

from __future__ import annotations

import errno
import os
import pathlib
import stat
from collections.abc import Collection, Iterator

from fpga_nova import errors

#: Most bytes of a file that is read whole.
MAX_SIZE = 1 << 20

#: Most symbolic links in one path, as path_resolution(7) has it.
_MAX_LINKS = 40


def changeable(path: pathlib.Path, owners: Collection[int] = (0,)) -> str | None:
    """Return why others could change `path` or put another file in its place, or None if they could not.

    All that the path leads through counts, from the root directory down, and what each symbolic link on it leads
    through: its owner and, but for a link, its mode. The root group's members are others, too. In a directory with the
    sticky bit, as /tmp, only a file's owner may replace that file.

    :param owners: ids of the users that are trusted; by default root alone
    :raises OSError: `path` does not exist or must not be looked at, or its links form a loop
    """
    steps = list(_steps(path.absolute()))
    for number, step in enumerate(steps, 1):
        state = step.lstat()
        if state.st_uid not in owners:
            return f"{step} belongs to the user {state.st_uid}"
        if stat.S_ISLNK(state.st_mode):  # the mode of a link means nothing
            continue
        sticky_directory = number < len(steps) and state.st_mode & stat.S_ISVTX
        if state.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky_directory:
            return f"{step} can be changed by others than root"
    return None


def require(path: pathlib.Path, option: str) -> None:
    """Check that only root, or the user that runs this process, could change `path`.

    :param option: the option in [fpga] that names it, for the message
    :raises fpga_nova.errors.ConfigurationInvalid: others could change it
    :raises OSError: it does not exist or must not be looked at
    """
    reason = changeable(path, {0, os.geteuid()})
    if reason is not None:
        raise errors.ConfigurationInvalid(f"[fpga] {option}: {reason}, so {path} is not trusted")


def read(path: pathlib.Path, option: str) -> bytes:
    """Return the content of a file that only root, or the user that runs this process, could change.

    :param option: the option in [fpga] that leads to it, for messages
    :raises fpga_nova.errors.ConfigurationInvalid: others could change it, it is larger than MAX_SIZE, or its path is
        not absolute
    :raises OSError: it cannot be read
    """
    if not path.is_absolute():
        raise errors.ConfigurationInvalid(f"[fpga] {option}: {path} is not an absolute path")
    require(path, option)
    with path.open("rb") as file:
        content = file.read(MAX_SIZE + 1)
    if len(content) > MAX_SIZE:
        raise errors.ConfigurationInvalid(f"[fpga] {option}: {path} has more than {MAX_SIZE} bytes")
    return content


def _steps(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Give each directory and link that an absolute path leads through, then the file itself, as the kernel walks."""
    links = 0
    at = pathlib.Path("/")
    ahead = list(reversed(path.parts))
    while ahead:
        part = ahead.pop()
        if part == "..":
            at = at.parent
            continue
        step = at / part  # a part "/" leads back to the root
        yield step
        if not step.is_symlink():
            at = step
            continue
        links += 1
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        ahead.extend(reversed(step.readlink().parts))
