# SPDX-License-Identifier: Apache-2.0
"""The forms of fpga-cli's output: a table for people; JSON, YAML and bare values for programs.

They are those of cliff, which every OpenStack command has. Its formatters cost 20 ms of imports, and nothing else of it
is used. JSON and YAML have all columns; a table and bare values have the most important ones, or those asked for.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fpga_nova import errors

_FORMATTERS = {
    "table": "cliff.formatters.table:TableFormatter",
    "json": "cliff.formatters.json_format:JSONFormatter",
    "yaml": "cliff.formatters.yaml_format:YAMLFormatter",
    "value": "cliff.formatters.value:ValueFormatter",
}

#: The options that cliff's formatters read: fit a terminal, print no table without rows.
_OPTIONS = argparse.Namespace(max_width=0, fit_width=False, print_empty=False, noindent=False)


def print_list(
    arguments: argparse.Namespace, columns: Sequence[str], short: Sequence[str], records: Iterable[Mapping[str, Any]]
) -> None:
    """Print records, one a row.

    :param arguments: has `format` (None: table) and `column` (empty: `columns`, or `short` for a table and values)
    :raises fpga_nova.errors.FpgaError: an asked column does not exist
    """
    form = arguments.format or "table"
    names = _names(arguments, form, columns, short)
    rows = [[_cell(form, record[name]) for name in names] for record in records]
    if rows or form != "table":
        _formatter(form).emit_list(names, rows, sys.stdout, _OPTIONS)


def print_one(
    arguments: argparse.Namespace, columns: Sequence[str], short: Sequence[str], record: Mapping[str, Any]
) -> None:
    """Print one record, one field a row; else as `print_list`."""
    form = arguments.format or "table"
    names = _names(arguments, form, columns, short)
    _formatter(form).emit_one(names, [_cell(form, record[name]) for name in names], sys.stdout, _OPTIONS)


def _names(arguments: argparse.Namespace, form: str, columns: Sequence[str], short: Sequence[str]) -> Sequence[str]:
    unknown = [name for name in arguments.column if name not in columns]
    if unknown:
        raise errors.FpgaError(f"there is no column {unknown[0]!r}; there are {', '.join(columns)}")
    return arguments.column or (columns if form in ("json", "yaml") else short)


def _cell(form: str, value: Any) -> Any:
    if form in ("json", "yaml"):
        return str(value) if isinstance(value, str) else value  # YAML takes no enumeration
    if value is None or value == "":
        return "-"
    if isinstance(value, (list, tuple)):
        value = " ".join(str(each) for each in value)
    # Names come from tenants' manifests: no character of them may move a terminal's cursor, or begin a line.
    return errors.one_line(value) if isinstance(value, str) else value


def _formatter(form: str) -> Any:
    module, _, name = _FORMATTERS[form].partition(":")
    return getattr(importlib.import_module(module), name)()
