# SPDX-License-Identifier: Apache-2.0
"""Manifests and archives of IP cores for simulated cards."""

from __future__ import annotations

import hashlib
import json
import pathlib
import zipfile

FUNCTION_ID = "c3dc1c41-6e2a-4d54-9f3e-2c6f34a3f0b1"


def manifest_data(bitstream: bytes = b"bits", board: str = "board1", **changes) -> dict:
    """Return a valid manifest for one bitstream `x.bin`."""
    data = {
        "manifest_version": 1,
        "name": "core",
        "version": "1.0",
        "vendor": "sim",
        "function": {"type": "test", "id": FUNCTION_ID},
        "bitstreams": [
            {
                "file": "x.bin",
                "sha256": hashlib.sha256(bitstream).hexdigest(),
                "size": len(bitstream),
                "board": board,
                "region_type": "stream",
            }
        ],
    }
    data.update(changes)
    return data


def write_archive(path: pathlib.Path, data: dict | None = None, **files: bytes) -> pathlib.Path:
    """Write an archive with manifest `data` and the given files (`x_bin=...` becomes `x.bin`)."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest_data() if data is None else data))
        for name, content in (files or {"x_bin": b"bits"}).items():
            archive.writestr(name.replace("_bin", ".bin"), content)
    return path
