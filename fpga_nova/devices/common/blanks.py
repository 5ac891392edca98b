# SPDX-License-Identifier: Apache-2.0
"""Blanks that the operator configured, one for each kind of card: its interface, or its platform."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from fpga_nova import errors
from fpga_nova.devices.common import option_entries


@dataclasses.dataclass(frozen=True)
class Blanks:
    """The entries of one option.

    :param option: its name in [fpga]
    :param key: the key for the kind of card
    :param by_kind: the value of that key -> the whole entry
    """

    option: str
    key: str
    by_kind: Mapping[str, dict[str, str]]

    def __contains__(self, kind: str | None) -> bool:
        return kind in self.by_kind

    def of(self, kind: str | None) -> dict[str, str]:
        """Return the entry for a kind of card.

        :raises fpga_nova.errors.ConfigurationInvalid: there is none, or none any more
        """
        if kind is None or kind not in self.by_kind:
            raise errors.ConfigurationInvalid(f"[fpga] {self.option} has no blank for {self.key} {kind}")
        return self.by_kind[kind]


def read(option: str, texts: Sequence[str], fields: Mapping[str, option_entries.Field]) -> Blanks:
    """Return the blanks of `option`; the first of `fields` is the key of their kind.

    :raises fpga_nova.errors.ConfigurationInvalid: naming the option and the word
    """
    key = next(iter(fields))
    return Blanks(option, key, {entry[key]: entry for entry in option_entries.read(option, texts, fields)})
