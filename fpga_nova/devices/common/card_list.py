# SPDX-License-Identifier: Apache-2.0
"""Lists of cards that are configured, not found: their form, and how a card is pulled."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Collection, Sequence

from fpga_nova import errors

_ENTRY = re.compile(r"([a-z0-9][a-z0-9-]{0,31}):([a-z0-9][a-z0-9-]{0,31}):([1-9][0-9]?)")
_MOST_REGIONS = 64


def parse(option: str, entries: Sequence[str], boards: Collection[str] | None = None) -> list[tuple[str, str, int]]:
    """Return (name, board, number of regions) for each NAME:BOARD:REGIONS in a list.

    :param option: name of the option, for messages
    :param boards: the known boards; None admits any
    :raises fpga_nova.errors.ConfigurationInvalid: naming the entry
    """
    cards: dict[str, tuple[str, str, int]] = {}
    for entry in entries:
        match = _ENTRY.fullmatch(entry.strip())
        if match is None or int(match[3]) > _MOST_REGIONS:
            raise errors.ConfigurationInvalid(
                f"[fpga] {option}: {entry!r} is not NAME:BOARD:REGIONS (names of a-z, 0-9 and dashes, 1 to "
                f"{_MOST_REGIONS} regions)"
            )
        name, board, regions = match[1], match[2], int(match[3])
        if boards is not None and board not in boards:
            raise errors.ConfigurationInvalid(
                f"[fpga] {option}: {entry!r}: there is no board {board!r}, only {', '.join(sorted(boards))}"
            )
        if name in cards:
            raise errors.ConfigurationInvalid(f"[fpga] {option}: {entry!r}: a card {name!r} is already listed")
        cards[name] = (name, board, regions)
    return list(cards.values())


def plug_directory(directory: pathlib.Path, name: str) -> pathlib.Path:
    """Return the directory that exists while the card is plugged in; make it when the card is first seen.

    Removing the directory pulls the card, making it again plugs the card in. A marker beside it records that the card
    was seen, so that the next look does not plug a pulled card in.
    """
    path = directory / name
    marker = directory / f".seen-{name}"
    if not marker.exists():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        marker.touch(mode=0o600)
    return path
