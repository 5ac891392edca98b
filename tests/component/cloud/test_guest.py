# SPDX-License-Identifier: Apache-2.0
"""The guest, by busybox: its initramfs is unpacked, its program is read."""

from __future__ import annotations

import stat
import subprocess

from build_scripts.cloud.guest import build


def test_initramfs_is_read_by_cpio(tmp_path):
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


def test_program_of_the_guest_is_shell():
    subprocess.run(["busybox", "sh", "-n", str(build._HERE / "init")], check=True)
