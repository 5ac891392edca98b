# SPDX-License-Identifier: Apache-2.0
"""Files that are replaced whole: the old one or the new one, its mode, and no part left behind."""

from __future__ import annotations

import os
import pathlib
import stat
import zipfile
from collections.abc import Iterator

import pytest

from fpga_nova.system import files


@pytest.fixture
def umask() -> Iterator[None]:
    old = os.umask(0o027)
    yield
    os.umask(old)


def mode(path: pathlib.Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("durable", [True, False])
def test_the_old_content_stands_until_the_block_ends(tmp_path: pathlib.Path, durable: bool) -> None:
    path = tmp_path / "file.prom"
    path.write_bytes(b"old")
    with files.replacing(path, durable=durable) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
        assert [each.name for each in tmp_path.glob("*.prom")] == ["file.prom"]
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("umask")
def test_the_mode_is_the_one_asked_for_or_the_umask_s(tmp_path: pathlib.Path) -> None:
    for wanted, expected in ((None, 0o640), (0o644, 0o644), (0o600, 0o600), (0o666, 0o666)):
        with files.replacing(tmp_path / "file", wanted) as file:
            file.write(b"new")
        assert mode(tmp_path / "file") == expected


def test_the_mode_holds_before_the_first_byte(tmp_path: pathlib.Path) -> None:
    with files.replacing(tmp_path / "file", 0o600) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_an_exception_leaves_the_old_file_and_no_part(tmp_path: pathlib.Path, failure: BaseException) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(type(failure)), files.replacing(path) as file:
        file.write(b"new")
        raise failure
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_rename_that_fails_leaves_no_part(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "directory"
    path.mkdir()
    with pytest.raises(IsADirectoryError), files.replacing(path) as file:
        file.write(b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_that_does_not_exist_is_an_os_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError), files.replacing(tmp_path / "missing" / "file"):
        pytest.fail("there is no file to write")


def test_zipfile_writes_into_it(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "archive.zip"
    with files.replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("name", "content")
    assert zipfile.ZipFile(path).read("name") == b"content"


def test_durable_syncs_the_content_before_the_name_and_the_name_at_the_end(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    synced = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        synced.append((pathlib.Path(f"/proc/self/fd/{descriptor}").resolve(), path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    with files.replacing(path, durable=False) as file:
        file.write(b"new")
    assert synced == []
    path.unlink()
    with files.replacing(path) as file:
        file.write(b"new")
    (part, before), last = synced
    assert part.parent == tmp_path and part.name.startswith(".file.") and not before
    assert last == (tmp_path, True)
