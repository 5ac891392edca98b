# SPDX-License-Identifier: Apache-2.0
"""The fpga_region driver over a sysfs tree, without its helper."""

from __future__ import annotations

import pytest

from fpga_nova import errors
from tests.support import device_benches, vendor_tools


@pytest.fixture
def bench(tmp_path):
    return device_benches.FpgaRegionBench(tmp_path)


def test_card_is_found_with_its_interface(bench):
    vendor_tools.write(bench.region_path, compat_id=device_benches.INTERFACE.replace("-", ""))
    (card,) = bench.device().discover()
    assert (card.id, card.board) == ("fpga_region:a", "zcu102")
    assert card.slots[0].interface_id == device_benches.INTERFACE


def test_cards_without_a_helper_are_refused(bench):
    values = bench.options()
    del values["fpga_region_helper"]
    bench.host.configure(devices="fpga_region", **values)
    with pytest.raises(errors.ConfigurationInvalid, match="needs fpga_region_helper"):
        bench.device().discover()


@pytest.mark.parametrize("name", ["../../etc", "region", "REGION0", "region0/x"])
def test_region_name_must_have_the_kernels_form(bench, name):
    bench.configure(fpga_region_card=bench.options()["fpga_region_card"].replace("region=region0", f"region={name}"))
    with pytest.raises(errors.ConfigurationInvalid, match="region is a name that the kernel gave"):
        bench.device().discover()


def test_guest_gets_the_configured_node(bench):
    endpoint = bench.device().endpoint(bench.region())
    assert (endpoint.kind, endpoint.address) == ("devnode", "/dev/uio0")


def test_region_without_its_manager_is_not_offered(bench):
    bench.host.path.joinpath("pulled-manager").mkdir()
    manager = bench.sysfs / "class/fpga_manager/fpga0"
    manager.rename(bench.host.path / "pulled-manager/fpga0")
    assert not bench.device().discover()
