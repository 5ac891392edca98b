# SPDX-License-Identifier: Apache-2.0
"""iCE40 bitstreams and the format's own tool."""

from __future__ import annotations

import pathlib
import subprocess

import pytest

from tests.support import bitstreams, toolchain


@toolchain.needs_icestorm
@pytest.mark.parametrize(
    "part,size,ram",
    [("384", (182, 80), (32, 8)), ("1k", (332, 144), (64, 256)), ("8k", (872, 272), (128, 512))],
)
def test_icestorm_reads_what_the_builder_writes(
    tmp_path: pathlib.Path, part: str, size: tuple[int, int], ram: tuple[int, int]
) -> None:
    # The unit tests compare the reader with the builder, so this one compares the builder with the format's own tool.
    path = tmp_path / "x.bin"
    path.write_bytes(bitstreams.ice40(size=size, ram=ram))
    result = subprocess.run(["iceunpack", path], capture_output=True, text=True, check=True)
    assert f"\n.device {part}\n" in result.stdout
    assert f"function {bitstreams.FUNCTION_ID}" in result.stdout
    path.write_bytes(bitstreams.ice40(size=size, ram=ram, crc=b"\x22\x00\x00"))
    assert subprocess.run(["iceunpack", path], capture_output=True, check=False).returncode == 1
