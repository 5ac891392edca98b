# SPDX-License-Identifier: Apache-2.0
"""Standard output that a reader may close early, as `| head` does."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

#: Exit code after the reader has closed the pipe: 128 + SIGPIPE, as shells have it of a command that the signal ended.
CLOSED = 141


@contextlib.contextmanager
def may_close() -> Iterator[None]:
    """End silently if standard output is a pipe that its reader has closed.

    SIGPIPE stays ignored, as Python has it: the same signal would end the process for a socket that a peer closed.

    :raises SystemExit: with CLOSED, if it is closed
    """
    try:
        try:
            yield
        finally:
            # Flushed here, as an error in the interpreter's own last flush can only be printed.
            sys.stdout.flush()
    except BrokenPipeError:
        # The rest of the buffer must go somewhere at the end of the process.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
        raise SystemExit(CLOSED) from None
