# SPDX-License-Identifier: Apache-2.0
"""Raw .rbf files: the little that can be told, and that no more is claimed."""

from __future__ import annotations

import gzip
import io
import pathlib

import pytest

from fpga_nova import errors, formats
from fpga_nova.formats import rbf
from tests.support import bitstreams

PACKAGED = sorted(pathlib.Path("/usr/share/openFPGALoader").glob("*.rbf.gz"))
FAMILIES = {"10cl": "cyclone4/cyclone10lp", "ep4ce": "cyclone4/cyclone10lp", "5ce": "cyclone5"}


@pytest.mark.parametrize(
    "family,part",
    [
        ("agilex", "stratix10/agilex"),
        ("arria10", "arria10"),
        ("arria10 core", "arria10"),
        ("cyclone4", "cyclone4/cyclone10lp"),
        ("cyclone5", "cyclone5"),
    ],
)
def test_the_family_is_all_that_is_known(family: str, part: str) -> None:
    data = bitstreams.rbf(family)
    expected = formats.Header(format="rbf", vendor="intel", payload_size=len(data), part=part)
    assert formats.identify(io.BytesIO(data)) == expected


@pytest.mark.skipif(not PACKAGED, reason="openFPGALoader is not installed")
@pytest.mark.parametrize("path", PACKAGED, ids=lambda path: path.name)
def test_a_real_file(path: pathlib.Path) -> None:
    header = formats.identify(io.BytesIO(gzip.decompress(path.read_bytes())))
    assert header is not None
    named = path.name.removeprefix("spiOverJtag_")
    assert header.part == next(part for prefix, part in FAMILIES.items() if named.startswith(prefix))


def test_a_file_that_tells_nothing_is_taken_at_its_word_only() -> None:
    data = b"\xff" * 200
    assert formats.identify(io.BytesIO(data)) is None
    assert rbf.read(io.BytesIO(data)).part is None


def test_an_empty_file() -> None:
    with pytest.raises(errors.ArchiveInvalid, match="rbf bitstream, offset 0: expected configuration data"):
        rbf.read(io.BytesIO(b""))


def test_a_file_cut_off_inside_a_block() -> None:
    with pytest.raises(errors.ArchiveInvalid, match="rbf bitstream, offset 8191"):
        rbf.read(io.BytesIO(bitstreams.rbf("agilex")[:-1]))
