# SPDX-License-Identifier: Apache-2.0
"""The cache of decoded fabrics, with a translator that is a function: what is found again, and what is not served."""

from __future__ import annotations

import os
import pathlib
import pkgutil
import shutil
import stat

import pytest

from fpga_nova import errors
from fpga_nova.softfpga import confinement, decoder
from fpga_nova.softfpga.decoder import fabric_cache
from fpga_nova.softfpga.decoder.boards import BOARDS, Board

PACKAGE = pathlib.Path(decoder.__file__).parent
BOARD = BOARDS["soft-hx1k"]


class Translator(fabric_cache.FabricCache):
    """A cache whose translator starts no process: its fabric is the bitstream, reversed."""

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__(directory, confinement.Account(os.getuid(), os.getgid()))
        self.translated: list[bytes] = []

    def _translate(self, board: Board, bitstream: bytes, build: pathlib.Path) -> bytes:
        if bitstream == b"broken":
            raise errors.ProgrammingFailed("iceunpack: no preamble")
        self.translated.append(bitstream)
        return bitstream[::-1]


@pytest.fixture
def cache(tmp_path: pathlib.Path) -> Translator:
    return Translator(tmp_path / "fabrics")


def test_bitstream_is_translated_once(cache: Translator) -> None:
    first = cache.fabric(BOARD, b"core")
    assert first.path.read_bytes() == b"eroc"
    assert cache.fabric(BOARD, b"core") == first
    assert cache.translated == [b"core"]


def test_boards_and_bitstreams_have_fabrics_of_their_own(cache: Translator) -> None:
    paths = {cache.fabric(board, core).path for board in BOARDS.values() for core in (b"one", b"two")}
    assert len(paths) == 4


def test_changed_fabric_is_translated_again(cache: Translator) -> None:
    cache.fabric(BOARD, b"core").path.write_bytes(b"other")
    assert cache.fabric(BOARD, b"core").path.read_bytes() == b"eroc"
    assert cache.translated == [b"core", b"core"]


@pytest.mark.parametrize("missing", ["fabric.so", "fabric.so.sha256"])
def test_incomplete_entry_is_translated_again(cache: Translator, missing: str) -> None:
    (cache.fabric(BOARD, b"core").path.parent / missing).unlink()
    assert cache.fabric(BOARD, b"core").path.read_bytes() == b"eroc"


def test_failed_translation_leaves_no_entry(cache: Translator) -> None:
    with pytest.raises(errors.ProgrammingFailed, match="no preamble"):
        cache.fabric(BOARD, b"broken")
    assert list(cache.directory.iterdir()) == []


def test_cache_is_private(cache: Translator) -> None:
    cache.fabric(BOARD, b"core")
    assert stat.S_IMODE(cache.directory.stat().st_mode) == 0o700


def test_longest_unused_fabric_is_removed(cache: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fabric_cache, "KEPT", 3)
    fabrics = [cache.fabric(BOARD, bytes([number])) for number in range(3)]
    for age, fabric in enumerate(fabrics):
        os.utime(fabric.path.parent, (1000 + age, 1000 + age))
    cache.fabric(BOARD, bytes([0]))  # used again, so it is the newest
    cache.fabric(BOARD, b"new")
    assert [fabric.path.exists() for fabric in fabrics] == [True, False, True]


def test_remains_of_a_killed_translation_are_removed(cache: Translator) -> None:
    cache.fabric(BOARD, b"core")
    old, new = (cache.directory / f".build-{name}" for name in ("old", "new"))
    for path in (old, new):
        path.mkdir()
    os.utime(old, (1000, 1000))
    cache.fabric(BOARD, b"other")
    assert (old.exists(), new.exists()) == (False, True)


def test_fabric_of_another_translator_is_not_served(cache: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache.fabric(BOARD, b"core")
    monkeypatch.setattr(fabric_cache, "translator_digest", lambda package: "0" * 12)
    assert cache.fabric(BOARD, b"core").path != before.path
    assert cache.translated == [b"core", b"core"]


# the translator's digest


def digest_of(package: pathlib.Path) -> str:
    return fabric_cache.translator_digest.__wrapped__(package)


def files_of_the_translator() -> list[pathlib.Path]:
    """Every module of the decoder, found as Python finds it, and what they read."""
    modules = [PACKAGE / f"{module.name}.py" for module in pkgutil.iter_modules([str(PACKAGE)])]
    return [*modules, PACKAGE / "stream_shell.c", *(board.pin_file for board in BOARDS.values())]


@pytest.mark.parametrize("path", files_of_the_translator(), ids=lambda path: path.name)
def test_digest_changes_with_the_translators_file(tmp_path: pathlib.Path, path: pathlib.Path) -> None:
    package = tmp_path / "decoder"
    shutil.copytree(PACKAGE, package)
    before = digest_of(package)
    with (package / path.relative_to(PACKAGE)).open("ab") as file:
        file.write(b"\n")
    assert digest_of(package) != before


@pytest.mark.parametrize("change", ["rename", "remove", "add"])
def test_digest_changes_with_the_set_of_files(tmp_path: pathlib.Path, change: str) -> None:
    package = tmp_path / "decoder"
    shutil.copytree(PACKAGE, package)
    before = digest_of(package)
    path = package / "c_emitter.py"
    if change == "rename":
        path.rename(package / "c_text.py")
    elif change == "remove":
        path.unlink()
    else:
        (package / "new.py").touch()
    assert digest_of(package) != before


def test_digest_does_not_depend_on_place_and_byte_code(tmp_path: pathlib.Path) -> None:
    package = tmp_path / "elsewhere"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    assert digest_of(package) == fabric_cache.translator_digest(PACKAGE)
