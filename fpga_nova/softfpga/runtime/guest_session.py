# SPDX-License-Identifier: Apache-2.0
"""One connection to a region: frames in, through the fabric, frames out.

A frame is a 4-byte big-endian length and that many bytes. Each is one message to the core, each answer one frame, in
order; an empty frame is answered by an empty one without asking the core.
"""

from __future__ import annotations

import dataclasses
import socket
import struct

from fpga_nova import errors
from fpga_nova.softfpga.runtime.loaded_fabric import LoadedFabric, StopReason

#: Bytes read ahead of the core.
READ_AHEAD = 1 << 16

#: Clock cycles between two looks at the sockets: some 10 ms for a small core, 0.2 s for a large one.
SLICE = 1 << 15

_HEADER = struct.Struct(">I")


class SessionClosed(errors.FpgaError):
    """The connection ends. The text is the reason for the log; it is empty if the client just left."""


@dataclasses.dataclass
class ServedCounters:
    """Work that a region has done since it was programmed: counts, bytes, and clock cycles."""

    connections: int = 0
    frames: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    cycles: int = 0


class GuestSession:
    """A connection. It never blocks: :meth:`work` does a slice of what can be done now.

    :param connection: the client's socket
    :param frame_limit: longest message and longest answer, bytes
    :param cycle_limit: clock cycles that the core may run without moving a byte
    """

    def __init__(
        self,
        connection: socket.socket,
        fabric: LoadedFabric,
        served: ServedCounters,
        *,
        frame_limit: int,
        cycle_limit: int,
    ) -> None:
        connection.setblocking(False)
        self.connection = connection
        self._fabric = fabric
        self._served = served
        self._frame_limit = frame_limit
        self._cycle_limit = cycle_limit
        self._inbox = bytearray()
        self._ended = False
        #: Bytes of the message that the core has not taken yet; None between messages.
        self._left: int | None = None
        self._answer = bytearray()
        self._outbox = memoryview(b"")
        self._stalled = True

    @property
    def wants_input(self) -> bool:
        """Whether the client may send more now."""
        return not self._ended and len(self._inbox) < READ_AHEAD

    @property
    def wants_output(self) -> bool:
        """Whether there is something to send."""
        return bool(self._outbox)

    @property
    def busy(self) -> bool:
        """Whether :meth:`work` can go on without waiting for the client."""
        return not self._outbox and not self._stalled

    @property
    def in_message(self) -> bool:
        """Whether the core is in the middle of a message."""
        return self._left is not None

    def receive(self) -> None:
        """Take what the client has sent.

        :raises SessionClosed: the client has gone
        """
        try:
            data = self.connection.recv(READ_AHEAD)
        except BlockingIOError:
            return
        except OSError as exc:
            raise SessionClosed(self._gone()) from exc
        self._inbox += data
        self._ended = not data
        self._stalled = False

    def work(self) -> None:
        """Do the next step: send, begin a message, or run the core for a slice.

        :raises SessionClosed: the connection is at its end
        """
        if self._outbox:
            self._send()
        elif self._left is None:
            self._begin()
        else:
            self._run(self._left)

    def _gone(self) -> str:
        return "the client left in the middle of a message; the core is reset" if self.in_message else ""

    def _send(self) -> None:
        try:
            sent = self.connection.send(self._outbox)
        except BlockingIOError:
            return
        except OSError as exc:
            raise SessionClosed("the client left before it had its answer") from exc
        self._outbox = self._outbox[sent:]
        self._stalled = False

    def _begin(self) -> None:
        if len(self._inbox) < _HEADER.size:
            if self._ended:
                raise SessionClosed("the client left in the middle of a frame's header" if self._inbox else "")
            self._stalled = True
            return
        (length,) = _HEADER.unpack_from(self._inbox)
        del self._inbox[: _HEADER.size]
        if length > self._frame_limit:
            raise SessionClosed(f"a frame of {length} bytes is over the limit of {self._frame_limit}")
        if length:
            self._left = length
        else:
            self._reply(b"")

    def _run(self, left: int) -> None:
        data = bytes(self._inbox[: min(left, READ_AHEAD)])
        stop_reason, output = self._fabric.run(data, len(data) == left, SLICE, self._cycle_limit)
        used = self._fabric.used
        del self._inbox[:used]
        self._left = left - used
        self._served.bytes_in += used
        self._served.cycles += self._fabric.spent
        self._answer += output
        if len(self._answer) > self._frame_limit:
            raise SessionClosed(f"the core's answer is over the limit of {self._frame_limit} bytes; the core is reset")
        if stop_reason == StopReason.SILENT:
            raise SessionClosed(f"the core was silent for more than {self._cycle_limit} clock cycles; it is reset")
        if stop_reason == StopReason.NEEDS_INPUT and self._ended and self._left > len(self._inbox):
            raise SessionClosed(self._gone())
        if stop_reason == StopReason.ANSWERED:
            self._left = None
            self._reply(bytes(self._answer))
            self._answer.clear()
        self._stalled = stop_reason == StopReason.NEEDS_INPUT and not self._inbox

    def _reply(self, answer: bytes) -> None:
        self._served.frames += 1
        self._served.bytes_out += len(answer)
        self._outbox = memoryview(_HEADER.pack(len(answer)) + answer)
