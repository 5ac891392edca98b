# SPDX-License-Identifier: Apache-2.0
"""The process and the user that run fpga-cli, for the audit log."""

from __future__ import annotations

import os
import pathlib
import pwd

from fpga_nova import errors
from fpga_nova.regions.audit_log import Caller

# The kernel's login uid of a process that no login led to: (uid_t) -1; see proc(5) and audit_loginuid.
_NO_LOGIN = (1 << 32) - 1


def identify() -> Caller:
    """Return what is known of the calling process.

    `login_uid` is the kernel's, which no process can change once it is set. `sudo_uid` is what sudo put into the
    environment, where root could put anything.
    """
    uid = os.getuid()
    login = _number(_proc("self/loginuid"))
    return Caller(
        uid=uid,
        user=_user(uid),
        login_uid=None if login == _NO_LOGIN else login,
        sudo_uid=_number(os.environ.get("SUDO_UID", "")),
        pid=os.getpid(),
        parent=_parent(),
    )


def _parent() -> str | None:
    """Return the parent's program and, for an interpreter, its script; no further arguments, which may be secret."""
    words = _proc(f"{os.getppid()}/cmdline").split("\0")
    shown = [word for word in words[:2] if word and not word.startswith("-")]
    if len(shown) == 2 and not shown[1].startswith("/"):
        del shown[1]
    return errors.one_line(" ".join(shown), 200) or None


def _proc(name: str) -> str:
    try:
        return pathlib.Path("/proc", name).read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def _user(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
