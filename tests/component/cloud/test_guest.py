# SPDX-License-Identifier: Apache-2.0
"""The guest's input is the same everywhere, and its initramfs holds what it needs."""

from __future__ import annotations

import stat
import subprocess

from build_scripts.cloud.guest import build


def test_the_input_is_64_kib_of_compressible_text():
    data = build.input_file()
    assert len(data) == 64 * 1024
    assert data == build.input_file()
    assert data.decode("ascii").splitlines()[0].startswith("    1  ")


def test_the_archive_is_what_cpio_expects(tmp_path):
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "init").write_text("#!/bin/sh\n")
    (root / "init").chmod(0o755)
    (root / "bin/empty").write_bytes(b"")
    out = tmp_path / "out"
    out.mkdir()
    archive = build._archive(root)
    subprocess.run(["busybox", "cpio", "-i"], input=archive, cwd=out, check=True, capture_output=True)
    assert (out / "init").read_text() == "#!/bin/sh\n"
    assert stat.S_IMODE((out / "init").stat().st_mode) == 0o755
    assert (out / "bin/empty").read_bytes() == b""


def test_the_same_tree_makes_the_same_archive(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "init").write_text("x")
    assert build._archive(tmp_path / "one") == build._archive(tmp_path / "two")


def test_the_guests_program_is_shell():
    subprocess.run(["busybox", "sh", "-n", str(build._HERE / "init")], check=True)
