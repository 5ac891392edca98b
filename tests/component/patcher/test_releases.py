# SPDX-License-Identifier: Apache-2.0
"""Every release that the series is for, as PyPI and Debian have it, and what is refused."""

from __future__ import annotations

import contextlib
import io
import pathlib
import re
import shutil
import subprocess
import textwrap

import pytest

from build_scripts import patches
from build_scripts.lib import releases
from fpga_nova.patcher import functions, series
from tests.component.patcher.conftest import Done, contents, fpga_nova, patch_by_hand, sources


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """Give the directory with a release, unpacked once, by its name; for looking only."""
    found: dict[str, pathlib.Path] = {}

    def unpack(release: str) -> pathlib.Path:
        if release not in found:
            try:
                found[release] = patches.unpack(release, patches.cache_path(), tmp_path_factory.mktemp("release"))
            except releases.Unavailable as error:
                if release == releases.DEBIAN:
                    pytest.skip(str(error))
                raise
        return found[release]

    return unpack


@pytest.fixture
def a_copy(unpacked, tmp_path):
    return lambda release: pathlib.Path(shutil.copytree(unpacked(release), tmp_path / "site-packages"))


def rename(packages: pathlib.Path, version: str) -> None:
    (info,) = packages.glob("nova-*.dist-info")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: nova\nVersion: {version}\n")


