# SPDX-License-Identifier: Apache-2.0
"""Raw .rbf files: the little that they show, and that no more is claimed."""

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
def test_beginning_names_the_family_only(family: str, part: str) -> None:
    data = bitstreams.rbf(family)
    expected = formats.Header(format="rbf", vendor="intel", payload_size=len(data), part=part)
    assert formats.identify(io.BytesIO(data)) == expected


@pytest.mark.skipif(not PACKAGED, reason="openFPGALoader is not installed")
@pytest.mark.parametrize("path", PACKAGED, ids=lambda path: path.name)
def test_real_file_is_read(path: pathlib.Path) -> None:
    header = formats.identify(io.BytesIO(gzip.decompress(path.read_bytes())))
    assert header is not None
    named = path.name.removeprefix("spiOverJtag_")
    assert header.part == next(part for prefix, part in FAMILIES.items() if named.startswith(prefix))


def test_file_without_a_known_beginning_is_an_rbf_only_if_declared() -> None:
    data = b"\xff" * 200
    assert formats.identify(io.BytesIO(data)) is None
    assert rbf.read(io.BytesIO(data)).part is None


def test_empty_file_is_refused() -> None:
    with pytest.raises(errors.ArchiveInvalid, match="rbf bitstream, offset 0: expected configuration data"):
        rbf.read(io.BytesIO(b""))


def test_file_cut_off_inside_a_block_is_refused() -> None:
    with pytest.raises(errors.ArchiveInvalid, match="rbf bitstream, offset 8191"):
        rbf.read(io.BytesIO(bitstreams.rbf("agilex")[:-1]))
