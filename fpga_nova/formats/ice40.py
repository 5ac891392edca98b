# SPDX-License-Identifier: Apache-2.0
"""Lattice iCE40 bitstreams (.bin): an optional comment, then commands with the bits of the configuration memory.

Sources: Project IceStorm, "Bitstream File Format Documentation" (docs/format.html: file structure, table of commands,
"Writing SRAM content", "CRC Check"), and icepack.cc of the same project, `FpgaConfig::read_bits`, for what a reader has
to accept, which sizes of the configuration memory belong to which part, and the two zero bytes after each block.

The function's UUID is a comment line ``function <uuid>``, the form that this project's own cores have. The comment lies
outside of what the stream's CRC covers: an id there is a label, not a proof of what the part will do.
"""

from __future__ import annotations

import binascii
import re
from typing import IO

from fpga_nova.formats.header import Header
from fpga_nova.formats.window import Window
from fpga_nova.system import uuids

NAME = "ice40"

_PREAMBLE = bytes.fromhex("7EAA997E")
_COMMENT = b"\xff\x00"

# The largest part's bitstream, of the 8k, has 135,100 bytes; a comment of HEAD_SIZE comes on top.
_MAX_SIZE = 1 << 18
_MAX_PAYLOAD = 4  # bytes of a command's argument; the widest that is documented has 3, a boot address

# Opcodes: the upper four bits of a command byte.
_PLAIN, _BANK, _CRC_CHECK, _FREQUENCY, _WIDTH, _HEIGHT, _OFFSET, _WARM_BOOT = 0, 1, 2, 5, 6, 7, 8, 9
# Arguments of the opcode 0.
_CRAM, _BRAM, _CRC_RESET, _WAKE_UP = 1, 3, 5, 6

_FREQUENCIES = (0, 1, 2)
_WARM_BOOTS = (0, 1, 32, 33)  # bit 5: warm boot; bit 0: no sleep mode
_BANKS = range(4)

#: (width, height) of a configuration memory's bank in bits -> the part, as icestorm's `.device` line spells it.
PARTS = {
    (182, 80): "384",
    (332, 144): "1k",
    (872, 272): "8k",
    (692, 336): "5k",
    (692, 176): "u4k",
    (656, 176): "lm4k",
}

_FUNCTION = re.compile(rb"function +([!-~]+)", re.ASCII)


def matches(head: bytes) -> bool:
    """Whether a file with this beginning is an iCE40 bitstream: the preamble, alone or behind a comment."""
    return head.startswith(_PREAMBLE) or (head.startswith(_COMMENT) and _PREAMBLE in head)


def read(file: IO[bytes]) -> Header:
    """Read a bitstream's commands, and check its CRC, that it fills all banks of a known part, and that it ends.

    :raises fpga_nova.errors.ArchiveInvalid: a part would not accept it
    """
    window = Window(file, NAME)
    if window.size > _MAX_SIZE:
        raise window.invalid(_MAX_SIZE, f"the end of the file, it has {window.size} bytes")
    head = window.head()
    if not matches(head):
        raise window.invalid(0, f"the preamble {_PREAMBLE.hex()}, or a comment of less than {len(head)} bytes and it")
    start = head.index(_PREAMBLE)
    stream = _Stream(window, start)
    while not stream.awake:
        stream.step()
    stream.check_complete()
    return Header(
        format=NAME,
        vendor="lattice",
        payload_size=window.size - start,
        part=stream.part(),
        function_id=_function_id(window, head[:start]),
    )


def _function_id(window: Window, comment: bytes) -> str | None:
    """Return the one function that the comment names.

    The tools put the end mark of the comment anywhere, so the preamble ends it here.
    """
    lines = (_FUNCTION.fullmatch(line) for line in comment.removeprefix(_COMMENT).split(b"\0"))
    ids = {uuids.canonical(match.group(1).decode("ascii")) for match in lines if match}
    if None in ids or len(ids) > 1:
        raise window.invalid(0, "one UUID in the comment's line 'function'")
    return ids.pop() if ids else None


