# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the soft FPGA's tests: a cache of decoded fabrics, a driver with two cards, its regions."""

from __future__ import annotations

import hashlib
import pathlib
import tempfile
import uuid
from collections.abc import Iterator

import pytest
from oslo_config import cfg

from fpga_nova import model
from fpga_nova.conf import GROUP, host_options
from fpga_nova.devices import soft

ACCELERATORS = pathlib.Path(__file__).resolve().parents[3] / "accelerators"


def make_device(state_path: pathlib.Path, run_path: pathlib.Path, **values: object) -> soft.SoftDevice:
    """A driver with its options set as an operator's file would."""
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[])
    conf.register_opts(host_options.HOST_OPTS, group=GROUP)
    conf.register_opts(soft.SoftDevice.options, group=GROUP)
    values.setdefault("soft_cards", ["card0:soft-hx1k:2", "card1:soft-hx8k:1"])
    for name, value in values.items():
        conf.set_override(name, value, group=GROUP)
    return soft.SoftDevice(conf.fpga, state_path, run_path)


def as_bitstream(path: pathlib.Path) -> model.Bitstream:
    content = path.read_bytes()
    return model.Bitstream(hashlib.sha256(content).hexdigest(), len(content), path)


def regions_of(device: soft.SoftDevice) -> list[model.Region]:
    return [
        model.Region(
            str(uuid.uuid5(uuid.NAMESPACE_OID, f"{card.id}/{slot.index}")),
            *(card.id, card.device, card.vendor, card.board, slot.index, slot.region_type, slot.interface_id),
            model.RegionState.FREE,
        )
        for card in device.discover()
        for slot in card.slots
    ]


@pytest.fixture(scope="session")
def state_path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """One state directory, so that each bitstream is decoded once."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture
def run_path() -> Iterator[pathlib.Path]:
    """Short: pytest's own directories leave a unix socket's path no room."""
    with tempfile.TemporaryDirectory(prefix="soft") as directory:
        yield pathlib.Path(directory)


@pytest.fixture
def device(state_path: pathlib.Path, run_path: pathlib.Path) -> Iterator[soft.SoftDevice]:
    device = make_device(state_path, run_path)
    yield device
    for region in regions_of(device):
        device.erase(region)
