# SPDX-License-Identifier: Apache-2.0
"""Finds a Nova and its version without importing it.

An import runs its code, and eventlet's monkey patching with it.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import pathlib

from fpga_nova import errors


@dataclasses.dataclass(frozen=True)
class Nova:
    """A Nova on this machine.

    :param package: its package directory, the one with compute/manager.py
    :param version: its release, from the metadata beside it
    """

    package: pathlib.Path
    version: str


def find(path: pathlib.Path | None) -> Nova:
    """Return the Nova at `path`, or with None the one that this interpreter would import.

    :param path: the package directory itself, or what contains it: a site-packages, a source checkout
    :raises fpga_nova.errors.ConfigurationInvalid: there is none, or its version is unknown
    """
    package = _imported() if path is None else _at(path)
    return Nova(package, _version(package))


def is_package(directory: pathlib.Path) -> bool:
    """Return whether `directory` is Nova's package; other directories are called nova, too."""
    return all((directory / name).is_file() for name in ("__init__.py", "compute/manager.py", "objects/instance.py"))


def present(path: pathlib.Path) -> bool:
    """Return whether there is a Nova at `path`, as :func:`find` takes it."""
    return any(is_package(candidate) for candidate in (path, path / "nova"))


def _imported() -> pathlib.Path:
    spec = importlib.util.find_spec("nova")
    if spec is None or spec.origin is None:
        raise errors.ConfigurationInvalid(
            "this interpreter has no Nova; run fpga-nova with Nova's own interpreter, or name Nova with --nova PATH "
            "(drop-columns has no such option)"
        )
    return _at(pathlib.Path(spec.origin).parent)


def _at(path: pathlib.Path) -> pathlib.Path:
    for candidate in (path, path / "nova"):
        if is_package(candidate):
            return candidate.resolve()
    raise errors.ConfigurationInvalid(f"there is no Nova at {path}: neither its package nor a directory with it")


def _version(package: pathlib.Path) -> str:
    """Return the version from the metadata beside `package`: a dist-info or egg-info, or an sdist's PKG-INFO."""
    found = {
        distribution.version
        for distribution in importlib.metadata.distributions(name="nova", path=[str(package.parent)])
        if distribution.version
    }
    sdist = package.parent / "PKG-INFO"
    if not found and sdist.is_file():
        for line in sdist.read_text(encoding="utf-8").splitlines():
            if line.startswith("Version: "):
                found.add(line.partition(": ")[2].strip())
                break
    if len(found) != 1:
        what = "several versions are" if found else "no metadata (nova-*.dist-info, nova*.egg-info or PKG-INFO) is"
        raise errors.ConfigurationInvalid(
            f"the release of the Nova at {package} is unknown: {what} beside it{_listing(found)}"
        )
    return found.pop()


def _listing(versions: set[str]) -> str:
    return f" ({', '.join(sorted(versions))})" if versions else ""
