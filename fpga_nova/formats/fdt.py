# SPDX-License-Identifier: Apache-2.0
"""Reader of the properties of a flattened device tree, which an .xclbin has among its metadata.

Source: Devicetree Specification v0.4, chapter 5, "Flattened Devicetree (DTB) Format": 5.2 header, 5.4 structure block,
5.5 strings block.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_HEADER = struct.Struct(">10I")
_MAGIC = 0xD00DFEED
_BEGIN_NODE, _END_NODE, _PROPERTY, _NOP, _END = 1, 2, 3, 4, 9


def properties(blob: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (name, value) of every property of every node.

    :raises ValueError: it is not a flattened device tree; the text is what was expected
    """
    if len(blob) < _HEADER.size:
        raise ValueError("a device tree's header")
    magic, total, structure, strings, _, _, _, _, strings_size, structure_size = _HEADER.unpack_from(blob)
    if magic != _MAGIC or total > len(blob):
        raise ValueError("a device tree")
    if structure + structure_size > total or strings + strings_size > total or structure % 4:
        raise ValueError("a device tree's blocks inside of it")
    names = blob[strings : strings + strings_size]
    at, end = structure, structure + structure_size
    depth = 0
    while at + 4 <= end:
        (token,) = struct.unpack_from(">I", blob, at)
        at += 4
        if token == _BEGIN_NODE:
            depth += 1
            name_end = blob.find(b"\0", at, end)
            if name_end < 0:
                raise ValueError("the end of a device tree node's name")
            at = _aligned(name_end + 1)
        elif token == _PROPERTY:
            if at + 8 > end:
                raise ValueError("a device tree's property")
            length, name_at = struct.unpack_from(">2I", blob, at)
            at += 8
            name_end = names.find(b"\0", name_at)
            if length > end - at or name_end < 0:
                raise ValueError("a device tree's property inside of it")
            yield names[name_at:name_end].decode("latin-1"), blob[at : at + length]
            at = _aligned(at + length)
        elif token == _END_NODE and depth:
            depth -= 1
        elif token == _END and not depth:
            return
        elif token != _NOP:
            raise ValueError("a device tree's token")
    raise ValueError("the end of a device tree")


def _aligned(offset: int) -> int:
    return offset + 3 & ~3
