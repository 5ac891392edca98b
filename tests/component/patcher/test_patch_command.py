# SPDX-License-Identifier: Apache-2.0
"""`fpga-nova patch` on copies of the real Nova."""

from __future__ import annotations

import compileall
import os
import pathlib
import pwd
import py_compile
import shutil
import subprocess
import sys
import tempfile

import pytest

from fpga_nova.patcher import locate, record, series, tree
from tests.component.patcher.conftest import ROOT, contents, fpga_nova, patch_by_hand

ADDED = ["compute/fpga.py", "compute/hooks.py", "scheduler/filters/fpga_filter.py"]


def test_apply_and_revert(packages):
    before = contents(packages)
    assert fpga_nova("status", "--nova", packages).returncode == 3
    check = fpga_nova("check", "--nova", packages)
    assert (check.returncode, contents(packages)) == (0, before)

    done = fpga_nova("apply", "--nova", packages)
    assert done.returncode == 0, done.stderr
    assert "changed compute/claims.py" in done.stdout
    assert all(f"added {name}" in done.stdout for name in ADDED)
    assert fpga_nova("status", "--nova", packages).returncode == 0

    after = contents(packages)
    again = fpga_nova("apply", "--nova", packages)
    assert (again.returncode, contents(packages)) == (0, after)
    assert "already applied" in again.stdout

    reverted = fpga_nova("revert", "--nova", packages)
    assert reverted.returncode == 0, reverted.stderr
    assert contents(packages) == before
    assert fpga_nova("revert", "--nova", packages).returncode == 0


def test_apply_replaces_older_series(packages, tmp_path):
    """Nova was patched by a fpga-nova whose patches were others: status says so, apply replaces them."""
    before = contents(packages)
    older = pathlib.Path(shutil.copytree(ROOT / "patches", tmp_path / "patches"))
    text = (older / "compute.patch").read_text()
    assert "added by its patch" in text
    (older / "compute.patch").write_text(text.replace("added by its patch", "added"))
    tree.Tree(locate.find(packages), series.load(older)).apply()
    status = fpga_nova("status", "--nova", packages)
    assert (status.returncode, "another version of fpga-nova" in status.stdout) == (6, True)
    assert fpga_nova("check", "--nova", packages).returncode == 0

    done = fpga_nova("apply", "--nova", packages)
    assert (done.returncode, "patched" in done.stdout) == (0, True), done.stderr
    assert b"added by its patch" in (packages / "nova/compute/fpga.py").read_bytes()
    assert fpga_nova("status", "--nova", packages).returncode == 0
    fpga_nova("revert", "--nova", packages)
    assert contents(packages) == before


def test_same_bytes_as_patch_by_hand(packages, tmp_path):
    by_hand = pathlib.Path(shutil.copytree(packages, tmp_path / "by-hand"))
    patch_by_hand(by_hand)
    fpga_nova("apply", "--nova", packages)
    for name in series.load().files():
        assert (packages / "nova" / name).read_bytes() == (by_hand / "nova" / name).read_bytes(), name


