# SPDX-License-Identifier: Apache-2.0
"""A bench for each driver: a card of its kind, bitstreams for it, and the ways in which it can go wrong."""

from __future__ import annotations

import abc
import hashlib
import io
import itertools
import json
import pathlib
import shutil
import tempfile
import uuid
import zipfile

import pytest

from fpga_nova import formats, host_config, model
from fpga_nova.driver import Device
from fpga_nova.system.tool import SEARCH_PATH
from tests.support import ROOT, vendor_tools, xvc
from tests.support.process_host import Host

BLANK = "b1a00000-0000-4000-8000-000000000001"
INTERFACE = "ce489693-98f0-5f33-946d-560708be108a"


class _Overridden:
    """Options with the value of one replaced."""

    def __init__(self, options: object, name: str, value: object) -> None:
        self._options, self._name, self._value = options, name, value

    def __getattr__(self, name: str) -> object:
        return self._value if name == self._name else getattr(self._options, name)


class Bench(abc.ABC):
    """One card under test.

    :cvar driver: entry-point name
    :cvar reads_back: whether the driver can tell one core from another on the card
    :cvar refusal: words of the tool on a bitstream that it does not take
    """

    driver: str
    reads_back = True
    refusal = ""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.host = Host(path)
        self.set_up()
        self.configure()

    def configure(self, **more: object) -> None:
        """Write the configuration, with further options."""
        self.host.configure(**{"devices": self.driver, "lock_timeout": 2, **self.options(), **more})

    @abc.abstractmethod
    def set_up(self) -> None:
        """Make the card and what belongs to it."""

    @abc.abstractmethod
    def options(self) -> dict[str, object]:
        """Return the options of the driver."""

    @abc.abstractmethod
    def content(self, function_id: str) -> bytes:
        """Return a bitstream of this function."""

    def function_of(self, content: bytes) -> str | None:
        """Return the function that a bitstream has whatever it was asked for; None where it has what was asked for."""
        return None

    def junk(self) -> bytes:
        """Return what the tool takes for no bitstream at all."""
        return b"junk" * 200

    @abc.abstractmethod
    def pull(self) -> None:
        """Take the card away."""

    @abc.abstractmethod
    def plug(self) -> None:
        """Put it back."""

    @abc.abstractmethod
    def fault(self, what: str | None) -> None:
        """Make loads `fail WORDS`, `hang`, or `lie` (load nothing and end with 0); with None, work again."""

    def clean_up(self) -> None:  # noqa: B027 - most benches leave nothing behind
        """End what runs."""

    def device(self, timeout: float | None = None) -> Device:
        """Return the driver with its options read from the configuration.

        :param timeout: seconds that a call of its tool may take, where the option's whole seconds are too many
        """
        fpga = host_config.load([str(self.host.config_file)]).fpga
        run_path = pathlib.Path(fpga.run_path)
        conf = fpga if timeout is None else _Overridden(fpga, f"{self.driver}_timeout", timeout)
        return host_config.driver_classes([self.driver])[self.driver](conf, self.host.state_path, run_path)

    def region(self, device: Device | None = None) -> model.Region:
        """Return the first region of the card as the engine would hand it over."""
        card = (device or self.device()).discover()[0]
        slot = card.slots[0]
        return model.Region(
            str(uuid.uuid4()),
            card.id,
            card.device,
            card.vendor,
            card.board,
            slot.index,
            slot.region_type,
            slot.interface_id,
            model.RegionState.PROGRAMMING,
        )

    def core(self, content: bytes | None = None) -> model.Bitstream:
        """Return a core of a function of its own, or one of the bytes given."""
        function_id = str(uuid.uuid4())
        content = self.content(function_id) if content is None else content
        function_id = self.function_of(content) or function_id
        path = self.path / f"core-{function_id}"
        path.write_bytes(content)
        return model.Bitstream(hashlib.sha256(content).hexdigest(), len(content), path, function_id)

    def archive(self, core: model.Bitstream | None = None) -> pathlib.Path:
        """Return an IP-core archive for the card, with a core of its own or the one given."""
        region, core = self.region(), core or self.core()
        entry = {
            "file": "x.bin",
            "sha256": core.sha256,
            "size": core.size,
            "board": region.board,
            "region_type": region.region_type,
        }
        if region.interface_id:
            entry["interface_id"] = region.interface_id
        manifest = {
            "manifest_version": 1,
            "name": "core",
            "version": "1",
            "vendor": region.vendor,
            "function": {"type": "test", "id": core.function_id},
            "bitstreams": [entry],
        }
        path = self.path / "core.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("manifest.json", json.dumps(manifest))
            archive.write(core.path, "x.bin")
        return path


