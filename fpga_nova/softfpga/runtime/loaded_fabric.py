# SPDX-License-Identifier: Apache-2.0
"""A decoded fabric in this process's memory, and the calls of its stream shell (`stream_shell.c`)."""

from __future__ import annotations

import ctypes
import enum
import hashlib
import os
import pathlib

from fpga_nova import errors


class StopReason(enum.IntEnum):
    """Reason for which the fabric's clock has stopped; the values are those of `stream_shell.c`."""

    NEEDS_INPUT = 0
    ANSWERED = 1
    OUTPUT_FULL = 2
    OUT_OF_CYCLES = 3
    SILENT = 4


class FabricImage:
    """A shared object, read and checked but not yet loaded.

    Reading takes the privileges of the cache's owner, and loading runs the file's code: between the two the server
    gives its privileges up. The copy in memory is checked and then loaded, so that the file cannot be exchanged in
    between.
    """

    def __init__(self, path: pathlib.Path, sha256: str) -> None:
        """Read the file.

        :raises fpga_nova.errors.ProgrammingFailed: the file has another SHA-256
        """
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise errors.ProgrammingFailed(f"the decoded fabric {path} has been changed")
        self._memory = os.memfd_create("fabric", os.MFD_CLOEXEC)
        with os.fdopen(os.dup(self._memory), "wb") as stream:
            stream.write(content)

    def load(self) -> LoadedFabric:
        """Load it into this process, for good.

        :raises OSError: the dynamic loader refuses
        """
        # The descriptor stays open: the loader takes a second file of the same name for the first.
        return LoadedFabric(ctypes.CDLL(f"/proc/self/fd/{self._memory}"))


class LoadedFabric:
    """A fabric that runs.

    After :meth:`run`, `used` is the number of bytes that it took and `spent` the clock cycles that it ran.
    """

    OUTPUT_ROOM = 1 << 16

    def __init__(self, library: ctypes.CDLL) -> None:
        self._run = library.fabric_run
        long = ctypes.c_ulonglong
        counter = ctypes.POINTER(long)
        self._run.argtypes = (
            *(ctypes.c_char_p, long, ctypes.c_uint, counter),
            *(ctypes.c_char_p, long, counter),
            *(long, long, counter),
        )
        self._reset = library.fabric_reset
        self._reset.argtypes = ()
        self._reset.restype = None
        size = long.in_dll(library, "fabric_config_size").value
        self._configuration = (ctypes.c_ubyte * size).in_dll(library, "fabric_config")
        self._output = ctypes.create_string_buffer(self.OUTPUT_ROOM)
        self._counters = (long(), long(), long())
        self.reset()

    def configuration(self) -> bytes:
        """Return the configuration memory of the running fabric."""
        return bytes(self._configuration)

    def reset(self) -> None:
        """Put the fabric into its power-up state."""
        self._reset()

    def run(self, data: bytes, final: bool, cycles: int, silence_limit: int) -> tuple[StopReason, bytes]:
        """Clock the fabric; return why it has stopped and the bytes that it gave.

        :param data: bytes that it can take
        :param final: whether the message ends with `data`
        :param cycles: most clock cycles to run now
        :param silence_limit: most clock cycles to run without moving a byte
        """
        used, made, spent = self._counters
        reason = self._run(
            *(data, len(data), final, ctypes.byref(used)),
            *(self._output, self.OUTPUT_ROOM, ctypes.byref(made)),
            *(cycles, silence_limit, ctypes.byref(spent)),
        )
        return StopReason(reason), self._output.raw[: made.value] if made.value else b""

    @property
    def used(self) -> int:
        """Bytes taken by the last run."""
        return self._counters[0].value

    @property
    def spent(self) -> int:
        """Clock cycles of the last run."""
        return self._counters[2].value
