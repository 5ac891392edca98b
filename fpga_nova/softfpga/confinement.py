# SPDX-License-Identifier: Apache-2.0
"""What keeps a tenant's bitstream in: an unprivileged account, no way back, and limits on what it can use."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import pwd
import resource

from fpga_nova import errors

#: prctl(2).
_PR_SET_NO_NEW_PRIVS = 38


@dataclasses.dataclass(frozen=True)
class Account:
    """Whom a confined process runs as."""

    uid: int
    gid: int


def account_of(user: str) -> Account:
    """Return whom confined processes run as: `user` where this process is root, else whoever it already is.

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


def confine(who: Account, limits: dict[int, int]) -> None:
    """Become `who` for good, and take the limits.

    :param limits: resource.RLIMIT_... -> value, hard and soft
    :raises OSError: the system refuses
    """
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(who.gid)
        os.setuid(who.uid)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs cannot be set")
    for limit, value in limits.items():
        _soft, hard = resource.getrlimit(limit)
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (allowed, allowed))