class _Stream:
    """The commands of a bitstream, one step each."""

    def __init__(self, window: Window, start: int) -> None:
        self.awake = False
        self._window = window
        self._at = start
        # The CRC runs from the file's first byte, but is never looked at before it has been reset.
        self._crc = 0
        self._take(len(_PREAMBLE), "the preamble")
        self._unchecked = True
        self._bank = self._width = self._height = self._offset = 0
        self._banks: set[int] = set()
        self._cram_width = self._cram_height = 0

    def step(self) -> None:
        """Take one command."""
        at = self._at
        (command,) = self._take(1, "a command")
        opcode, length = divmod(command, 16)
        if length > _MAX_PAYLOAD:
            raise self._window.invalid(at, f"a command with an argument of at most {_MAX_PAYLOAD} bytes, not {length}")
        argument = int.from_bytes(self._take(length, "a command's argument"), "big")
        if opcode == _PLAIN:
            self._plain(at, argument)
        elif opcode == _BANK and argument in _BANKS:
            self._bank = argument
        elif opcode == _CRC_CHECK:
            if self._crc != 0:
                raise self._window.invalid(at, "the CRC of the data before it, the data are corrupt")
            self._unchecked = False
        elif opcode == _WIDTH:
            self._width = argument + 1
        elif opcode == _HEIGHT:
            self._height = argument
        elif opcode == _OFFSET:
            self._offset = argument
        elif not (
            (opcode == _FREQUENCY and argument in _FREQUENCIES) or (opcode == _WARM_BOOT and argument in _WARM_BOOTS)
        ):
            raise self._window.invalid(at, f"a known command, not {command:#04x} with the argument {argument:#x}")

    def _plain(self, at: int, argument: int) -> None:
        if argument in (_CRAM, _BRAM):
            self._unchecked = True
            self._data(argument)
        elif argument == _CRC_RESET:
            if self._banks and self._unchecked:
                raise self._window.invalid(at, "a CRC check of the data before the CRC's reset")
            self._crc = 0xFFFF
        elif argument == _WAKE_UP:
            if self._unchecked:
                raise self._window.invalid(at, "a CRC check of all data before the wake-up")
            self.awake = True
        else:
            raise self._window.invalid(at, f"a known command, not 0x00 with the argument {argument:#x}")

    def _data(self, kind: int) -> None:
        size = self._width * self._height // 8
        if kind == _CRAM:
            self._banks.add(self._bank)
            self._cram_width = max(self._cram_width, self._width)
            self._cram_height = max(self._cram_height, self._offset + self._height)
        for chunk in self._window.chunks(self._at, size, f"memory bank {self._bank}"):
            self._crc = binascii.crc_hqx(chunk, self._crc)
        self._at += size
        if any(self._take(2, "zeros behind a memory bank")):
            raise self._window.invalid(self._at - 2, "two zero bytes behind a memory bank")

    def _take(self, size: int, what: str) -> bytes:
        data = self._window.read(self._at, size, what)
        self._at += size
        # "CRC Check": polynomial 0x1021, start 0xFFFF, no padding; crc_hqx is that CRC.
        self._crc = binascii.crc_hqx(data, self._crc)
        return data

    def part(self) -> str:
        """Return the part whose configuration memory has the size that was written."""
        size = (self._cram_width, self._cram_height)
        if size not in PARTS:
            raise self._window.invalid(self._at, f"a known part, none has banks of {size[0]} x {size[1]} bits")
        return PARTS[size]

    def check_complete(self) -> None:
        """Check that every bank has been written, and that nothing but padding follows."""
        if self._banks != set(_BANKS):
            raise self._window.invalid(self._at, f"{len(_BANKS)} banks of configuration memory, not {len(self._banks)}")
        at = self._at
        for chunk in self._window.chunks(at, self._window.size - at, "padding"):
            if chunk.strip(b"\x00\xff"):
                raise self._window.invalid(at, "nothing but padding (0x00, 0xff) behind the wake-up")
