# SPDX-License-Identifier: Apache-2.0
"""The tree of fpga-nova's errors, and the exit code of each.

The tree, with the documented exit codes of fpga-cli::

    FpgaError                       1    any error without a code of its own
     +- ConfigurationInvalid        1    an option or a configuration file cannot be used
     +- WrongUsage                  2    the arguments do not go together
     +- EraseFailed                31    erase failed; the region is quarantined
     +- UnknownRegion              33    erase: the host has no such region
     +- NoMatchingHardware         64    burn: no region of this host fits the IP core
     +- NoFreeRegion               65    burn: regions fit, but none is free
     +- ImageNotAvailable          66    burn: the image is not found or not downloadable
     +- ArchiveInvalid             67    burn: the archive or its manifest is not valid
     +- RefusedByPolicy            68    burn: the operator's policy refuses the IP core
     +- ProgrammingFailed          69    burn: programming or read-back failed
     |   +- ReadBackMismatch       69    the card does not hold what was loaded
     +- DeviceNotAccessible       127    status: the card is not there or does not answer
     +- StoreNotReadable          128    the region store cannot be read
         +- EraseStoreNotReadable  32    the same, during an erase

The codes 31 to 33, 64, 65, 127 and 128 are those of the first fpga-cli of 2016; 66 to 69 are ours.
"""

from __future__ import annotations

#: Exit codes of a process that a signal ended, as shells give them (128 plus the signal's number): SIGINT, SIGPIPE.
INTERRUPTED = 130
OUTPUT_CLOSED = 141


class FpgaError(Exception):
    """Base of all errors here; its text is one line.

    The text says what was wrong and, where that is known, what to do.
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class ConfigurationInvalid(FpgaError):
    """An option or a configuration file cannot be used."""


class WrongUsage(FpgaError):
    """The arguments of a command do not go together."""

    exit_code = 2


class EraseFailed(FpgaError):
    """A region could not be proved blank; it is quarantined."""

    exit_code = 31


class UnknownRegion(FpgaError):
    """There is no region with this id on this host."""

    exit_code = 33


class NoMatchingHardware(FpgaError):
    """No region of this host fits the IP core."""

    exit_code = 64


class NoFreeRegion(FpgaError):
    """Regions of this host fit the IP core, but none of them is free."""

    exit_code = 65


class ImageNotAvailable(FpgaError):
    """The image is unknown, unreadable, or did not arrive whole."""

    exit_code = 66


class ArchiveInvalid(FpgaError):
    """The IP-core archive or its manifest breaks the format."""

    exit_code = 67


class RefusedByPolicy(FpgaError):
    """The operator's policy does not admit this IP core."""

    exit_code = 68


class ProgrammingFailed(FpgaError):
    """The card or its tool refused the bitstream, or failed while loading it."""

    exit_code = 69


class ReadBackMismatch(ProgrammingFailed):
    """The card, read back, does not hold what it should."""


class DeviceNotAccessible(FpgaError):
    """The card is not there, or does not answer."""

    exit_code = 127


class StoreNotReadable(FpgaError):
    """The region store cannot be opened, read or written."""

    exit_code = 128


class EraseStoreNotReadable(StoreNotReadable):
    """The region store cannot be opened, read or written during an erase."""

    exit_code = 32


def exit_code(error: BaseException | None) -> int:
    """Return the exit code of a command that ended with `error`; 0 for None."""
    if error is None:
        return 0
    if isinstance(error, FpgaError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return OUTPUT_CLOSED if isinstance(error, BrokenPipeError) else FpgaError.exit_code


def one_line(text: str, limit: int = 1000) -> str:
    """Return `text` as one printable line of at most `limit` characters.

    Text of tools and archives ends up in logs, faults and terminals. Line breaks become spaces and control characters
    are dropped, so that it can forge neither a log line nor a terminal sequence.
    """
    line = " ".join(text.split())
    line = "".join(char for char in line if char.isprintable())
    return line if len(line) <= limit else line[: limit - 3] + "..."
