# SPDX-License-Identifier: Apache-2.0
"""The path that only root can change: each step of it counts, and what its links lead through."""

from __future__ import annotations

import os
import pathlib

import pytest

from fpga_nova import errors
from fpga_nova.system import trusted_paths

ME = {0, os.geteuid()}
OTHERS = "can be changed by others than root"


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "etc" / "file"
    path.parent.mkdir(mode=0o755)
    path.write_bytes(b"content")
    path.chmod(0o644)
    return path


def test_a_file_in_trusted_directories_is_trusted(file: pathlib.Path) -> None:
    assert trusted_paths.changeable(file, ME) is None
    assert trusted_paths.read(file, "option") == b"content"


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_that_group_or_others_may_write_is_not_trusted(file: pathlib.Path, mode: int) -> None:
    file.chmod(mode)
    assert trusted_paths.changeable(file, ME) == f"{file} {OTHERS}"


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_directory_far_above_counts(file: pathlib.Path, mode: int) -> None:
    directory = file.parent.parent
    directory.chmod(mode)
    assert trusted_paths.changeable(file, ME) == f"{directory} {OTHERS}"


def test_a_sticky_directory_above_is_trusted_but_not_as_the_end(file: pathlib.Path) -> None:
    file.parent.chmod(0o1777)
    assert trusted_paths.changeable(file, ME) is None
    assert trusted_paths.changeable(file.parent, ME) == f"{file.parent} {OTHERS}"


def test_an_owner_that_is_not_trusted_is_named(file: pathlib.Path) -> None:
    stranger = os.geteuid() + 1
    reason = trusted_paths.changeable(file, {stranger})
    assert reason is not None and reason.endswith(f"belongs to the user {pathlib.Path('/').stat().st_uid}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_link_in_a_sticky_directory_counts_by_its_owner(file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "link").symlink_to(file)
    assert trusted_paths.changeable(shared / "link") is None
    os.lchown(shared / "link", 65534, 65534)
    assert trusted_paths.changeable(shared / "link") == f"{shared / 'link'} belongs to the user 65534"


def test_every_directory_that_links_lead_through_counts(file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    between = tmp_path / "between"
    between.mkdir()
    (between / "second").symlink_to(pathlib.Path("..", "etc", "file"))
    first = tmp_path / "first"
    first.symlink_to(between / "second")
    assert trusted_paths.changeable(first, ME) is None
    between.chmod(0o757)
    assert trusted_paths.changeable(first, ME) == f"{between} {OTHERS}"
    between.chmod(0o755)
    file.parent.chmod(0o757)
    assert trusted_paths.changeable(first, ME) == f"{file.parent} {OTHERS}"


def test_a_loop_of_links_is_an_os_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        trusted_paths.changeable(tmp_path / "a", ME)


def test_a_missing_file_is_an_os_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError):
        trusted_paths.changeable(tmp_path / "missing", ME)
    (tmp_path / "link").symlink_to("missing")
    with pytest.raises(FileNotFoundError):
        trusted_paths.changeable(tmp_path / "link", ME)


def test_a_relative_path_is_walked_from_the_working_directory(
    file: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    assert trusted_paths.changeable(pathlib.Path("..", "etc", "file"), ME) is None
    file.chmod(0o666)
    assert trusted_paths.changeable(pathlib.Path("file"), ME) == f"{file} {OTHERS}"


def test_read_names_option_and_reason(file: pathlib.Path) -> None:
    file.parent.chmod(0o777)
    with pytest.raises(errors.ConfigurationInvalid) as caught:
        trusted_paths.read(file, "policy_file")
    assert str(caught.value) == f"[fpga] policy_file: {file.parent} {OTHERS}, so {file} is not trusted"


def test_read_refuses_a_relative_path(file: pathlib.Path) -> None:
    with pytest.raises(errors.ConfigurationInvalid, match="file is not an absolute path"):
        trusted_paths.read(pathlib.Path("file"), "policy_file")


def test_read_refuses_a_large_file(file: pathlib.Path) -> None:
    file.write_bytes(bytes(trusted_paths.MAX_SIZE))
    assert trusted_paths.read(file, "policy_file") == bytes(trusted_paths.MAX_SIZE)
    file.write_bytes(bytes(trusted_paths.MAX_SIZE + 1))
    with pytest.raises(errors.ConfigurationInvalid, match="more than 1048576 bytes"):
        trusted_paths.read(file, "policy_file")
