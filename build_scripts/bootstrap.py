# SPDX-License-Identifier: Apache-2.0
"""Installs what the cloud and the tests need: Debian packages, users, the virtual environment.

Runs on the system's Python with the standard library alone: ``python3 -m build_scripts.bootstrap [--with-tests]``.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import hashlib
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence

from build_scripts.lib import paths
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State, digest

_HERE = pathlib.Path(__file__).parent

#: Debian packages that the virtual environment is made with.
BUILD_PACKAGES = ("gcc", "libc6-dev", "libvirt-dev", "pkg-config", "python3-dev", "python3-venv")

#: Debian packages that the cloud runs on.
RUN_PACKAGES = (
    "busybox-static",
    "fpga-icestorm",
    "liblzo2-2",
    "libvirt-clients",
    "libvirt-daemon",
    "libvirt-daemon-driver-qemu",
    "libvirt-daemon-system",
    "mariadb-server",
    "patch",
    "procps",
    "qemu-system-x86",
    "qemu-utils",
    "rabbitmq-server",
    "sudo",
    "tcc",
)

#: Debian packages that the tests, the benchmarks and the manuals need.
TEST_PACKAGES = ("curl", "graphviz", "iverilog", "nextpnr-ice40", "openfpgaloader", "unzip", "yosys")

#: System users that the services run as.
USERS = ("keystone", "glance", "placement", "neutron", "nova")

#: The parts of the tree that make up the installed fpga-nova.
PRODUCT = (
    *("fpga_nova", "fpga_hooks", "patches", "bin", "etc", "share"),
    *("setup.py", "pyproject.toml", "README.rst", "LICENSE"),
)

_POLICY = pathlib.Path("/usr/sbin/policy-rc.d")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="bootstrap", description=__doc__)
    parser.add_argument("--with-tests", action="store_true", help="also install what the tests need")
    arguments = parser.parse_args(argv)
    try:
        if os.geteuid() != 0:
            raise CloudError("only root can build a cloud here")
        state = State(paths.state_path())
        with state.lock():
            bootstrap(state, arguments.with_tests)
    except CloudError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def bootstrap(state: State, with_tests: bool) -> None:
    """Install whatever is missing.

    :raises CloudError: something could not be installed
    """
    install_packages(state, BUILD_PACKAGES)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        # The rest of Debian's packages come while pip is busy with Python's.
        packages = pool.submit(install_packages, state, (*RUN_PACKAGES, *(TEST_PACKAGES if with_tests else ())))
        python = pool.submit(make_venv, state, with_tests)
        python.result()
        packages.result()
    make_users(state)
    install_product(state)


def install_packages(state: State, names: Sequence[str]) -> None:
    """Install Debian packages that are not installed, without letting their services start by themselves."""
    missing = [name for name in names if not _installed(name)]
    if not missing:
        return
    with state.timed(f"{len(missing)} Debian packages"), _no_service_starts():
        print(f"installing Debian packages: {' '.join(missing)}")
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        apt = ["apt-get", "--quiet", "--option", "DPkg::Lock::Timeout=600"]
        run([*apt, "update"], state.log("apt"), env)
        run([*apt, "install", "--yes", "--no-install-recommends", *missing], state.log("apt"), env)


def make_users(state: State) -> None:
    """Make the system users that the services run as, where they are missing."""
    known = {user.pw_name for user in pwd.getpwall()}
    for name in USERS:
        if name not in known:
            home = f"/var/lib/{name}"
            argv = ["useradd", "--system", "--user-group", "--home-dir", home, "--shell", "/usr/sbin/nologin", name]
            run(argv, state.log("users"))


def make_venv(state: State, with_tests: bool) -> None:
    """Install what requirements.txt names, as pinned by constraints.txt, into the virtual environment."""
    venv = state.path / "venv"
    wanted = ["requirements.txt", *(["requirements-test.txt"] if with_tests else [])]
    constraints = _HERE / "constraints.txt"
    for name in wanted:
        requirements = _HERE / name
        inputs = digest(sys.version, requirements.read_text(), constraints.read_text())
        mark = "venv" if name == "requirements.txt" else "venv-tests"
        if state.done(mark, inputs) and (venv / "bin/python").exists():
            continue
        with state.timed(f"Python packages of {name}"):
            log = state.log("pip")
            if not state.digest_of("venv"):
                shutil.rmtree(venv, ignore_errors=True)  # what an interrupted first run left
                run([sys.executable, "-m", "venv", str(venv)], log)
                _pip(state, ["install", "--constraint", str(constraints), "setuptools", "wheel"])
            print(f"installing Python packages of {name} into {venv}")
            _pip(state, ["install", "--requirement", str(requirements), "--constraint", str(constraints)])
        state.mark_done(mark, inputs)


def install_product(state: State) -> None:
    """Install fpga-nova from this tree into the virtual environment, unless it is this tree already."""
    files = _product_files()
    inputs = digest(*(f"{path.relative_to(paths.CLONE)} {_sha256(path)}" for path in files))
    if state.done("fpga-nova", inputs):
        return
    with state.timed("fpga-nova"):
        print("installing fpga-nova from this tree")
        _install_copy(state, files, [])
    state.mark_done("fpga-nova", inputs)


def install_into(state: State, directory: pathlib.Path) -> None:
    """Install fpga-nova, without its requirements, into a directory that can be put on a path.

    :raises CloudError: it could not be installed
    """
    _install_copy(state, _product_files(), ["--target", str(directory)])


def _product_files() -> list[pathlib.Path]:
    return sorted(path for part in PRODUCT for path in _files(paths.CLONE / part))


def _install_copy(state: State, files: Sequence[pathlib.Path], options: Sequence[str]) -> None:
    """Install a copy: setuptools leaves files in the tree that it builds, and installs old ones from there."""
    with tempfile.TemporaryDirectory() as scratch:
        for path in files:
            copy = pathlib.Path(scratch) / path.relative_to(paths.CLONE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        _pip(state, ["install", "--no-deps", "--no-build-isolation", "--force-reinstall", *options, scratch])


def run(argv: Sequence[str], log: pathlib.Path, env: Mapping[str, str] | None = None) -> None:
    """Run a command with its output in `log`; print its last line every 15 seconds.

    :raises CloudError: it failed
    """
    clock = time.monotonic()
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=env, cwd="/"
        )
        while True:
            try:
                code = child.wait(timeout=15)
                break
            except subprocess.TimeoutExpired:
                print(f"  {time.monotonic() - clock:4.0f} s  {_last_line(log)}", flush=True)
    if code:
        raise CloudError(f"{' '.join(argv[:3])} ... failed ({code}); see {log}")


def _pip(state: State, arguments: Sequence[str]) -> None:
    python = str(state.path / "venv/bin/python")
    run([python, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments], state.log("pip"))


def _installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"


@contextlib.contextmanager
def _no_service_starts() -> Iterator[None]:
    """Keep packages from starting their services, unless the machine has a policy: policy-rc.d's exit code 101."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _last_line(log: pathlib.Path) -> str:
    """Return the beginning of the last line that shows progress."""
    with log.open("rb") as text:
        text.seek(max(0, log.stat().st_size - 16384))
        lines = text.read().decode(errors="replace").splitlines()
    shown = [line.strip() for line in lines if line.strip() and "WARNING" not in line]
    return shown[-1][:80] if shown else ""


def _files(path: pathlib.Path) -> list[pathlib.Path]:
    if path.is_dir():
        return [one for one in path.rglob("*") if one.is_file() and "__pycache__" not in one.parts]
    return [path]


def _sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
