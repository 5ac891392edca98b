# SPDX-License-Identifier: Apache-2.0
"""A bitstream's own header is compared with its manifest and with the region that it is to go to."""

from __future__ import annotations

import contextlib
import hashlib
import pathlib
import uuid

import pytest

from fpga_nova import errors, model
from fpga_nova.driver import Device
from fpga_nova.fpga_cli.loading_commands import burn_core
from fpga_nova.ip_cores.admission import Admission, AdmissionRules, AdmittedCore
from fpga_nova.ip_cores.archive import Archive
from fpga_nova.ip_cores.bitstream_cache import Cache
from fpga_nova.regions.engine import Engine
from fpga_nova.regions.store import Store
from fpga_nova.system import scratch
from tests.support import bitstreams
from tests.support.archives import manifest_data, write_archive

OTHER = str(uuid.uuid4())
FUNCTION = {"type": "test", "id": bitstreams.FUNCTION_ID}
LIMIT = 1 << 20


class Shelf(Device):
    """Cards that are directories, one for each interface in `conf`; a region is a file."""

    def discover(self):
        return [
            model.Card(
                f"shelf:{at}", "shelf", "intel", "board1", str(self.state_path), (model.Slot(0, "stream", each),)
            )
            for at, each in enumerate(self.conf)
        ]

    def program(self, region, bitstream):
        self._file(region).write_bytes(bitstream.path.read_bytes())

    def verify(self, region, bitstream):
        file = self._file(region)
        held = hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None
        if held != (bitstream.sha256 if bitstream else None):
            raise errors.ReadBackMismatch(f"the shelf holds {held}")

    def erase(self, region):
        self._file(region).unlink(missing_ok=True)

    def endpoint(self, region):
        return model.Endpoint("devnode", str(self._file(region)))

    def _file(self, region):
        return self.state_path / region.card_id


@pytest.fixture
def engine(tmp_path):
    """Return a function that gives the engine of a host with a card for each interface."""
    with contextlib.ExitStack() as stack:

        def engine(*interfaces: str | None) -> Engine:
            store = stack.enter_context(contextlib.closing(Store(tmp_path, 5)))
            devices = {"shelf": Shelf(interfaces, tmp_path, tmp_path)}
            made = Engine(store, devices, tmp_path / "locks", 5, "", Cache(tmp_path / "cache", LIMIT))
            made.recovery.discover()
            return made

        yield engine


@pytest.fixture
def burn(tmp_path, engine):
    """Return a function that burns a bitstream on a host with a card for each interface."""

    def burn(bitstream: bytes, *interfaces: str | None, entry: dict | None = None, **changes) -> model.Region:
        data = manifest_data(bitstream, **{"vendor": "intel", "function": FUNCTION, **changes})
        data["bitstreams"][0].update(entry or {})
        with write_archive(tmp_path / "core.zip", data, x_bin=bitstream).open("rb") as file:
            archive = Archive(file, LIMIT)
            with scratch.directory(tmp_path) as directory:
                admitted = AdmittedCore(archive, Admission(AdmissionRules(tmp_path)), directory)
                return burn_core(engine(*interfaces), admitted)

    return burn


def test_all_that_it_says_is_so(burn):
    region = burn(bitstreams.gbs(), bitstreams.INTERFACE_ID, entry={"interface_id": bitstreams.INTERFACE_ID})
    assert region.state == "programmed"


@pytest.mark.parametrize("bitstream", [b"of no known format", bitstreams.rbf(), bitstreams.rbf("arria10")])
def test_header_without_a_field_contradicts_nothing(burn, bitstream):
    assert burn(bitstream, OTHER, entry={"interface_id": OTHER}).state == "programmed"


@pytest.mark.parametrize(
    ("bitstream", "changes", "said"),
    [
        (
            bitstreams.gbs(),
            {"function": {"type": "test", "id": OTHER}},
            f"function {bitstreams.FUNCTION_ID} by its own",
        ),
        (
            bitstreams.gbs(),
            {"entry": {"interface_id": OTHER}},
            f"interface {bitstreams.INTERFACE_ID} by its own header",
        ),
        (bitstreams.xilinx_bit(), {}, "vendor xilinx by its own header (xilinx_bit), the manifest says intel"),
        (bitstreams.xclbin(), {}, "vendor xilinx by its own header (xclbin), the manifest says intel"),
        (bitstreams.ice40(), {}, "vendor lattice by its own header (ice40), the manifest says intel"),
        (bitstreams.gbs()[:-64], {}, "expected configuration data behind the metadata"),
    ],
)
def test_contradictions_of_the_manifest(burn, bitstream, changes, said):
    with pytest.raises(errors.ArchiveInvalid) as caught:
        burn(bitstream, OTHER, **changes)
    assert said in str(caught.value)


def test_region_with_another_interface_is_passed_over(burn):
    """The manifest names no interface, so by it the core fits both cards."""
    region = burn(bitstreams.gbs(), OTHER, bitstreams.INTERFACE_ID)
    assert (region.card_id, region.state) == ("shelf:1", "programmed")


def test_no_region_has_its_interface(burn, engine):
    with pytest.raises(errors.NoMatchingHardware) as caught:
        burn(bitstreams.gbs(), OTHER, OTHER)
    assert "x.bin of IP core 'core' was by its own header (gbs) not built for region" in str(caught.value)
    assert str(caught.value).endswith(f": it is for interface {bitstreams.INTERFACE_ID}, not {OTHER}")
    assert {region.state for region in engine(OTHER, OTHER).regions()} == {"free"}


def test_region_without_a_known_interface_takes_any(burn):
    assert burn(bitstreams.gbs(), None).state == "programmed"


def test_file_for_several_kinds_of_regions_is_unpacked_once(tmp_path):
    data = manifest_data()
    data["bitstreams"].append({**data["bitstreams"][0], "region_type": "other"})
    with write_archive(tmp_path / "core.zip", data).open("rb") as file:
        archive = Archive(file, LIMIT)
        admitted = AdmittedCore(archive, Admission(AdmissionRules(tmp_path)), tmp_path)
        first, second = (admitted.bitstream(entry) for entry in archive.manifest.bitstreams)
        assert isinstance(first.path, pathlib.Path)
        assert first == second
