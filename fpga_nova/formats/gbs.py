# SPDX-License-Identifier: Apache-2.0
"""Intel/OPAE green bitstreams (.gbs): a GUID, metadata in JSON with its length, configuration data.

Sources: opae-sdk, libraries/libbitstream/bitstream.h (`opae_bitstream_header`, OPAE_LEGACY_BITSTREAM_MAGIC),
bitstream.c (the GUID, the versions), metadatav1.c (the fields and which of them are required), and
python/packager/packager/metadata (constants.py: the GUID and its text; metadata.py: the length is little-endian).
The older format without metadata, which starts with the magic number, is deprecated there and not read here.
"""

from __future__ import annotations

import json
import struct
from typing import IO, Any

from fpga_nova.formats.header import Header
from fpga_nova.formats.window import Window
from fpga_nova.system import uuids

NAME = "gbs"

_GUID = bytes.fromhex("58656f6e46504741b747425376303031")
_HEADER = struct.Struct("<16sI")

_MAGIC_NUMBER = 0x1D1F8680
_VERSIONS = (1, 640, 650)  # the latter two were written by mistake, and are taken for 1
_MAX_CLUSTERS = 64


def matches(head: bytes) -> bool:
    """Whether a file with this beginning is a .gbs."""
    return head.startswith(_GUID)


def read(file: IO[bytes]) -> Header:
    """Read a bitstream's metadata.

    :raises fpga_nova.errors.ArchiveInvalid: there are none, or a required field is not what it should be
    """
    window = Window(file, NAME)
    if window.head(len(_GUID)) != _GUID:
        raise window.invalid(0, f"the GUID {uuids.canonical(_GUID.hex())}")
    _, length = _HEADER.unpack(window.read(0, _HEADER.size, "the header"))
    metadata = _Object(window, _load(window, window.read(_HEADER.size, length, "metadata")), "the metadata")
    payload_size = window.size - _HEADER.size - length
    if payload_size == 0:
        raise window.invalid(window.size, "configuration data behind the metadata")
    version = metadata.get("version", int)
    if version not in _VERSIONS:
        raise window.invalid(_HEADER.size, f"version 1 of the metadata, not {version}")
    image = _Object(window, metadata.get("afu-image", dict), "afu-image")
    magic = image.get("magic-no", int)
    if magic != _MAGIC_NUMBER:
        raise window.invalid(_HEADER.size, f"magic-no {_MAGIC_NUMBER}, not {magic}")
    clusters = image.get("accelerator-clusters", list)
    if len(clusters) > _MAX_CLUSTERS:
        raise window.invalid(_HEADER.size, f"at most {_MAX_CLUSTERS} accelerator-clusters, not {len(clusters)}")
    functions = [_Object(window, cluster, "accelerator-clusters") for cluster in clusters]
    function_ids = [function.uuid("accelerator-type-uuid") for function in functions]
    return Header(
        format=NAME,
        vendor="intel",
        payload_size=payload_size,
        platform=metadata.text("platform-name") if "platform-name" in metadata else None,
        interface_ids=(image.uuid("interface-uuid"),),
        # A port reports the first accelerator's id as its AFU id.
        function_id=function_ids[0] if function_ids else None,
        design=functions[0].text("name") if functions else None,
    )


class _Object:
    """A JSON object whose members are read by name and type."""

    def __init__(self, window: Window, data: Any, name: str) -> None:
        self._window = window
        self._name = name
        if not isinstance(data, dict):
            raise self._wrong("an object")
        self._data = data

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def get(self, key: str, kind: type) -> Any:
        """Return the member `key`, which must be of type `kind`; JSON's true and false are not numbers."""
        value = self._data.get(key)
        if type(value) is not kind:
            raise self._wrong(f"{key} of type {kind.__name__}")
        return value

    def text(self, key: str) -> str:
        """Return a member that is printable text, not too long for a message or a table."""
        value: str = self.get(key, str)
        if not value.isprintable() or len(value) > 255:
            raise self._wrong(f"{key} of at most 255 printable characters")
        return value

    def uuid(self, key: str) -> str:
        """Return a member that is a UUID."""
        value = uuids.canonical(self.get(key, str))
        if value is None:
            raise self._wrong(f"{key} to be a UUID")
        return value

    def _wrong(self, expected: str) -> Exception:
        return self._window.invalid(_HEADER.size, f"in {self._name}: {expected}")


def _load(window: Window, data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        raise window.invalid(_HEADER.size, f"metadata in JSON: {error}") from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Two readers may choose differently between two equal keys, and the card's tool must load what was judged here.
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result
