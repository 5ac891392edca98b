# SPDX-License-Identifier: Apache-2.0
"""Validation of outside data by the published JSON Schemas in `schemas/`; messages name the field."""

from __future__ import annotations

import functools
import json
import pathlib
from typing import Any

from fpga_nova import errors

_SCHEMAS = pathlib.Path(__file__).parent / "schemas"


def path(name: str) -> pathlib.Path:
    """Return where the schema `name` is."""
    return _SCHEMAS / f"{name}.json"


def violation(data: Any, name: str) -> str | None:
    """Return the field of `data` that breaks the schema `name`, and how, on one line; None if none does."""
    import jsonschema  # imported here: it costs 50 ms, which `status` should not pay

    error = jsonschema.exceptions.best_match(_validator(name).iter_errors(data))
    if error is None:
        return None
    field = error.json_path.removeprefix("$.").removeprefix("$") or "the whole document"
    return f"{field}: {errors.one_line(error.message, 200)}"


@functools.cache
def _validator(name: str) -> Any:
    import jsonschema

    return jsonschema.Draft202012Validator(json.loads(path(name).read_text(encoding="utf-8")))
