# SPDX-License-Identifier: Apache-2.0
"""The Keystone token of the user who asked for a server, read from standard input.

No other process can read it there, as it could from arguments or the environment.
"""

from __future__ import annotations

import getpass
import re
import sys

from fpga_nova import errors

# It fits an HTTP header of Glance with room to spare; a Fernet token has about 250 characters.
_LONGEST = 8192
_TOKEN = re.compile(rb"[\x21-\x7e]+")


def read() -> str:
    """Return the token: one line of standard input, asked for without echo on a terminal.

    :raises fpga_nova.errors.ImageNotAvailable: there is none; the text does not repeat what came instead
    """
    if sys.stdin is None or sys.stdin.closed:
        raise errors.ImageNotAvailable("no token: standard input is closed")
    terminal = sys.stdin.isatty()
    line = getpass.getpass("Token: ").encode() if terminal else sys.stdin.buffer.readline(_LONGEST + 2)
    line = line.strip(b"\r\n")
    if len(line) > _LONGEST or not _TOKEN.fullmatch(line):
        raise errors.ImageNotAvailable("standard input has no Keystone token in its first line")
    return line.decode("ascii")
