# SPDX-License-Identifier: Apache-2.0
"""Configuration files in the form that oslo.config and uWSGI read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Union

Option = Union[str, int, bool, Sequence[str]]


def ini(sections: Mapping[str, Mapping[str, Option]]) -> str:
    """Return options in oslo.config's and uWSGI's form; an option with several values is repeated."""
    lines = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        for name, value in options.items():
            for one in _values(value):
                lines.append(f"{name} = {str(one).lower() if isinstance(one, bool) else one}")
        lines.append("")
    return "\n".join(lines)


def _values(value: Option) -> Iterable[str | int | bool]:
    return [value] if isinstance(value, (str, int, bool)) else value
