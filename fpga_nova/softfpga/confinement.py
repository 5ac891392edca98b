# SPDX-License-Identifier: Apache-2.0
"""Confines a tenant's bitstream: an unprivileged account, no way back, and limits on what it can use."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import pathlib
import pwd
import resource

from fpga_nova import errors

#: prctl(2).
_PR_SET_NO_NEW_PRIVS = 38


@dataclasses.dataclass(frozen=True)
class Account:
    """The account that a confined process runs as."""

    uid: int
    gid: int


def account_of(user: str) -> Account:
    """Return the account for confined processes: `user` where this process is root, else its own account.

    :raises fpga_nova.errors.ConfigurationInvalid: there is no such user, or it is root
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise errors.ConfigurationInvalid(f"soft_user: there is no user {user!r}") from None
    if entry.pw_uid == 0:
        raise errors.ConfigurationInvalid("soft_user: a tenant's bitstream never runs as root; name another user")
    return Account(entry.pw_uid, entry.pw_gid)


def confine(account: Account, limits: dict[int, int]) -> None:
    """Run this process as `account` from now on, for good, and within the limits.

    :param limits: resource.RLIMIT_... -> value, hard and soft
    :raises fpga_nova.errors.ConfigurationInvalid: the account cannot read the Python that runs this process
    :raises OSError: the system refuses
    """
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(account.gid)
        os.setuid(account.uid)
        check_python(pathlib.Path(os.__file__))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs cannot be set")
    for limit, value in limits.items():
        _soft, hard = resource.getrlimit(limit)
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (allowed, allowed))


def check_python(module: pathlib.Path) -> None:
    """Check that this process can read the standard library of its Python.

    Python imports parts of it only when they are needed, for example an encoding. A process that has given its
    privileges up then fails in words that name no file: "unknown encoding: latin-1".

    :param module: a module of the standard library
    :raises fpga_nova.errors.ConfigurationInvalid: it cannot; the message names the path and the user
    """
    if os.access(module, os.R_OK):
        return
    closed = next((path for path in reversed(module.parents) if not os.access(path, os.X_OK)), module)
    raise errors.ConfigurationInvalid(
        f"soft_user {_name_of(os.getuid())} cannot read the Python of fpga-cli, {module.parent}, as {closed} is closed "
        "to other users; run fpga-cli with a Python that every user can read, for example in a virtual environment of "
        "/usr/bin/python3"
    )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
