# SPDX-License-Identifier: Apache-2.0
"""One connection to a region, over a socket pair and a core that is a Python function."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from fpga_nova.softfpga.runtime.guest_session import READ_AHEAD, GuestSession, ServedCounters, SessionClosed
from fpga_nova.softfpga.runtime.loaded_fabric import StopReason


class Fabric:
    """A core that takes a whole message, one cycle a byte, and then gives its answer."""

    def __init__(self) -> None:
        self.answer: Callable[[bytes], bytes] = lambda message: message[::-1]
        self.silent = False
        self.used = self.spent = 0
        self._message = b""
        self._left: bytes | None = None

    def run(self, data: bytes, final: bool, cycles: int, silence_limit: int) -> tuple[StopReason, bytes]:
        self.used, self.spent = len(data), len(data)
        if self.silent:
            self.spent = cycles
            return StopReason.SILENT, b""
        self._message += data
        if self._left is None:
            if not final:
                return StopReason.NEEDS_INPUT, b""
            self._left = self.answer(self._message)
        output, self._left = self._left[:1000], self._left[1000:]
        if self._left:
            return StopReason.OUTPUT_FULL, output
        self._message, self._left = b"", None
        return StopReason.ANSWERED, output


class Guest:
    """Both ends of a connection, and the counters of its region."""

    def __init__(self) -> None:
        self.socket, connection = socket.socketpair()
        self.socket.setblocking(False)
        self.fabric = Fabric()
        self.served = ServedCounters()
        self.received = b""
        self.session = GuestSession(
            connection,
            self.fabric,  # type: ignore[arg-type]
            self.served,
            frame_limit=100_000,
            cycle_limit=50,
        )

    def send(self, data: bytes) -> None:
        """Send all, with the session taking what comes."""
        view = memoryview(data)
        while view:
            try:
                view = view[self.socket.send(view) :]
            except BlockingIOError:
                self._work()

    def work(self) -> bytes:
        """Let the session do all that it can; return what has come out since the last call."""
        self._work()
        answer, self.received = self.received, b""
        return answer

    def _work(self) -> None:
        for _turn in range(10_000):
            if self.session.wants_input:
                self.session.receive()
            if not self.session.busy and not self.session.wants_output:
                return
            self.session.work()
            with contextlib.suppress(BlockingIOError):
                self.received += self.socket.recv(1 << 20)
        raise AssertionError("the session never comes to rest")

    def closed_with(self) -> str:
        """Let the session work until it closes; return the reason."""
        with pytest.raises(SessionClosed) as closed:
            self._work()
        return str(closed.value)


@pytest.fixture
def guest() -> Iterator[Guest]:
    made = Guest()
    yield made
    made.socket.close()
    made.session.connection.close()


def frame(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def test_frames_are_answered_in_order(guest: Guest) -> None:
    guest.send(frame(b"one") + frame(b"") + frame(b"two"))
    assert guest.work() == frame(b"eno") + frame(b"") + frame(b"owt")


def test_frame_that_comes_byte_by_byte_is_answered_when_it_is_complete(guest: Guest) -> None:
    *most, last = (bytes([byte]) for byte in frame(b"123456789"))
    for byte in most:
        guest.send(byte)
        assert guest.work() == b""
    guest.send(last)
    assert guest.work() == frame(b"987654321")


def test_answer_longer_than_the_cores_output_is_one_frame(guest: Guest) -> None:
    guest.fabric.answer = lambda message: message * 5000
    guest.send(frame(b"ab"))
    assert guest.work() == frame(b"ab" * 5000)


def test_answers_are_sent_after_the_guest_has_shut_down_its_side(guest: Guest) -> None:
    guest.send(frame(b"a") + frame(b"b"))
    guest.socket.shutdown(socket.SHUT_WR)
    assert guest.closed_with() == ""
    assert guest.received == frame(b"a") + frame(b"b")


def test_guest_that_leaves_between_messages_needs_no_log(guest: Guest) -> None:
    guest.socket.close()
    assert guest.closed_with() == ""


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"\0\0", "left in the middle of a frame's header"),
        (struct.pack(">I", 1000) + b"half", "left in the middle of a message; the core is reset"),
    ],
)
def test_guest_that_leaves_in_the_middle_is_logged(guest: Guest, sent: bytes, reason: str) -> None:
    guest.send(sent)
    guest.socket.shutdown(socket.SHUT_WR)
    assert reason in guest.closed_with()
    assert guest.session.in_message == ("message" in reason)


def test_frame_over_the_limit_is_refused_before_it_comes(guest: Guest) -> None:
    guest.send(struct.pack(">I", 100_001))
    assert guest.closed_with() == "a frame of 100001 bytes is over the limit of 100000"


def test_answer_over_the_limit_closes_the_connection(guest: Guest) -> None:
    guest.fabric.answer = lambda message: bytes(100_001)
    guest.send(frame(b"x"))
    assert "the core's answer is over the limit of 100000 bytes" in guest.closed_with()


def test_silent_core_closes_the_connection(guest: Guest) -> None:
    guest.fabric.silent = True
    guest.send(frame(b"x"))
    assert "the core was silent for more than 50 clock cycles" in guest.closed_with()


def test_guest_that_does_not_read_is_not_read_from(guest: Guest) -> None:
    """A full socket must not let answers pile up."""
    guest.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    guest.session.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    guest.socket.send(frame(bytes(50_000)))
    for _turn in range(1000):
        if guest.session.wants_input:
            guest.session.receive()
        guest.session.work()
    assert guest.session.wants_output and not guest.session.busy
    assert guest.work() == frame(bytes(50_000))


def test_input_is_read_ahead_only_so_far(guest: Guest) -> None:
    guest.fabric.answer = lambda message: b"!"
    guest.send(frame(bytes(90_000)) + frame(b""))
    assert guest.served.bytes_in <= 90_000
    assert len(guest.session._inbox) <= 2 * READ_AHEAD


def test_served_frames_and_bytes_are_counted(guest: Guest) -> None:
    guest.send(frame(b"12345") + frame(b""))
    guest.work()
    assert (guest.served.frames, guest.served.bytes_in, guest.served.bytes_out) == (2, 5, 5)
    assert guest.served.cycles == 5
