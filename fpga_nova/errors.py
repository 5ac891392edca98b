# SPDX-License-Identifier: Apache-2.0
"""Every error that fpga-nova raises on purpose, and the exit code that fpga-cli gives it.

The tree, with the documented exit codes::

    FpgaError                   1    anything that has no code of its own
     +- ConfigurationInvalid    1    an option or a configuration file that cannot be used
     +- EraseFailed            31    erase failed; the region is quarantined
     +- UnknownRegion          33    erase: no such region on this host
     +- NoMatchingHardware     64    burn: no region of this host fits the IP core
     +- NoFreeRegion           65    burn: regions fit, but none is free
     +- ImageNotAvailable      66    burn: the image is not found or not downloadable
     +- ArchiveInvalid         67    burn: the archive or its manifest is not valid
     +- RefusedByPolicy        68    burn: the operator's policy refuses the IP core
     +- ProgrammingFailed      69    burn: programming or read-back failed
     |   +- ReadBackMismatch   69    the card does not hold what it was told to hold
     +- DeviceNotAccessible   127    status: the card is not there or does not answer
     +- StoreNotReadable      128    the region store cannot be read (erase says 32)

The codes 31 to 33, 64, 65, 127 and 128 are those of the first fpga-cli of 2016; 66 to 69 are ours.
"""

from __future__ import annotations

#: What `erase` exits with where any other command exits with StoreNotReadable.exit_code.
ERASE_STORE_NOT_READABLE = 32


class FpgaError(Exception):
    """Base of all errors here. Its text is one line: what was wrong, and what to do where that is known."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class ConfigurationInvalid(FpgaError):
    """An option or a configuration file cannot be used."""


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


def one_line(text: str, limit: int = 1000) -> str:
    """Return `text` as one printable line of at most `limit` characters.

    Whatever a tool or an archive says ends in logs, faults and terminals: line breaks become spaces and control
    characters are dropped, so that it can forge neither a log line nor a terminal sequence.
    """
    line = " ".join(text.split())
    line = "".join(char for char in line if char.isprintable())
    return line if len(line) <= limit else line[: limit - 3] + "..."