def replace(path: pathlib.Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def tried_out(nova: object) -> Done:
    """Run `make patches NOVA=...` on a directory or an archive, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = patches.main([str(nova)])
    return Done(code, out.getvalue(), err.getvalue())


def test_series_is_for_every_release_from_26_to_34():
    tried = series.load().releases
    assert sorted(tried) == list(range(26, 35))
    assert releases.DEBIAN in tried[26].tried
    assert all(release.tried[0].startswith(f"{number}.") for number, release in tried.items())


def test_hunks_land_in_the_same_functions_of_every_release():
    known = functions.load(patches.FUNCTIONS)
    assert sorted(known) == sorted(patches.tried())
    names = {release: sorted(hashes) for release, hashes in known.items()}
    assert [release for release in names if names[release] != names["34.0.0"]] == []
    assert "compute/claims.py: Claim._claim_test" in names["34.0.0"]


@pytest.mark.parametrize("release", patches.tried())
def test_release_is_patched_and_reverted(a_copy, release):
    packages = a_copy(release)
    before = contents(packages)
    assert patches.verify(packages) == f"{len(series.load().files())} files applied and taken back"
    assert contents(packages) == before


@pytest.mark.parametrize("release", patches.tried())
def test_object_versions_mean_the_same_in_every_release(unpacked, release):
    """2.9 is an Instance with fpga_device everywhere, also where Nova's own is 2.7; see instance-2.7.patch."""
    nova = unpacked(release) / "nova"
    every = series.load()
    after = every.apply_to(
        release if release[0].isdigit() else "26.2.2",
        lambda name: (nova / name).read_bytes() if (nova / name).is_file() else None,
    )
    for path, version in (("objects/instance.py", "2.9"), ("objects/compute_node.py", "1.20")):
        data = after[path]
        assert data is not None
        first = re.search(r"^    VERSION = '(.*)'", data.decode(), re.MULTILINE)
        assert first is not None and first[1] == version


@pytest.mark.parametrize("release", ["27.5.1", "34.0.0"])
def test_line_numbers_fit_the_newest_release(a_copy, release):
    packages = a_copy(release)
    for patch in series.load().release(release).patches:
        done = subprocess.run(
            ["patch", "-Np1", "-i", patch], cwd=packages / "nova", capture_output=True, text=True, check=True
        )
        if release == "34.0.0" or patch.name == "instance-2.7.patch":
            assert "offset" not in done.stdout, "`make patches` has not been run"


def commands_of_readme(version: str) -> str:
    """Return README's commands for patch(1), for this release."""
    text = (patches.PATCHES.parent / "README.rst").read_text()
    found = re.search(r"^( *)for name in database.*?^\1done", text, re.MULTILINE | re.DOTALL)
    assert found is not None, "README has no loop for patch(1)"
    loop = textwrap.dedent(found[0]).replace("/path/to/fpga-nova/patches", str(patches.PATCHES))
    if version.startswith(("26.", "27.")):
        assert "Nova 26 and 27" in text[found.start() - 500 : found.start()]
        loop = loop.replace("instance-2.8", "instance-2.7")
    return loop


@pytest.mark.parametrize("release", ["34.0.0", "27.5.1", "26.3.0"])
def test_loop_of_readme_makes_the_same_files_as_the_command(a_copy, release, tmp_path):
    packages = a_copy(release)
    by_hand = pathlib.Path(shutil.copytree(packages, tmp_path / "by-hand"))
    subprocess.run(["sh", "-ec", commands_of_readme(release)], cwd=by_hand / "nova", check=True, capture_output=True)
    assert fpga_nova("apply", "--nova", packages).returncode == 0
    assert sources(by_hand) == sources(packages)
    assert not [path for path in by_hand.rglob("*") if path.suffix in (".orig", ".rej")]


def test_older_release_patched_by_hand_is_reverted(a_copy):
    packages = a_copy("26.3.0")
    before = sources(packages)
    patch_by_hand(packages, version="26.3.0", without="instance")
    status = fpga_nova("status", "--nova", packages)
    assert (status.returncode, "and it lacks instance-2.7.patch" in status.stdout) == (4, True)
    assert fpga_nova("revert", "--nova", packages).returncode == 0
    assert sources(packages) == before


def test_older_release_with_the_same_functions_is_patched(a_copy):
    packages = a_copy("33.0.1")
    check = fpga_nova("check", "--nova", packages)
    assert (check.returncode, "as in Nova 33.0.2" in check.stdout) == (0, True), check.stderr
    patches.verify(packages)


def test_older_release_with_another_function_is_refused(a_copy):
    packages = a_copy("31.2.0")
    before = contents(packages)
    for action in ("check", "apply"):
        done = fpga_nova(action, "--nova", packages)
        assert done.returncode == 1
        assert done.stderr == (
            "Error: compute/manager.py: ComputeManager._complete_deletion is not what it is in Nova 31.3.1, "
            "which the series was tried on\n"
        )
    assert fpga_nova("status", "--nova", packages).returncode == 3
    assert contents(packages) == before


def test_change_beside_the_functions_is_patched(packages):
    rename(packages, "34.9.9")
    replace(packages / "nova/compute/claims.py", "class NopClaim", "OWN = 1\n\n\nclass NopClaim")
    assert fpga_nova("apply", "--nova", packages).returncode == 0
    assert fpga_nova("status", "--nova", packages).returncode == 0


@pytest.mark.parametrize(
    ("path", "old", "new", "name"),
    [
        # in a function that a hunk changes, far from the hunk
        (
            "compute/claims.py",
            "        # If an individual",
            "        pass\n        # If an individual",
            "Claim._claim_test",
        ),
        # the hunk fits, but in another function
        ("compute/resource_tracker.py", "def _resource_change(", "def _changed(", "ResourceTracker._changed"),
        # a field that another party added to the object
        ("objects/instance.py", "    obj_extra_fields", "    obj_more = ()\n    obj_extra_fields", "Instance"),
        # not changed by a hunk, but called
        ("utils.py", "def get_root_helper():", "def get_root_helper(which=None):", "get_root_helper"),
        ("utils.py", "def get_root_helper():", "def root_helper():", "get_root_helper"),
    ],
)
def test_changed_function_is_refused_by_name(packages, path, old, new, name):
    replace(packages / "nova" / path, old, new)
    before = contents(packages)
    done = fpga_nova("apply", "--nova", packages)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {path}: {name} is not what it is in Nova 34.0.0"), done.stderr
    assert contents(packages) == before


def test_file_that_is_not_python_is_refused(packages):
    claims = packages / "nova/compute/claims.py"
    claims.write_text(claims.read_text() + "def (\n")
    done = fpga_nova("apply", "--nova", packages)
    assert (done.returncode, "claims.py is not Python that this interpreter" in done.stderr) == (1, True), done.stderr


def test_next_release_names_what_to_read(packages):
    rename(packages, "35.0.0")
    replace(
        packages / "nova/compute/claims.py", "        # If an individual", "        pass\n        # If an individual"
    )
    done = tried_out(packages)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nova 35.0.0, with the patches for 34" in done.stdout
    assert "claims.py: Claim._claim_test: not what it is in Nova 34.0.0: read it" in done.stdout
    assert done.stdout.count("\n") == 3


def test_next_release_names_hunks_that_do_not_fit(packages):
    rename(packages, "35.0.0")
    replace(packages / "nova/compute/claims.py", "self._test_pci()]", "self._test_more()]")
    replace(packages / "nova/objects/instance.py", "VERSION = '2.8'", "VERSION = '2.9'")
    done = tried_out(packages)
    assert done.returncode == 1
    assert "instance-2.8.patch: objects/instance.py: Hunk #1 FAILED" in done.stdout
    assert "compute.patch: compute/claims.py: Hunk #2 FAILED" in done.stdout
    other = packages / "nova/compute/resource_tracker.py"
    replace(packages / "nova/compute/claims.py", "self._test_more()]", "self._test_pci()]")
    replace(packages / "nova/objects/instance.py", "VERSION = '2.9'", "VERSION = '2.8'")
    replace(other, "def _resource_change(", "def _changed(")
    done = tried_out(packages)
    assert done.returncode == 1
    assert "ResourceTracker._changed: a hunk lands in it, and not in Nova 34.0.0" in done.stdout


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("from nova.compute import fpga\nfpga.audit(1)\n", None),
        ("from nova.compute import fpga\nfpga.audits(1)\n", "there is no fpga.audits"),
        ("fpga.audit(1)\n", "there is no fpga.audit"),
        ("def (\n", "is not Python once patched"),
    ],
)
def test_call_of_a_missing_seam_is_found(source, complaint):
    if complaint is None:
        patches.check_python("x.py", source.encode())
    else:
        with pytest.raises(patches.SeriesFailed, match=complaint):
            patches.check_python("x.py", source.encode())


def test_only_a_release_of_nova_is_tried(tmp_path):
    (tmp_path / "nova-1.zip").write_bytes(b"")
    assert tried_out(tmp_path / "nova-1.zip").stderr.endswith("neither a wheel nor an sdist nor a Debian package\n")
    assert "no Nova at" in tried_out(tmp_path).stderr
