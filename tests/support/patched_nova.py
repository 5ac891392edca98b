# SPDX-License-Identifier: Apache-2.0
"""Makes a patched copy of this environment's Nova; the environment's own is never touched."""

from __future__ import annotations

import atexit
import functools
import importlib.metadata
import importlib.util
import os
import pathlib
import shutil
import sys
import tempfile

from fpga_nova.patcher import locate, record, series, tree


def make(directory: pathlib.Path, with_tests: bool = False) -> pathlib.Path:
    """Copy Nova into `directory`, patch it, and return the directory to put on the path.

    :param with_tests: with nova.tests, which Nova ships for those who test against it
    """
    spec = importlib.util.find_spec("nova")
    assert spec is not None and spec.origin is not None, "these tests need the package nova"
    without = ["__pycache__", "locale"] if with_tests else ["__pycache__", "locale", "tests"]
    ignore = shutil.ignore_patterns(*without)

    def outside_of_record(path: str, names: list[str]) -> set[str]:
        return set() if record.DIRECTORY in pathlib.Path(path).parts else ignore(path, names)

    shutil.copytree(pathlib.Path(spec.origin).parent, directory / "nova", ignore=outside_of_record)
    version = importlib.metadata.version("nova")
    info = directory / f"nova-{version}.dist-info"
    info.mkdir()
    for file in importlib.metadata.files("nova") or []:
        if file.parent.name == info.name and file.name in ("METADATA", "entry_points.txt"):
            shutil.copy(str(file.locate()), info / file.name)
    nova = tree.Tree(locate.find(directory), series.load())
    if (directory / "nova" / record.DIRECTORY).exists():
        nova.revert(force=True)  # this environment's Nova is patched, perhaps by an older series
    nova.apply()
    return directory


@functools.cache
def first_on_path() -> pathlib.Path:
    """Put a patched copy of Nova first on this process's path and register its objects; return its directory.

    Called by the conftest of each directory whose tests import Nova, before they do.
    """
    # Nova decides at its first import; the product must be right under both, and newest Novas run on native threads.
    os.environ.setdefault("OS_NOVA_DISABLE_EVENTLET_PATCHING", "true")
    assert "nova" not in sys.modules, "Nova is imported already: it must be the patched one"
    directory = pathlib.Path(tempfile.mkdtemp(prefix="fpga-nova-patched-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    sys.path.insert(0, str(make(directory)))
    from nova import objects

    objects.register_all()
    return directory
