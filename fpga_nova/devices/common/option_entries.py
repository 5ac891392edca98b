# SPDX-License-Identifier: Apache-2.0
"""Options of drivers that describe a card or a blank as words KEY=VALUE, and a tool's time limit."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

from oslo_config import cfg

from fpga_nova import errors
from fpga_nova.devices.common import sysfs
from fpga_nova.system import uuids


@dataclasses.dataclass(frozen=True)
class Field:
    """The form of a key's value, the name of that form, and whether the key is required."""

    form: re.Pattern[str]
    meaning: str
    required: bool = True

    def optional(self) -> Field:
        """Return the same field for a key that need not be there."""
        return dataclasses.replace(self, required=False)


def _field(form: str, meaning: str) -> Field:
    return Field(re.compile(form, re.ASCII), meaning)


NAME = _field(r"[a-z0-9][a-z0-9-]{0,31}", "a name of a-z, 0-9 and dashes")
VENDOR = _field(r"[a-z0-9][a-z0-9_-]{0,15}", "a vendor as manifests spell it")
WORD = _field(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "a word of letters, digits, dots, dashes and underscores")
NUMBER = _field(r"0|[1-9][0-9]{0,8}", "a whole number")
PATH = _field(r"/[^\s\x00-\x1f\x7f]{1,1023}", "an absolute path without spaces")
UUID = _field(uuids.PATTERN, "a UUID in lower case")
WORD32 = _field(r"0x[0-9a-f]{8}", "32 bits in lower case, 0x01234567")
PCI = _field(sysfs.PCI_ADDRESS, "a PCI address in lower case, dddd:bb:dd.f")
IPV4 = _field(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)", "an IPv4 address")


def read(option: str, texts: Sequence[str], fields: Mapping[str, Field]) -> list[dict[str, str]]:
    """Return the entries of `option`, each as a dict of its words; the first of `fields` must be unique.

    :raises fpga_nova.errors.ConfigurationInvalid: naming the option and the word
    """
    unique = next(iter(fields))
    entries: dict[str, dict[str, str]] = {}
    for text in texts:
        entry: dict[str, str] = {}
        for word in text.split():
            key, _, value = word.partition("=")
            if key not in fields:
                raise errors.ConfigurationInvalid(f"[fpga] {option}: {word!r}: the keys are {', '.join(fields)}")
            if key in entry:
                raise errors.ConfigurationInvalid(f"[fpga] {option}: {word!r}: {key} is given twice")
            if fields[key].form.fullmatch(value) is None:
                raise errors.ConfigurationInvalid(f"[fpga] {option}: {word!r}: {key} is {fields[key].meaning}")
            entry[key] = value
        missing = [key for key, field in fields.items() if field.required and key not in entry]
        if missing:
            raise errors.ConfigurationInvalid(f"[fpga] {option}: {text!r} lacks {', '.join(missing)}")
        if entry[unique] in entries:
            raise errors.ConfigurationInvalid(f"[fpga] {option}: {unique}={entry[unique]} is given twice")
        entries[entry[unique]] = entry
    return list(entries.values())


def entry_of_card(entries: Sequence[dict[str, str]], driver: str, card_id: str) -> dict[str, str]:
    """Return the entry of the card with the id `driver`:NAME.

    :raises fpga_nova.errors.DeviceNotAccessible: it is not configured any more
    """
    for entry in entries:
        if card_id == f"{driver}:{entry['name']}":
            return entry
    raise errors.DeviceNotAccessible(f"card {card_id} is no longer configured")


def timeout_option(driver: str, default: int) -> cfg.IntOpt:
    """Return the option for the seconds that a call of the tool of `driver` may take."""
    return cfg.IntOpt(
        f"{driver}_timeout",
        default=default,
        min=1,
        help=f"Seconds that a call of the tool of the driver {driver} may take; then it is killed. Read by fpga-cli.",
    )
