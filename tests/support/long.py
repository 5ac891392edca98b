# SPDX-License-Identifier: Apache-2.0
"""Long tests: `make test-long` sets FPGA_NOVA_LONG=1, which runs the whole of what is else a seeded short part."""

from __future__ import annotations

import os

import pytest

LONG = os.environ.get("FPGA_NOVA_LONG") == "1"

long_test = pytest.mark.skipif(not LONG, reason="a long test: FPGA_NOVA_LONG=1 runs it")
