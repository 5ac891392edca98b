# SPDX-License-Identifier: Apache-2.0
"""Releases of Nova: wheels, sdists and Debian's package, downloaded once."""

from __future__ import annotations

import io
import os
import pathlib
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Container

from build_scripts.lib.errors import CloudError

#: Name of the one release that is not on PyPI: the package python3-nova of that Debian.
DEBIAN = "Debian 12"


class Unavailable(CloudError):
    """A release cannot be had on this machine."""


def fetch(release: str, cache: pathlib.Path) -> pathlib.Path:
    """Return the archive of a release, downloaded if it is not in `cache`.

    :param release: a version on PyPI, or :data:`DEBIAN`
    :raises Unavailable: with the reason
    """
    cache.mkdir(parents=True, exist_ok=True)
    if release == DEBIAN:
        return _fetch_debian(cache)
    kept = [*cache.glob(f"nova-{release}-*.whl"), *cache.glob(f"nova-{release}.tar.gz")]
    if kept:
        return kept[0]
    # It is unpacked and never installed here, so its requirements and its Python do not matter.
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python"]
    return _download([*pip, "--only-binary", ":all:", f"nova=={release}"], cache)


def newest(number: int) -> str | None:
    """Return the newest release on PyPI whose version begins with `number`; None if there is none."""
    pip = [sys.executable, "-m", "pip", "index", "versions", "--ignore-requires-python", "nova"]
    listing = _run(pip).partition("Available versions: ")[2].partition("\n")[0]
    return next((version for version in listing.split(", ") if version.startswith(f"{number}.")), None)


def unpack(archive: pathlib.Path, directory: pathlib.Path, names: Container[str] | None = None) -> pathlib.Path:
    """Unpack a release; return the directory to put on the path.

    :param names: files of the package to unpack, relative to it; None for all
    :raises Unavailable: `archive` is not a release of Nova
    """

    def wanted(name: str) -> bool:
        top, _, rest = name.partition("/")
        if re.fullmatch(r"nova-[^/]*\.(dist|egg)-info", top):
            return True
        return top == "nova" and (names is None or rest in names)

    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name in filter(wanted, wheel.namelist()):
                wheel.extract(name, directory)
        return directory
    if archive.suffix == ".deb":
        prefix, data = "./usr/lib/python3/dist-packages/", _run_binary(["dpkg-deb", "--fsys-tarfile", str(archive)])
    elif archive.name.endswith(".tar.gz"):
        prefix, data = archive.name.removesuffix(".tar.gz") + "/", archive.read_bytes()
    else:
        raise Unavailable(f"{archive} is neither a wheel nor an sdist nor a Debian package")
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            name = member.name.removeprefix(prefix)
            content = tar.extractfile(member) if name != member.name and (wanted(name) or name == "PKG-INFO") else None
            if content is not None:
                path = directory / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())
                path.chmod(member.mode)
                os.utime(path, (member.mtime, member.mtime))
    return directory


def _fetch_debian(cache: pathlib.Path) -> pathlib.Path:
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        system = {}
    name = f"{system.get('ID', '').capitalize()} {system.get('VERSION_ID')}"
    if name != DEBIAN:
        raise Unavailable(f"the package of {DEBIAN} can be had on {DEBIAN} only, and this is {name}")
    # 'http://.../python3-nova_2%3a26.2.2-1~deb12u5_all.deb' python3-nova_2%3a26.2.2-1~deb12u5_all.deb SIZE SHA256:...
    listing = _run(["apt-get", "download", "--print-uris", "python3-nova"]).split()
    kept = [path for path in cache.glob("python3-nova_*.deb") if path.name in listing]
    return kept[0] if kept else _download(["apt-get", "--quiet", "download", "python3-nova"], cache)


def _download(command: list[str], cache: pathlib.Path) -> pathlib.Path:
    """Run a command that downloads one file; move that into the cache when it is whole."""
    with tempfile.TemporaryDirectory(dir=cache) as directory:
        _run(command, directory)
        files = [*pathlib.Path(directory).iterdir()]
        if len(files) != 1:
            raise Unavailable(f"{' '.join(command)} downloaded {len(files)} files")
        return files[0].rename(cache / files[0].name)


def _run(command: list[str], directory: str | None = None) -> str:
    return _run_binary(command, directory).decode()


def _run_binary(command: list[str], directory: str | None = None) -> bytes:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise Unavailable(f"{command[0]} is not installed") from error
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it prints nothing"]
        raise Unavailable(f"{' '.join(command)} failed: {lines[-1]}")
    return done.stdout
