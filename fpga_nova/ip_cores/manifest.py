# SPDX-License-Identifier: Apache-2.0
"""Reading an IP core's manifest: JSON by the published schema (`schemas/manifest-1.json`)."""

from __future__ import annotations

import json
from typing import Any

from fpga_nova import errors, model
from fpga_nova.ip_cores import schema

#: Most bytes of a manifest; as the image property `manifest` it has to fit into Glance's TEXT column (64 KiB).
MAX_SIZE = 65535

SCHEMA_PATH = schema.path("manifest-1")


def parse(text: bytes | str, what: str = "manifest.json") -> model.Manifest:
    """Read a manifest.

    :param what: its name in messages
    :raises fpga_nova.errors.ArchiveInvalid: naming the field that is wrong
    """
    return build(loads(text, what), what)


def loads(text: bytes | str, what: str) -> Any:
    """Read JSON strictly: UTF-8, no key twice in one object, no NaN or Infinity, not too deep.

    :raises fpga_nova.errors.ArchiveInvalid: it is not such JSON, or is longer than MAX_SIZE bytes
    """
    if len(text) > MAX_SIZE:
        raise errors.ArchiveInvalid(f"{what} has {len(text)} bytes, more than {MAX_SIZE}")
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise errors.ArchiveInvalid(f"{what} is not valid JSON: {error}") from error


def build(data: Any, what: str) -> model.Manifest:
    """Validate `data` by the schema and make a record of it.

    :raises fpga_nova.errors.ArchiveInvalid: naming the field that is wrong
    """
    wrong = schema.violation(data, "manifest-1")
    if wrong is not None:
        raise errors.ArchiveInvalid(f"{what} is not valid: {wrong}")
    names = [entry["file"] for entry in data["bitstreams"] + data.get("files", [])]
    if "manifest.json" in names:
        raise errors.ArchiveInvalid(f"{what} is not valid: it lists itself as one of its files")
    for entry in data.get("files", []):
        if names.count(entry["file"]) > 1:
            raise errors.ArchiveInvalid(f"{what} is not valid: files: {entry['file']!r} is listed twice")
    return model.Manifest(
        name=data["name"],
        version=data["version"],
        vendor=data["vendor"],
        description=data.get("description", ""),
        function_type=data["function"]["type"],
        function_id=data["function"]["id"],
        bitstreams=tuple(model.BitstreamEntry(**entry) for entry in data["bitstreams"]),
        files=tuple(model.FileEntry(**entry) for entry in data.get("files", [])),
    )


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
