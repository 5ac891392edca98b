# SPDX-License-Identifier: Apache-2.0
"""The output of a child process, kept in bounded memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

#: Bytes of the beginning that are kept, and of the end.
MAX_HEAD = 1 << 20
MAX_TAIL = 600

#: Seconds that output may still come in after the process has ended: a child of it may hold the pipe for ever.
_AFTER_END = 1.0


class BoundedOutput:
    """Reads a pipe to its end; keeps the beginning and the end of what comes and drops the middle.

    :param on_output: gets each piece as it comes, in a thread of its own
    """

    def __init__(self, on_output: Callable[[bytes], None] | None = None) -> None:
        self._on_output = on_output
        #: The descriptor for the process to write to.
        self._reading, self.writing = os.pipe()
        self._head = bytearray()
        self._tail = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close this process's copy of the writing end, once the child has its own."""
        os.close(self.writing)

    def _read(self) -> None:
        # The thread owns this end. A child of the process may keep the pipe open for ever, so no one waits for it.
        with open(self._reading, "rb", buffering=0) as pipe:  # noqa: PTH123 - a descriptor
            while chunk := pipe.read(1 << 16):
                self._head += chunk[: MAX_HEAD - len(self._head)]
                self._tail = (self._tail + chunk)[-MAX_TAIL:]
                if self._on_output is not None:
                    self._on_output(chunk)

    def head(self) -> str:
        """Return the first MAX_HEAD bytes of the output as text."""
        self._thread.join(_AFTER_END)
        return bytes(self._head).decode(errors="replace")

    def tail(self) -> str:
        """Return the last MAX_TAIL bytes of the output as text."""
        self._thread.join(_AFTER_END)
        return self._tail.decode(errors="replace")
