# SPDX-License-Identifier: Apache-2.0
"""The guest's input and initramfs are the same at each build."""

from __future__ import annotations

from build_scripts.cloud.guest import build


def test_input_is_64_kib_of_compressible_text():
    data = build.input_file()
    assert len(data) == 64 * 1024
    assert data == build.input_file()
    assert data.decode("ascii").splitlines()[0].startswith("    1  ")


def test_same_tree_makes_the_same_archive(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "init").write_text("x")
    assert build._archive(tmp_path / "one") == build._archive(tmp_path / "two")
