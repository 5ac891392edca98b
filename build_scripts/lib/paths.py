# SPDX-License-Identifier: Apache-2.0
"""Where the cloud's state lies; run as a program, it prints that."""

from __future__ import annotations

import hashlib
import os
import pathlib
import stat

from build_scripts.lib.errors import CloudError

#: The clone that this file belongs to.
CLONE = pathlib.Path(__file__).resolve().parents[2]

# A node has its own directories in these places, so what lies there on the machine is not seen inside a node.
_HIDDEN_IN_NODES = ("/etc", "/run", "/var/cache", "/var/lib", "/var/log", "/var/run")


def traversable(path: pathlib.Path) -> bool:
    """Whether every user can pass through `path` and all directories above it."""
    return all(stat.S_IMODE(part.stat().st_mode) & stat.S_IXOTH for part in (path, *path.parents))


def state_path(clone: pathlib.Path = CLONE) -> pathlib.Path:
    """Return the state directory: $STATE, `.state` in the clone, or one in /var/tmp.

    The services run as users of their own and read their programs from the state directory, so a clone that only
    its owner can enter cannot hold it.

    :raises CloudError: the path chosen by $STATE cannot be used
    """
    chosen = os.environ.get("STATE")
    if chosen:
        path = pathlib.Path(chosen).absolute()
    elif traversable(clone):
        path = clone / ".state"
    else:
        path = pathlib.Path("/var/tmp") / f"fpga-nova-{hashlib.sha256(str(clone).encode()).hexdigest()[:8]}"  # noqa: S108
    check_state_path(path)
    return path


def check_state_path(path: pathlib.Path) -> None:
    """Refuse a state directory that the nodes could not see or that no mount option can name.

    :raises CloudError: with the reason
    """
    if any(character in str(path) for character in ":,\\ \n"):
        raise CloudError(f"state directory {str(path)!r}: no colon, comma, backslash or blank can be in its path")
    for hidden in _HIDDEN_IN_NODES:
        if path.is_relative_to(hidden):
            raise CloudError(f"state directory {path}: nodes have a {hidden} of their own; choose another place")


if __name__ == "__main__":
    print(state_path())
