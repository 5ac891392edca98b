# SPDX-License-Identifier: Apache-2.0
"""The page docs/contributor/boot.rst names only what there is."""

from __future__ import annotations

import pkgutil
import re

import pytest

from tests.support import ROOT

# Names of Nova's own.
OTHERS = {"Instance.fpga_device"}
PREFIXES = ("", "fpga_hooks.", "fpga_nova.nova.", "fpga_nova.nova.claims.counts.")


def names():
    text = (ROOT / "docs" / "contributor" / "boot.rst").read_text()
    return sorted(
        {name for name in re.findall(r"``([A-Za-z_]+(?:\.[A-Za-z_]+)+)``", text) if name[-3:] != ".py"} - OTHERS
    )


@pytest.mark.parametrize("name", names())
def test_name_on_the_page_can_be_imported(name):
    for prefix in PREFIXES:
        try:
            pkgutil.resolve_name(prefix + name)
        except (ImportError, AttributeError):
            continue
        return
    pytest.fail(f"boot.rst names {name}, which is not there")
