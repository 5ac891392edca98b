# SPDX-License-Identifier: Apache-2.0
"""The test series, on the tests of every release that the patch is for."""

from __future__ import annotations

import re

import pytest
import yaml

from build_scripts import patches
from build_scripts.lib import releases
from build_scripts.nova_tests import environment
from fpga_nova.patcher import series

RELEASES = {number: release.tried[0] for number, release in series.load().releases.items()}
FINGERPRINTS = "tests/unit/objects/test_objects.py"


@pytest.mark.parametrize("version", RELEASES.values())
def test_it_applies(tmp_path, version):
    names = environment.adaptations().files()
    archive = releases.fetch(version, patches.cache_path())
    package = releases.unpack(archive, tmp_path, names) / "nova"
    before = {name: (package / name).read_text() for name in names}
    environment.adapt(package, version)
    for name in names:
        text = (package / name).read_text()
        assert text != before[name]
        compile(text, name, "exec")
    text = (package / FINGERPRINTS).read_text()
    assert dict(re.findall(r"^    '(ComputeNode|Instance)': '([\d.]+)-[0-9a-f]{32}',$", text, re.MULTILINE)) == {
        "ComputeNode": "1.20",
        "Instance": "2.9",
    }
    assert (package / "tests/unit/compute/test_fpga.py").is_file()


def test_every_release_has_its_selection_and_constraints():
    data = yaml.safe_load((environment.DATA / "selections.yaml").read_text())
    assert data["releases"].keys() == RELEASES.keys()
    for number, release in data["releases"].items():
        assert data["selections"][release["select"]]["unit"]
        assert number == max(RELEASES) or (environment.DATA / f"constraints-{number}.txt").is_file()
