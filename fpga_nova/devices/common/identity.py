# SPDX-License-Identifier: Apache-2.0
"""The identity that a region must show when it is read back."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

from fpga_nova import errors, formats, model


def expected_by_function_id(bitstream: model.Bitstream | None, blank: str) -> str:
    """Return the identity of a core that shows its function's UUID; with None, the blank's.

    :param blank: the blank's identity
    :raises fpga_nova.errors.ReadBackMismatch: the function is unknown, or the identity is the blank's
    """
    if bitstream is None:
        return blank
    if bitstream.function_id is None:
        raise errors.ReadBackMismatch("without a function id it is unknown what the region should show")
    return _unlike_blank(bitstream.function_id, blank)


def expected_by_header(
    record: pathlib.Path,
    bitstream: model.Bitstream | None,
    blank: str,
    read: Callable[[formats.Header], str | None],
) -> str:
    """Return the identity that a bitstream's header carries; with None, the blank's.

    :param record: the file that :func:`write_record` wrote, for a bitstream whose bytes are gone
    :param blank: the blank's identity
    :param read: returns the identity that a header carries, None if it carries none
    :raises fpga_nova.errors.ReadBackMismatch: the identity is unknown, or it is the blank's
    """
    if bitstream is None:
        return blank
    if bitstream.path is None:
        sha256, _, identity = record.read_text().partition(" ") if record.exists() else ("", "", "")
        if sha256 != bitstream.sha256:
            raise errors.ReadBackMismatch(
                "the bitstream's bytes are gone, so it is unknown what the region should show"
            )
        return identity
    try:
        with bitstream.path.open("rb") as file:
            header = formats.identify(file)
    except errors.ArchiveInvalid as error:
        raise errors.ReadBackMismatch(f"the bitstream does not say what the region should show: {error}") from error
    found = read(header) if header else None
    if found is None:
        raise errors.ReadBackMismatch("the bitstream's header does not say what the region should show")
    return _unlike_blank(found, blank)


def write_record(record: pathlib.Path, bitstream: model.Bitstream, identity: str) -> None:
    """Keep the identity of a bitstream with its SHA-256.

    The record is a fact about the bitstream's bytes. It does not say what is loaded.

    :param record: a file of the region's own
    """
    record.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    record.write_text(f"{bitstream.sha256} {identity}")


def _unlike_blank(identity: str, blank: str) -> str:
    if identity == blank:
        raise errors.ReadBackMismatch(
            f"{identity} is the blank's: a core that shows it cannot be distinguished from the blank"
        )
    return identity
