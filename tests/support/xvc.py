# SPDX-License-Identifier: Apache-2.0
"""An emulated Xilinx 7-series FPGA behind a Xilinx Virtual Cable, for the real openFPGALoader on loopback.

The cable's protocol is the published one (XVC 1.0: `getinfo:`, `settck:`, `shift:`). The FPGA knows the instructions
of UG470 table 6-3 that a loader uses. Its configuration logic is no more than a test needs: JPROGRAM clears it, CFG_IN
takes the bytes, and JSTART raises DONE if they end with the command DESYNC. Its answer to USERCODE is the word
that the bitstream wrote to the register AXSS: a choice of this emulation.
"""

from __future__ import annotations

import socket
import struct
import threading

# UG470 table 6-3
USERCODE, IDCODE, CFG_IN, JPROGRAM, JSTART = 0x08, 0x09, 0x05, 0x0B, 0x0C
DESYNC = bytes.fromhex("300080010000000d")
WRITE_AXSS = bytes.fromhex("3001a001")
SYNC = bytes.fromhex("aa995566")

# IEEE 1149.1: the state after a clock with TMS 0 and with TMS 1
_NEXT = {
    "reset": ("idle", "reset"),
    "idle": ("idle", "select-dr"),
    "select-dr": ("capture-dr", "select-ir"),
    "capture-dr": ("shift-dr", "exit1-dr"),
    "shift-dr": ("shift-dr", "exit1-dr"),
    "exit1-dr": ("pause-dr", "update-dr"),
    "pause-dr": ("pause-dr", "exit2-dr"),
    "exit2-dr": ("shift-dr", "update-dr"),
    "update-dr": ("idle", "select-dr"),
    "select-ir": ("capture-ir", "reset"),
    "capture-ir": ("shift-ir", "exit1-ir"),
    "shift-ir": ("shift-ir", "exit1-ir"),
    "exit1-ir": ("pause-ir", "update-ir"),
    "pause-ir": ("pause-ir", "exit2-ir"),
    "exit2-ir": ("shift-ir", "update-ir"),
    "update-ir": ("idle", "select-dr"),
}
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def bitstream(user_code: int, payload: bytes = bytes(range(256)) * 40) -> bytes:
    """Return the content of a `.bit` file: the header's fields a to e and the configuration words."""
    words = b"\xff" * 16 + SYNC + WRITE_AXSS + struct.pack(">I", user_code) + payload + DESYNC + b"\x20\0\0\0" * 4
    fields = b""
    names = (b"a", b"b", b"c", b"d")
    texts = (f"core;UserID=0X{user_code:08X};Version=2023.1", "7a35tcsg324", "2026/11/21", "12:00:00")
    for name, text in zip(names, texts):
        fields += name + struct.pack(">H", len(text) + 1) + text.encode() + b"\0"
    return bytes.fromhex("00090ff00ff00ff00ff0000001") + fields + b"e" + struct.pack(">I", len(words)) + words


def words_of(content: bytes) -> bytes:
    """Return the configuration words of a `.bit` file made by :func:`bitstream`."""
    return content[content.index(b"\xff" * 16) :]


class Fpga:
    """The FPGA with its test access port."""

    def __init__(self) -> None:
        self.idcode = 0x0362D093
        self.done = False
        self.done_stays_low = False
        self.user_code = 0xFFFFFFFF
        #: what came in since the last JPROGRAM, as bytes of the file (bit 7 of a byte is sent first)
        self.received = b""
        self.clears = 0
        self._state = "reset"
        self._instruction = IDCODE
        self._register = [0]
        self._bits: list[int] = []

    def shift(self, count: int, tms: bytes, tdi: bytes) -> bytes:
        """Clock `count` bits through; returns TDO."""
        if not any(tms) and count % 8 == 0 and not (self._state == "shift-dr" and self._instruction != CFG_IN):
            if self._state == "idle":
                return bytes(len(tdi))
            if self._state == "shift-dr" and len(self._bits) % 8 == 0:
                self._flush()
                self.received += tdi.translate(_REVERSED)
                return bytes(len(tdi))
        answer = bytearray(len(tdi))
        for position in range(count):
            byte, bit = position >> 3, position & 7
            if self._clock(tms[byte] >> bit & 1, tdi[byte] >> bit & 1):
                answer[byte] |= 1 << bit
        return bytes(answer)

    def _clock(self, tms: int, tdi: int) -> int:
        out = 0
        if self._state == "shift-ir" or (self._state == "shift-dr" and self._instruction != CFG_IN):
            self._register.append(tdi)
            out = self._register.pop(0)
        elif self._state == "shift-dr":
            self._bits.append(tdi)
        self._state = _NEXT[self._state][tms]
        if self._state == "reset":
            self._instruction = IDCODE
        elif self._state == "capture-ir":
            # UG470 table 6-4: DONE, INIT, ISC_ENABLED, ISC_DONE, 0, 1
            self._register = [1, 0, 0, 0, 1, int(self.done)]
        elif self._state == "capture-dr":
            value = {IDCODE: self.idcode, USERCODE: self.user_code}.get(self._instruction)
            self._register = [0] if value is None else [value >> bit & 1 for bit in range(32)]
        elif self._state == "update-ir":
            self._instruction = sum(bit << index for index, bit in enumerate(self._register))
            self._act()
        return out

    def _flush(self) -> None:
        for start in range(0, len(self._bits) // 8 * 8, 8):
            self.received += bytes([int("".join(map(str, self._bits[start : start + 8])), 2)])
        self._bits = self._bits[len(self._bits) // 8 * 8 :]

    def _act(self) -> None:
        self._flush()
        if self._instruction == JPROGRAM:
            self.done, self.received, self._bits, self.user_code = False, b"", [], 0xFFFFFFFF
            self.clears += 1
        elif self._instruction == JSTART and SYNC in self.received and DESYNC in self.received:
            at = self.received.find(WRITE_AXSS)
            if at >= 0:
                self.user_code = int.from_bytes(self.received[at + 4 : at + 8], "big")
            self.done = not self.done_stays_low


class Cable:
    """A Xilinx Virtual Cable server with `fpga` at its end, on a port of its own of 127.0.0.1."""

    def __init__(self, fpga: Fpga, port: int = 0) -> None:
        self.fpga = fpga
        #: bytes after which the cable breaks, for a transfer that is cut off
        self.breaks_after: int | None = None
        self.hangs_at_a_load = False
        #: seconds that each transfer takes
        self.delay = 0.0
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                try:
                    self._talk(connection, stream)
                except OSError:
                    continue

    def _talk(self, connection: socket.socket, stream) -> None:
        carried = 0
        while not self._stopped.is_set():
            # The client sends a command in two parts and waits; without this its second waits 40 ms for our ACK.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            command = stream.read(2)
            if command == b"ge":
                stream.read(6)
                connection.sendall(b"xvcServer_v1.0:4096\n")
            elif command == b"se":
                stream.read(5)
                connection.sendall(stream.read(4))
            elif command == b"sh":
                stream.read(4)
                count = int.from_bytes(stream.read(4), "little")
                size = (count + 7) // 8
                tms, tdi = stream.read(size), stream.read(size)
                carried += size
                if self.hangs_at_a_load and carried > 8192:
                    stream.read(1)  # the client waits for an answer, and goes away when it is killed
                    return
                if self.breaks_after is not None and carried > self.breaks_after:
                    return
                self._stopped.wait(self.delay)
                connection.sendall(self.fpga.shift(count, tms, tdi))
            else:
                return
