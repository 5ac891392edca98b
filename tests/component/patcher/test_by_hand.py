# SPDX-License-Identifier: Apache-2.0
"""`fpga-nova patch` on a Nova that was patched with patch(1), wholly, in part, or badly."""

from __future__ import annotations

import subprocess

import pytest

from fpga_nova.patcher import series
from tests.component.patcher.conftest import fpga_nova, patch_by_hand, sources

NAMES = [patch.name for patch in series.load().release("34.0.0").patches]


def test_whole_series_by_hand_is_recognised_and_reverted(packages):
    before = sources(packages)
    patch_by_hand(packages)
    status = fpga_nova("status", "--nova", packages)
    assert (status.returncode, "patched by hand, with patch(1)" in status.stdout) == (0, True)
    assert "already applied" in fpga_nova("apply", "--nova", packages).stdout

    revert = fpga_nova("revert", "--nova", packages)
    assert revert.returncode == 0, revert.stderr
    assert "  removed compute/fpga.py\n" in revert.stdout and "as before the patch" in revert.stdout
    assert sources(packages) == before
    assert fpga_nova("status", "--nova", packages).returncode == 3


@pytest.mark.parametrize("without", NAMES)
def test_missing_patch_is_named_and_the_others_are_reverted(packages, without):
    before = sources(packages)
    patch_by_hand(packages, without=without)
    status = fpga_nova("status", "--nova", packages)
    assert (status.returncode, f"and it lacks {without};" in status.stdout) == (4, True), status.stdout
    revert = fpga_nova("revert", "--nova", packages)
    assert (revert.returncode, "as before the patch" in revert.stdout) == (0, True), revert.stderr
    assert sources(packages) == before


def test_apply_completes_what_was_done_by_hand(packages):
    before = sources(packages)
    patch_by_hand(packages, without="instance-2.8")
    assert "the series applies: " in fpga_nova("check", "--nova", packages).stdout
    apply = fpga_nova("apply", "--nova", packages)
    assert apply.returncode == 0, apply.stderr
    assert "VERSION = '2.9'" in (packages / "nova/objects/instance.py").read_text()
    assert fpga_nova("status", "--nova", packages).stdout.endswith(": patched, 16 files\n")
    assert fpga_nova("revert", "--nova", packages).returncode == 0
    assert sources(packages) == before


def test_local_change_beside_the_hunks_stays(packages):
    claims = packages / "nova/compute/claims.py"
    claims.write_text(claims.read_text() + "# a local change\n")
    before = sources(packages)
    patch_by_hand(packages)
    assert fpga_nova("revert", "--nova", packages).returncode == 0
    assert sources(packages) == before


def test_half_a_patch_is_refused_with_the_files_named(packages):
    """A hunk that is in none of the patches' states can be neither taken out nor completed."""
    patch_by_hand(packages)
    claims = packages / "nova/compute/claims.py"
    claims.write_text(claims.read_text().replace(", fpga.test_claim(self)]", "]"))
    before = sources(packages)
    status = fpga_nova("status", "--nova", packages)
    assert (status.returncode, "neither patched nor as released" in status.stdout) == (5, True)
    assert "; lines of the patch are in compute/api.py, compute/claims.py, compute/fpga.py" in status.stdout
    for action in ("apply", "revert"):
        refused = fpga_nova(action, "--nova", packages)
        assert (refused.returncode, refused.stdout) == (1, ""), action
        assert refused.stderr.count("\n") == 1
    assert "compute/claims.py" in refused.stderr and "installing its package again" in refused.stderr
    assert sources(packages) == before


def test_foreign_change_without_ours_has_nothing_to_revert(packages):
    claims = packages / "nova/compute/claims.py"
    claims.write_text(claims.read_text().replace("self._test_pci()]", "self._test_more()]"))
    before = sources(packages)
    status = fpga_nova("status", "--nova", packages)
    assert (status.returncode, "lines of the patch" in status.stdout) == (5, False)
    revert = fpga_nova("revert", "--nova", packages)
    assert (revert.returncode, "not patched" in revert.stdout) == (0, True)
    assert sources(packages) == before


def test_patch_reversed_by_hand_leaves_an_unpatched_nova(packages):
    patch_by_hand(packages)
    patch_by_hand(packages, "-R")
    assert fpga_nova("status", "--nova", packages).returncode == 3
    assert subprocess.run(["find", packages, "-name", "*.rej"], capture_output=True, check=True).stdout == b""
