# SPDX-License-Identifier: Apache-2.0
"""Copies of the Nova of this environment to patch; its own files are never touched."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from build_scripts import patches
from fpga_nova.patcher import locate, record, series, tree

ROOT = pathlib.Path(__file__).resolve().parents[3]


def copy_files(source: pathlib.Path, target: pathlib.Path, names: list[str]) -> None:
    for name in names:
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    """A directory like a site-packages with what the series touches of Nova, as released, and compiled files."""
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
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(package)], check=True)
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


def fpga_nova(*arguments: object, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    """Run the command as an operator does, as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [python, "-m", "fpga_nova.fpga_nova_cli", "patch", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