def test_compiled_files_never_hide_the_patch(packages):
    """Unchecked hash-based compiled files, as images and distributions have them, are not compared to the source."""
    package = packages / "nova"
    compileall.compile_dir(
        package / "scheduler", quiet=1, force=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    before = contents(packages)
    fpga_nova("apply", "--nova", packages)
    name = f"scheduler/__pycache__/utils.{sys.implementation.cache_tag}.pyc"
    compiled = (package / name).read_bytes()
    assert compiled != before[f"nova/{name}"][0]
    assert compiled[4:8] == bytes(4), "checked against its source again"
    fpga_nova("revert", "--nova", packages)
    assert contents(packages) == before


def test_revert_where_compiled_files_were_removed(packages):
    fpga_nova("apply", "--nova", packages)
    for directory in [*packages.rglob("__pycache__")]:
        shutil.rmtree(directory)
    done = fpga_nova("revert", "--nova", packages)
    assert (done.returncode, done.stderr) == (0, "")
    assert fpga_nova("apply", "--nova", packages).returncode == 0


def test_unsupported_release_is_refused(packages):
    (info,) = packages.glob("nova-*.dist-info")
    info.rename(packages / "nova-25.1.0.dist-info")
    (packages / "nova-25.1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: nova\nVersion: 25.1.0\n")
    before = contents(packages)
    for action in ("check", "apply", "status", "revert"):
        result = fpga_nova(action, "--nova", packages)
        assert (result.returncode, result.stdout) == (1, ""), action
        assert result.stderr.startswith("Error: Nova 25.1.0 is not supported; this series is for 26.3.0, Debian 12, 27")
        assert result.stderr.endswith(", 34.0.0\n") and result.stderr.count("\n") == 1
    assert contents(packages) == before


def test_hunk_that_does_not_fit_is_refused(packages):
    claims = packages / "nova" / "compute" / "claims.py"
    claims.write_text(claims.read_text().replace("self._test_pci()]", "self._test_more()]"))
    before = contents(packages)
    for action in ("check", "apply"):
        result = fpga_nova(action, "--nova", packages)
        assert result.returncode == 1
        assert "compute.patch does not apply: compute/claims.py" in result.stderr
        assert result.stderr.count("\n") == 1
    assert fpga_nova("status", "--nova", packages).returncode == 5
    assert contents(packages) == before


@pytest.mark.parametrize("name", ["compute/claims.py", "compute/hooks.py"])
def test_revert_of_changed_file_needs_force(packages, name):
    before = contents(packages)
    fpga_nova("apply", "--nova", packages)
    path = packages / "nova" / name
    path.write_text(path.read_text() + "# a local change\n")
    after = contents(packages)
    assert fpga_nova("status", "--nova", packages).returncode == 5
    for action in ("revert", "apply"):
        result = fpga_nova(action, "--nova", packages)
        assert (result.returncode, name in result.stderr) == (1, True), result.stderr
    assert contents(packages) == after
    assert fpga_nova("revert", "--force", "--nova", packages).returncode == 0
    assert contents(packages) == before


@pytest.mark.parametrize("version", ["34.0.0", "35.0.0"])
def test_status_tells_that_package_was_replaced(packages, pristine, version):
    """As pip and dpkg do it: their files are replaced, and what the series added stays."""
    fpga_nova("apply", "--nova", packages)
    for path in (pristine / "nova").rglob("*.py"):
        shutil.copy(path, packages / "nova" / path.relative_to(pristine / "nova"))
    claims = packages / "nova" / "compute" / "claims.py"
    if version != "34.0.0":
        claims.write_text("# another release\n" + claims.read_text())
        (info,) = packages.glob("nova-*.dist-info")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: nova\nVersion: {version}\n")
    replaced = claims.read_bytes()
    status = fpga_nova("status", "--nova", packages)
    assert (status.returncode, "replaced since" in status.stdout) == (5, True)
    if version == "34.0.0":
        assert fpga_nova("apply", "--nova", packages).returncode == 0
        assert fpga_nova("status", "--nova", packages).returncode == 0
    else:
        assert "35.0.0 is not supported" in fpga_nova("apply", "--nova", packages).stderr
    assert fpga_nova("revert", "--nova", packages).returncode == 0
    assert claims.read_bytes() == replaced
    assert not [name for name in ADDED if (packages / "nova" / name).exists()]
    assert not (packages / "nova" / record.DIRECTORY).exists()


def test_mode_and_owner_are_kept(packages):
    target = packages / "nova" / "compute" / "claims.py"
    target.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(target, 12345, 12345)
    before = target.stat()
    fpga_nova("apply", "--nova", packages)
    after = target.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_path_may_be_package_or_its_parent(packages):
    for path in (packages, packages / "nova"):
        assert fpga_nova("status", "--nova", path).returncode == 3
    (info,) = packages.glob("nova-*.dist-info")
    (packages / "PKG-INFO").write_text((info / "METADATA").read_text())
    shutil.rmtree(info)
    assert fpga_nova("status", "--nova", packages).returncode == 3
    (packages / "PKG-INFO").unlink()
    assert "is unknown: " in fpga_nova("status", "--nova", packages).stderr
    assert "there is no Nova at" in fpga_nova("status", "--nova", packages.parent).stderr


def test_nova_of_interpreter_is_found_without_importing_it(packages):
    (packages / "nova" / "__init__.py").write_text("raise SystemExit('imported')\n")
    environment = {**os.environ, "PYTHONPATH": f"{packages}{os.pathsep}{ROOT}"}
    result = subprocess.run(
        [sys.executable, "-m", "fpga_nova.fpga_nova_cli", "patch", "status"],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert result.returncode == 3, result.stderr
    assert f"Nova 34.0.0 at {packages / 'nova'}" in result.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_unwritable_directory_is_named(packages):
    user = pwd.getpwnam("nobody")
    # The clone itself, and pytest's own directory, may be where only their owner can go.
    with tempfile.TemporaryDirectory() as directory:
        open_to_all = pathlib.Path(directory)
        open_to_all.chmod(0o755)
        for part in ("fpga_nova", "patches"):
            shutil.copytree(ROOT / part, open_to_all / "source" / part, ignore=shutil.ignore_patterns("__pycache__"))
        copy = open_to_all / "site-packages"
        shutil.copytree(packages, copy)
        copy.chmod(0o755)
        before = contents(copy)
        result = subprocess.run(
            [sys.executable, "-m", "fpga_nova.fpga_nova_cli", "patch", "apply", "--nova", str(copy)],
            env={**os.environ, "PYTHONPATH": str(open_to_all / "source"), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True, text=True, cwd="/", check=False, user=user.pw_uid, group=user.pw_gid, extra_groups=[],
        )  # fmt: skip
        assert result.returncode == 1
        assert result.stderr.startswith(f"Error: {copy / 'nova'}")
        assert "is not writable; run this as root" in result.stderr
        assert contents(copy) == before


def test_without_patch_program_apply_names_its_package(packages, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    result = fpga_nova("apply", "--nova", packages)
    assert (result.returncode, "apt-get install patch" in result.stderr) == (1, True)