class SimBench(Bench):
    driver = "sim"

    def set_up(self) -> None:
        self.card = self.host.state_path / "sim/a"

    def options(self) -> dict[str, object]:
        return {"sim_cards": "a:board1:2"}

    def content(self, function_id: str) -> bytes:
        return function_id.encode()

    def pull(self) -> None:
        shutil.rmtree(self.card)

    def plug(self) -> None:
        self.card.mkdir()

    def fault(self, what: str | None) -> None:
        for when in ("program", "erase"):
            path = self.card / f"fault-{when}"
            if what is None:
                path.unlink(missing_ok=True)
            else:
                path.write_text(what.replace("lie", "corrupt"))


class StandInBench(Bench):
    """A bench whose tool is a stand-in."""

    program: str

    def set_up(self) -> None:
        self.tool = vendor_tools.install(self.path / "opt", self.program)
        self.sysfs = self.tool.parent / "sys"
        self.sysfs.mkdir()
        self.make_card()

    def make_card(self) -> None:
        """Make the card that the tool works on."""

    def fault(self, what: str | None) -> None:
        path = self.tool.parent / "fault"
        if what is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(what)

    def hold_loads(self) -> vendor_tools.Held:
        """Make the tool wait at its loads, until the test lets it go on."""
        return vendor_tools.Held(self.tool)

    def blank(self) -> pathlib.Path:
        path = self.path / "blank"
        path.write_bytes(self.content(BLANK))
        return path


class CommandBench(StandInBench):
    driver = "command"
    program = "acme"
    reads_back = False
    refusal = "no matching hardware found"

    def options(self) -> dict[str, object]:
        words = f"name=a tool={self.tool} vendor=acme board=acme-x1 type=full node=/dev/acme{{index}}"
        return {"command_card": words, "command_timeout": 2}

    def content(self, function_id: str) -> bytes:
        return b"ACME" + function_id.encode()

    def pull(self) -> None:
        (self.tool.parent / "pulled").touch()

    def plug(self) -> None:
        (self.tool.parent / "pulled").unlink()


class DflBench(StandInBench):
    driver = "dfl"
    program = "fpgaconf"
    refusal = "invalid GBS"

    def make_card(self) -> None:
        self.card = vendor_tools.dfl_card(self.sysfs, "0000:3b:00.0", INTERFACE, str(uuid.uuid4()))

    def options(self) -> dict[str, object]:
        blank = f"interface={INTERFACE} function={BLANK} file={self.blank()}"
        return {"dfl_blank": blank, "dfl_tool": self.tool, "dfl_timeout": 2, "dfl_sysfs": self.sysfs}

    def content(self, function_id: str) -> bytes:
        return vendor_tools.gbs(INTERFACE, function_id)

    def pull(self) -> None:
        self.card.pull()

    def plug(self) -> None:
        self.card.plug()


class XrtBench(StandInBench):
    driver = "xrt"
    program = "xbutil"
    refusal = "xclbin does not match the shell"
    platform = "xilinx_u50_gen3x16_xdma_201920_3"

    def make_card(self) -> None:
        self.card = vendor_tools.PciCard(self.sysfs, "0000:65:00.1", numa_node="0", interface_uuids=INTERFACE)
        (self.card.path / "vbnv").write_text(self.platform)
        (self.card.path / "xclbin_uuid").write_text(str(uuid.uuid4()))

    def options(self) -> dict[str, object]:
        blank = f"platform={self.platform} xclbin={BLANK} file={self.blank()}"
        return {"xrt_blank": blank, "xrt_xbutil": self.tool, "xrt_timeout": 2, "xrt_sysfs": self.sysfs}

    def content(self, function_id: str) -> bytes:
        return vendor_tools.xclbin(self.platform, function_id)

    def junk(self) -> bytes:
        return vendor_tools.xclbin("xilinx_u200_gen3x16_xdma_2_202110_1", str(uuid.uuid4()))

    def pull(self) -> None:
        self.card.pull()

    def plug(self) -> None:
        self.card.plug()


