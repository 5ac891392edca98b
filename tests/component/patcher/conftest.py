# SPDX-License-Identifier: Apache-2.0
"""Copies of the Nova of this environment to patch; its own files are never touched."""

from __future__ import annotations

import compileall
import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import io
import os
import pathlib
import shutil
import subprocess

import pytest

from build_scripts import patches
from fpga_nova.fpga_nova_cli import main
from fpga_nova.patcher import locate, record, series, tree

ROOT = pathlib.Path(__file__).resolve().parents[3]


def copy_files(source: pathlib.Path, target: pathlib.Path, names: list[str]) -> None:
    for name in names:
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name)


@pytest.fixture(scope="session", autouse=True)
def no_fsync():
    """Keep the disk out of it: no test here cuts the power, and a busy disk takes milliseconds for each file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    """A directory like a site-packages with what the series touches of Nova, as released, and some compiled files."""
    spec = importlib.util.find_spec("nova")
    assert spec is not None and spec.origin is not None, "these tests need the package nova"
    source = pathlib.Path(spec.origin).parent
    packages = tmp_path_factory.mktemp("pristine")
    package = packages / "nova"
    copy_files(source, package, sorted(patches.files()))
    version = importlib.metadata.version("nova")
    info = packages / f"nova-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: nova\nVersion: {version}\n")
    if (source / record.DIRECTORY).is_dir():
        # This environment's Nova is patched, as the one of a cloud made here is: the copy is taken back.
        shutil.copytree(source / record.DIRECTORY, package / record.DIRECTORY)
        tree.Tree(locate.find(packages), series.load()).revert(force=True)
    # The largest files are left out, as each apply compiles what was compiled before.
    compileall.compile_dir(package / "scheduler", quiet=1)
    compileall.compile_file(package / "objects" / "instance.py", quiet=1)
    return packages


@pytest.fixture
def packages(pristine, tmp_path):
    """A fresh copy of `pristine`."""
    return pathlib.Path(shutil.copytree(pristine, tmp_path / "site-packages"))


def contents(directory: pathlib.Path) -> dict[str, tuple[bytes, int, int, int, int]]:
    """Return bytes, mode, owner and time of change of each file below `directory`."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            status = path.stat()
            found[str(path.relative_to(directory))] = (
                path.read_bytes(), status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns,
            )  # fmt: skip
    return found


def sources(directory: pathlib.Path) -> dict[str, bytes]:
    """Return the bytes of each file of Python below `directory`, what a record keeps aside."""
    paths = [path for path in directory.rglob("*.py") if record.DIRECTORY not in path.parts]
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths}


def patch_by_hand(packages: pathlib.Path, *options: str, without: str = "", version: str = "34.0.0") -> None:
    """Run patch(1) with each patch of the series.

    :param options: further ones of patch(1); with -R in the reverse order
    :param without: begin of the names of patches to leave out
    """
    names = series.load().release(version).patches
    for patch in reversed(names) if "-R" in options else names:
        if not (without and patch.name.startswith(without)):
            command = ["patch", "-Np1", "--fuzz=0", "--no-backup-if-mismatch", "-s", *options, "-i", str(patch)]
            subprocess.run(command, cwd=packages / "nova", check=True)


@dataclasses.dataclass(frozen=True)
class Done:
    """How the command ended."""

    returncode: int
    stdout: str
    stderr: str


def fpga_nova(*arguments: object) -> Done:
    """Run `fpga-nova patch` with these arguments, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main.main(["patch", *map(str, arguments)])
    return Done(code, out.getvalue(), err.getvalue())
