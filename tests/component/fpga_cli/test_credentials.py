# SPDX-License-Identifier: Apache-2.0
"""A password for Glance is in fpga-cli's configuration alone, not in its output or arguments."""

from __future__ import annotations

from tests.support.image_server import IMAGE


def test_password_is_neither_shown_nor_in_the_arguments(host):
    host.configure(auth_type="password", auth_url="http://127.0.0.1:1", username="u", password="hunter2")
    process = host.start("--debug", "burn", IMAGE)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 66
    assert "hunter2" not in out + err
    assert "hunter2" not in " ".join(process.args)
