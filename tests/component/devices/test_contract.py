# SPDX-License-Identifier: Apache-2.0
"""The contract of every driver, on each kind of card that takes processes: real tools, and stand-ins."""

from __future__ import annotations

import re

import pytest

from tests.support import device_benches, in_process
from tests.support.driver_contract import DriverContract


@pytest.fixture(params=sorted(device_benches.ALL))
def any_bench(request, tmp_path):
    made = device_benches.ALL[request.param](tmp_path)
    yield made
    made.clean_up()


class TestDrivers(DriverContract):
    @pytest.fixture(params=sorted(set(device_benches.ALL) - {"sim"}))
    def bench(self, request, tmp_path):
        made = device_benches.ALL[request.param](tmp_path)
        yield made
        made.clean_up()


def test_burn_and_erase_by_fpga_cli(any_bench):
    bench, cli = any_bench, in_process.FpgaCli(any_bench.host.config_file)
    archive = bench.archive()
    assert re.fullmatch(r"Used regions: 0/[12]\n", cli("status"))
    region = cli("burn", "--file", archive).strip()
    assert cli("status").startswith("Used regions: 1/")
    cli("erase", region)
    assert cli("status").startswith("Used regions: 0/")
    bench.pull()
    cli("status", code=0 if bench.driver in ("command", "openfpgaloader") else 127)