class FpgaRegionBench(StandInBench):
    driver = "fpga_region"
    program = "helper"
    refusal = "Error after writing image data to FPGA"

    def make_card(self) -> None:
        self.region_path = vendor_tools.write(self.sysfs / "class/fpga_region/region0", design=str(uuid.uuid4()))
        vendor_tools.write(self.sysfs / "class/fpga_manager/fpga0", name="Xilinx Zynq FPGA Manager", state="operating")

    def options(self) -> dict[str, object]:
        card = "name=a region=region0 manager=fpga0 vendor=xilinx board=zcu102 type=full node=/dev/uio0"
        return {
            "fpga_region_card": f"{card} blank={self.blank()} blank_function={BLANK}",
            "fpga_region_helper": self.tool,
            "fpga_region_timeout": 2,
            "fpga_region_sysfs": self.sysfs,
        }

    def content(self, function_id: str) -> bytes:
        return b"IMAGE" + function_id.encode()

    def pull(self) -> None:
        shutil.move(self.region_path, self.path / "pulled")

    def plug(self) -> None:
        shutil.move(self.path / "pulled", self.region_path)


class OpenFpgaLoaderBench(Bench):
    """The real openFPGALoader at an emulated cable with an emulated FPGA."""

    driver = "openfpgaloader"
    refusal = "does not say what the region should show"

    def set_up(self) -> None:
        if not shutil.which("openFPGALoader", path=SEARCH_PATH):
            pytest.skip("openFPGALoader is not installed")
        self.fpga = xvc.Fpga()
        self.cable: xvc.Cable | None = xvc.Cable(self.fpga)
        self.port = self.cable.port
        self.blank = self.path / "blank.bit"
        self.blank.write_bytes(xvc.bitstream(0xB1A00001, b"\0" * 512))

    def options(self) -> dict[str, object]:
        card = f"name=a vendor=xilinx board=arty idcode=0x0362d093 blank={self.blank} blank_code=0xb1a00001"
        return {
            "openfpgaloader_card": f"{card} cable=xvc-client ip=127.0.0.1 port={self.port} node=/dev/ttyUSB1",
            "openfpgaloader_timeout": 10,
        }

    def content(self, function_id: str) -> bytes:
        return xvc.bitstream(int(function_id[:8], 16))

    def pull(self) -> None:
        if self.cable is not None:
            self.cable.unplug()
        self.cable = None

    def plug(self) -> None:
        self.cable = xvc.Cable(self.fpga, self.port)

    def fault(self, what: str | None) -> None:
        assert self.cable is not None
        self.cable.hangs_at_a_load = what == "hang"
        self.fpga.done_stays_low = what == "lie"

    def clean_up(self) -> None:
        self.pull()


class SoftBench(Bench):
    """A soft card; its cores are those of the tree, as synthesis would take longer than all else."""

    driver = "soft"
    refusal = ""

    def set_up(self) -> None:
        self.card = self.host.state_path / "soft/a"
        self.run = tempfile.TemporaryDirectory(prefix="bench")
        self.cores = itertools.cycle(("crc32", "lzo"))

    def options(self) -> dict[str, object]:
        return {"soft_cards": "a:soft-hx1k:1", "run_path": self.run.name}

    def content(self, function_id: str) -> bytes:
        return (ROOT / "accelerators" / next(self.cores) / "soft-hx1k.bin").read_bytes()

    def function_of(self, content: bytes) -> str | None:
        header = formats.identify(io.BytesIO(content))
        return header and header.function_id

    def pull(self) -> None:
        shutil.rmtree(self.card)

    def plug(self) -> None:
        self.card.mkdir()

    def fault(self, what: str | None) -> None:
        pytest.skip("the soft FPGA's faults are tested with its server")

    def clean_up(self) -> None:
        self.card.mkdir(parents=True, exist_ok=True)
        device = self.device()
        device.erase(self.region(device))
        self.run.cleanup()


ALL = {
    bench.driver: bench
    for bench in (SimBench, SoftBench, CommandBench, OpenFpgaLoaderBench, DflBench, XrtBench, FpgaRegionBench)
}
