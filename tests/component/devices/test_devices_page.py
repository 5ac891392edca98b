# SPDX-License-Identifier: Apache-2.0
"""The manual's page on devices, compared with the code; the driver that it shows works as printed."""

from __future__ import annotations

import configparser
import os
import re
import textwrap

import pytest

from fpga_nova import errors, host_config
from tests.support import ROOT, device_benches
from tests.support.archives import manifest_data, write_archive
from tests.support.process_host import Host

PAGE = (ROOT / "docs/devices.rst").read_text()


def blocks(language: str) -> list[str]:
    """Return the code blocks of the page in `language`."""
    found = re.findall(rf"^\.\. code-block:: {language}\n\n((?:   .*\n|\n)+)", PAGE, re.MULTILINE)
    return [textwrap.dedent(block) for block in found]


def test_manual_has_every_driver_and_option():
    for driver in device_benches.ALL:
        assert f"``{driver}``" in PAGE
        if driver not in ("sim", "soft"):
            for option in host_config.driver_classes([driver])[driver].options:
                assert option.name in PAGE


@pytest.mark.parametrize("block", [block for block in blocks("ini") if "shelf" not in block])
def test_examples_of_the_manual_are_read(block, tmp_path):
    path = tmp_path / "fpga.conf"
    path.write_text(f"{block}state_path = {tmp_path}\n")
    conf = host_config.load([str(path)])
    (name,) = conf.fpga.devices
    device = host_config.driver_classes([name])[name](conf.fpga, tmp_path, tmp_path)
    try:
        assert not device.discover()
    except errors.ConfigurationInvalid as error:
        assert "no executable" in str(error)  # the example's tool is not on this machine


class ShelfHost(Host):
    """A host on whose Python path the page's device is installed."""

    def install(self) -> None:
        (code,) = blocks("python")
        assert len(code.strip().splitlines()) <= 45
        site = self.path / "site"
        info = site / "shelf-1.0.dist-info"
        info.mkdir(parents=True)
        (site / "shelf.py").write_text(code)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shelf\nVersion: 1.0\n")
        declared = configparser.ConfigParser()
        declared.read_string(blocks("cfg")[0])
        group, entry = declared["options.entry_points"].popitem()
        (info / "entry_points.txt").write_text(f"[{group}]\n{entry.strip()}\n")

    @property
    def python_path(self) -> str:
        return f"{ROOT}{os.pathsep}{self.path / 'site'}"


def test_driver_of_the_manual_burns_and_erases(tmp_path):
    host = ShelfHost(tmp_path)
    host.install()
    shelf = tmp_path / "srv/shelf"
    shelf.mkdir(parents=True)
    host.configure(devices="shelf", shelf_path=shelf)
    data = manifest_data(board="shelf", vendor="acme")
    data["bitstreams"][0]["region_type"] = "file"
    archive = write_archive(tmp_path / "core.zip", data)
    region = host.cli("burn", "--file", archive).strip()
    assert (shelf / "region0").read_bytes() == b"bits"
    assert host.cli("status") == "Used regions: 1/1\n"
    host.cli("erase", region)
    assert not list(shelf.iterdir())
    assert host.cli("status") == "Used regions: 0/1\n"
    shelf.rmdir()
    assert "not accessible" in host.cli("status", code=127)
