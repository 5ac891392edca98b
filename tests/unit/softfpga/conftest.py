# SPDX-License-Identifier: Apache-2.0
"""The tests of the soft FPGA read icestorm's module, whose regular expressions newer Pythons warn of."""

from __future__ import annotations

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.filterwarnings("ignore:invalid escape sequence"))
