# SPDX-License-Identifier: Apache-2.0
"""The fast look at the configuration says what oslo.config says, or nothing."""

from __future__ import annotations

import pytest
from oslo_config import cfg

from fpga_nova import errors, paths
from fpga_nova.conf import host_options
from fpga_nova.regions import quick_status


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[fpga]\n",
        "[fpga]\nstate_path = /a/b\n",
        "[fpga]\nstate_path=/a/b",
        "[fpga]\nstate_path: /a/b\n",
        '[fpga]\nstate_path = "/a b"\n',
        "[fpga]\nstate_path = /a\nstate_path = /b\n",
        "[fpga]\n# state_path = /a\nrun_path = /c\n",
        "[DEFAULT]\nstate_path = /a\n[other]\nstate_path = /b\n[fpga]\nrun_path = /c\n",
        "[fpga]\nstate_path = /a\n\n[other]\nstate_path = /b\n",
        "[fpga]\nstate_path = $run_path/a\n",
        "[fpga]\nstate_path = /a\n  /b\n",
        "[fpga]\nstate_path =\n",
        "[ fpga ]\nstate_path = /a\n",
    ],
)
def test_agrees_with_oslo_config(tmp_path, text):
    path = tmp_path / "fpga.conf"
    path.write_text(text)
    found = quick_status.configured_state_path([str(path)])
    if found is None:
        return
    conf = cfg.ConfigOpts()
    conf.register_opts(host_options.HOST_OPTS, "fpga")
    conf(args=[], default_config_files=[str(path)])
    assert found == conf.fpga.state_path


def test_is_fast_where_it_matters(tmp_path):
    path = tmp_path / "fpga.conf"
    path.write_text("[fpga]\nstate_path = /a/b\n")
    assert quick_status.configured_state_path([str(path)]) == "/a/b"
    assert quick_status.configured_state_path([]) == paths.STATE_PATH


def test_missing_file_is_an_error(tmp_path):
    with pytest.raises(errors.ConfigurationInvalid, match="is not there"):
        quick_status.configured_state_path([str(tmp_path / "none")])


def test_binary_file_is_an_error(tmp_path):
    (tmp_path / "fpga.conf").write_bytes(b"\xff\xfe")
    with pytest.raises(errors.ConfigurationInvalid, match="cannot be read"):
        quick_status.configured_state_path([str(tmp_path / "fpga.conf")])
