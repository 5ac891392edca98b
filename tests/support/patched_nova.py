# SPDX-License-Identifier: Apache-2.0
"""A patched Nova for tests, made of this environment's, which is never touched.

`import_patched` patches what this process imports, in memory: no copy, no process. `make` writes a patched copy, for
tests that start Nova's own processes; it is applied by the product's own patcher.
"""

from __future__ import annotations

import atexit
import functools
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import pathlib
import re
import shutil
import sys
import tempfile
import types

from fpga_nova.patcher import locate, record, series, tree

_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? ")


def package() -> pathlib.Path:
    """Return the package directory of this environment's Nova."""
    spec = importlib.util.find_spec("nova")
    assert spec is not None and spec.origin is not None, "these tests need the package nova"
    return pathlib.Path(spec.origin).parent


def make(directory: pathlib.Path, with_tests: bool = False) -> pathlib.Path:
    """Copy Nova into `directory`, patch it, and return the directory to put on the path.

    :param with_tests: with nova.tests, which Nova ships for out-of-tree tests
    """
    without = ["locale"] if with_tests else ["locale", "tests"]  # compiled files save each process seconds
    ignore = shutil.ignore_patterns(*without)

    def outside_of_record(path: str, names: list[str]) -> set[str]:
        return set() if record.DIRECTORY in pathlib.Path(path).parts else ignore(path, names)

    shutil.copytree(package(), directory / "nova", ignore=outside_of_record)
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
def first_on_path(with_tests: bool = False) -> pathlib.Path:
    """Put a patched copy of Nova first on this process's path and register its objects; return its directory.

    Called by the conftest of each directory whose tests need that Nova in files, before they import it.

    :param with_tests: as of :func:`make`
    """
    directory = pathlib.Path(tempfile.mkdtemp(prefix="fpga-nova-patched-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    make(directory, with_tests)
    _prepare()
    sys.path.insert(0, str(directory))
    if with_tests:
        # Before the rest of Nova: it forbids eventlet under native threads, where nothing has imported that yet.
        importlib.import_module("nova.tests.functional")
    _register_objects()
    return directory


@functools.cache
def import_patched() -> None:
    """Have this process import a patched Nova, and register its objects.

    Called by the conftest of each directory whose tests import Nova, before they do.
    """
    _prepare()
    sys.meta_path.insert(0, _Finder(package(), patched_files()))
    _register_objects()


def _prepare() -> None:
    # Nova decides at its first import; the product must be right under both, and newest Novas run on native threads.
    os.environ.setdefault("OS_NOVA_DISABLE_EVENTLET_PATCHING", "true")
    assert "nova" not in sys.modules, (
        "Nova is imported already, and not this patched one; run tests/unit, tests/component and tests/functional in "
        "processes of their own, as `make` does"
    )


def _register_objects() -> None:
    from nova import objects

    objects.register_all()


def patched_files() -> dict[str, bytes]:
    """Return the files that the series changes or adds, patched, by their paths in the package.

    This reads hunks as patch(1) does without fuzz; test_patched_tree.py compares the two.
    """
    of_record = record.load(package())
    before = {} if of_record is None else {file.path: file.before is not None for file in of_record.files}
    texts: dict[str, list[str]] = {}
    for patch in series.load().release(importlib.metadata.version("nova")).patches:
        for part in re.split(r"^--- ", patch.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            header, *hunks = re.split(r"^(?=@@ )", part, flags=re.MULTILINE)
            name = header.splitlines()[1].partition("+++ b/")[2]
            if name not in texts:
                texts[name] = [] if header.startswith("/dev/null") else _released(name, before).splitlines()
            for hunk in hunks:
                _apply(hunk, texts[name], f"{patch.name}: {name}")
    return {name: "\n".join([*lines, ""]).encode() for name, lines in texts.items()}


def _released(name: str, in_record: dict[str, bool]) -> str:
    """Return a file as Nova released it, also where this environment's Nova is patched."""
    if in_record.get(name):
        return record.kept(package(), "before", name).decode()
    return (package() / name).read_text(encoding="utf-8")


def _apply(hunk: str, lines: list[str], where: str) -> None:
    header, *body = hunk.splitlines()
    match = _HUNK.match(header)
    assert match is not None, f"{where}: {header}"
    old = [line[1:] for line in body if line[:1] != "+"]
    new = [line[1:] for line in body if line[:1] != "-"]
    places = [at for at in range(len(lines) - len(old) + 1) if lines[at : at + len(old)] == old]
    assert places, f"{where}: {header} does not apply"
    at = min(places, key=lambda place: abs(place + 1 - int(match[1])))
    lines[at : at + len(old)] = new


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of Nova that the series changes or adds; all others are left to Python's own finders."""

    def __init__(self, directory: pathlib.Path, files: dict[str, bytes]) -> None:
        self.directory = directory
        self.names = {f"nova.{name[: -len('.py')].replace('/', '.')}": name for name in files}
        self.files = files

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> object:
        if fullname not in self.names:
            return None
        name = self.names[fullname]
        file = str(self.directory / name)
        loader = _Loader(fullname, file, self.files[name])
        return importlib.util.spec_from_file_location(fullname, file, loader=loader)


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, path: str, source: bytes) -> None:
        super().__init__(fullname, path)
        self.source = source

    def get_data(self, path: str) -> bytes:
        return self.source

    def get_code(self, fullname: str) -> types.CodeType:
        return compile(self.source, self.path, "exec", dont_inherit=True)
