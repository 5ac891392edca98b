# SPDX-License-Identifier: Apache-2.0
"""FPGAs at a JTAG cable, loaded by openFPGALoader.

Every board and cable that the tool reaches by JTAG is a card. A card is one whole FPGA; its bitstream goes to its
configuration memory (SRAM), never to a flash.

*Proof.* openFPGALoader (0.10 and later, measured) ends with 0 when DONE stays low, when the file is shorter than its
header says, and when an SVF file is not there. So the FPGA is asked: the tool plays a small SVF file that compares the
USERCODE that the FPGA answers, a 32-bit word that its bitstream gave it, and, on Xilinx, the DONE bit; the tool's exit
code and its words `end of SVF file` give the result. A bitstream for these cards must therefore be built with a
USERCODE of its own (Vivado: BITSTREAM.CONFIG.USERID, which the header of a .bit names; in formats without a header it
must be the first 8 hex digits of the function's UUID). This is an identity, not a comparison of bytes: those are
covered by the CRC that the FPGA itself checks before it raises DONE.

The instructions and their sources: Xilinx 7 series and UltraScale with a 6-bit instruction register: UG470 table 6-3
and 6-4, UG570 table 6-3; Lattice ECP5, MachXO2/3, CrossLink-NX: FPGA-TN-02039 (LSC USERCODE, 0xC0); Gowin: UG290
(0x13); Intel Cyclone, MAX 10: the BSDL files' USERCODE (0x007 of 10 bits). Other FPGAs cannot be proved here, and a
card with one is refused, as is one on SPI or DFU.

*Erase.* The blank that the operator configured, a bitstream with its own USERCODE, is loaded, and proved in the same
way. Loading clears all configuration memory and block RAM of the FPGA first. These remain: memory chips beside the
FPGA, and its flash, which fpga-nova never writes but a core could. A card without a blank is refused.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Sequence

from oslo_config import cfg

from fpga_nova import errors, formats, model
from fpga_nova.devices.common import identity, option_entries
from fpga_nova.devices.common.probed_card import PROBE_TIMEOUT, ProbedCard
from fpga_nova.driver import Device
from fpga_nova.system import scratch
from fpga_nova.system.tool import Tool

REGION_TYPE = "whole"

_FIELDS = {
    "name": option_entries.NAME,
    "vendor": option_entries.VENDOR,
    "board": option_entries.WORD,
    "idcode": option_entries.WORD32,
    "blank": option_entries.PATH,
    "blank_code": option_entries.WORD32,
    "cable": option_entries.WORD.optional(),
    "ip": option_entries.IPV4.optional(),
    "port": option_entries.NUMBER.optional(),
    "device": option_entries.PATH.optional(),
    "serial": option_entries.WORD.optional(),
    "chain": option_entries.NUMBER.optional(),
    "part": option_entries.WORD.optional(),
    "freq": option_entries.NUMBER.optional(),
    "pci": option_entries.PCI.optional(),
    "node": option_entries.PATH.optional(),
    "format": option_entries.Field(re.compile("bit|bin|rbf|fs"), "one of bit, bin, rbf, fs", required=False),
}
_ARGUMENTS = {
    "ip": "--ip",
    "port": "--port",
    "device": "--device",
    "serial": "--ftdi-serial",
    "chain": "--index-chain",
    "part": "--fpga-part",
    "freq": "--freq",
}

# As src/main.cpp of openFPGALoader prints a chain for --detect.
_DETECTED = re.compile(
    r"index (\d+):\s+idcode\s+0x([0-9a-f]{1,8})\s+manufacturer (\w+)\s[^:]*?irlength (\d+)", re.ASCII
)

#: For a manufacturer and the bits of its instruction register: the line that loads USERCODE and checks what the
#: instruction register captured, if DONE is part of that. Sources: see the module's docstring.
_LOAD_USERCODE = {
    ("xilinx", "6"): "SIR 6 TDI (08) TDO (21) MASK (23);",
    ("lattice", "8"): "SIR 8 TDI (C0);",
    ("Gowin", "8"): "SIR 8 TDI (13);",
    ("altera", "10"): "SIR 10 TDI (007);",
}
#: The progress of a load as src/progressBar.cpp of openFPGALoader prints it, about once a second.
_PERCENT = re.compile(rb"\] +(\d{1,3})\.\d\d%")

_PLAYED = "end of SVF file"

#: The USERCODE of an FPGA without a design, and of a design without a USERCODE.
_TELLS_NOTHING = ("00000000", "ffffffff")

#: JTAG numbers a part's revision in the top four bits (IEEE 1149.1), which a new stepping changes.
_WITHOUT_REVISION = 0x0FFFFFFF


class OpenFpgaLoaderDevice(Device):
    """Cards of `[fpga] openfpgaloader_card`."""

    options = (
        cfg.MultiStrOpt(
            "openfpgaloader_card",
            default=[],
            help="An FPGA that openFPGALoader reaches by JTAG, as words KEY=VALUE; may be given several times. name: a"
            " name of your own; vendor, board: what manifests must say to fit (their region_type is `whole`); "
            "idcode: the IDCODE that must be found; blank: a bitstream that erases it; blank_code: the USERCODE "
            "of that blank; cable: the name of the cable, without which `board` is the tool's name of the board, "
            "too; ip, port: of a Xilinx Virtual Cable (cable=xvc-client); device, serial, chain, part, freq: the "
            "tool's --device, --ftdi-serial, --index-chain, --fpga-part, --freq; format: of bitstreams, bit (the "
            "default), bin, rbf or fs; pci or node: the PCI address or the device node that a guest gets, one of "
            "them. For example `name=a vendor=xilinx board=arty idcode=0x0362d093 blank=/etc/fpga-nova/blank.bit "
            "blank_code=0x00000000 node=/dev/ttyUSB1`. Bitstreams need a USERCODE of their own. Read by fpga-cli.",
        ),
        cfg.StrOpt(
            "openfpgaloader_tool",
            default="openFPGALoader",
            help="The executable of openFPGALoader: an absolute path, or a name in the system's directories. "
            "Read by fpga-cli.",
        ),
        option_entries.timeout_option("openfpgaloader", 300),
    )

    def discover(self) -> Sequence[model.Card]:
        """Return the configured cards whose FPGA answers with its IDCODE."""
        cards = []
        for entry in self._entries():
            probed = self._probed_card(entry)
            if probed.probe(lambda entry=entry: self._detect(entry, PROBE_TIMEOUT)) is not None:  # type: ignore[misc]
                cards.append(probed.card("openfpgaloader", entry, (model.Slot(0, REGION_TYPE),)))
        return cards

    def program(self, region: model.Region, bitstream: model.Bitstream) -> None:
        """Load the file to the FPGA's configuration memory."""
        assert bitstream.path is not None  # noqa: S101 - the contract of Device.program
        entry = self._entry(region)
        with self._probed_card(entry).exclusive(self._patience):
            self._detect(entry)
            identity.write_record(self._record(entry), bitstream, self._user_code(entry, bitstream))
            self._load(entry, bitstream.path, errors.ProgrammingFailed)

    def verify(self, region: model.Region, bitstream: model.Bitstream | None) -> None:
        """Check that the FPGA runs and that its USERCODE is that of the core, or of the blank."""
        entry = self._entry(region)
        code = self._user_code(entry, bitstream)
        with self._probed_card(entry).exclusive(self._patience), scratch.directory(self.state_path) as directory:
            load_usercode = self._detect(entry)
            text = f"{load_usercode}\nSDR 32 TDI (00000000) TDO ({code.upper()}) MASK (FFFFFFFF);\nSTATE RESET;\n"
            (directory / "usercode.svf").write_text(text)
            arguments = [*self._arguments(entry), "usercode.svf"]
            result = self._tool().call(arguments, errors.ReadBackMismatch, directory=directory)
        if _PLAYED not in result.stdout:
            raise errors.ReadBackMismatch(result.explain("openFPGALoader did not check the FPGA"))

    def erase(self, region: model.Region) -> None:
        """Load the blank."""
        entry = self._entry(region)
        with self._probed_card(entry).exclusive(self._patience):
            self._detect(entry)
            self._load(entry, pathlib.Path(entry["blank"]), errors.EraseFailed)

    def endpoint(self, region: model.Region) -> model.Endpoint:
        """Return the configured PCI function or device node."""
        entry = self._entry(region)
        return model.Endpoint("pci", entry["pci"]) if "pci" in entry else model.Endpoint("devnode", entry["node"])

    def _user_code(self, entry: dict[str, str], bitstream: model.Bitstream | None) -> str:
        """Return the USERCODE, 8 hex digits, that the FPGA must show with `bitstream`; with None, the blank's."""
        blank = entry["blank_code"].removeprefix("0x")
        if entry.get("format", "bit") == "bit":
            code = identity.expected_by_header(self._record(entry), bitstream, blank, _user_id)
        else:
            code = identity.expected_by_function_id(bitstream, blank)[:8]
        if bitstream is not None and code in (blank, *_TELLS_NOTHING):
            raise errors.ReadBackMismatch(f"USERCODE {code} is the blank's or that of an empty FPGA")
        return code

    def incompatibility(self, region: model.Region, header: formats.Header) -> str | None:
        """Check that the configuration data ask for the card's IDCODE; the FPGA itself refuses another one."""
        wanted = self._entry(region)["idcode"]
        if header.idcode is None or not (header.idcode ^ int(wanted, 16)) & _WITHOUT_REVISION:
            return None
        return f"it is for {header.part} with IDCODE {header.idcode:#010x}, the card has {wanted}"

    @property
    def _patience(self) -> float:
        """Seconds to wait for a card: the longest probe by another process, and lock_timeout."""
        return PROBE_TIMEOUT + float(self.conf.lock_timeout)

    def _entries(self) -> list[dict[str, str]]:
        found = option_entries.read("openfpgaloader_card", self.conf.openfpgaloader_card, _FIELDS)
        for entry in found:
            if ("pci" in entry) == ("node" in entry):
                raise errors.ConfigurationInvalid(
                    f"[fpga] openfpgaloader_card: name={entry['name']} needs one of pci and node, what its guest gets"
                )
        return found

    def _entry(self, region: model.Region) -> dict[str, str]:
        return option_entries.entry_of_card(self._entries(), "openfpgaloader", region.card_id)

    def _probed_card(self, entry: dict[str, str]) -> ProbedCard:
        return ProbedCard(self.state_path / "openfpgaloader" / entry["name"])

    def _record(self, entry: dict[str, str]) -> pathlib.Path:
        return self._probed_card(entry).directory / "user-code"

    def _tool(self) -> Tool:
        return Tool(
            "openfpgaloader_tool", self.conf.openfpgaloader_tool, self.conf.openfpgaloader_timeout, self.state_path
        )

    @staticmethod
    def _arguments(entry: dict[str, str]) -> list[str]:
        arguments = ["--cable", entry["cable"]] if "cable" in entry else ["--board", entry["board"]]
        for key, argument in _ARGUMENTS.items():
            if key in entry:
                arguments += [argument, entry[key]]
        return arguments

    def _detect(self, entry: dict[str, str], timeout: float | None = None) -> str:
        """Check that the card's FPGA is the configured one; return the SVF line that loads its USERCODE."""
        result = self._tool().call([*self._arguments(entry), "--detect"], errors.DeviceNotAccessible, timeout=timeout)
        wanted = int(entry["idcode"], 16) & _WITHOUT_REVISION
        for index, idcode, manufacturer, length in _DETECTED.findall(result.stdout):
            if index == entry.get("chain", index) and int(idcode, 16) & _WITHOUT_REVISION == wanted:
                if (manufacturer, length) not in _LOAD_USERCODE:
                    raise errors.ConfigurationInvalid(
                        f"[fpga] openfpgaloader_card: name={entry['name']}: what an FPGA of {manufacturer} with an "
                        f"instruction register of {length} bits holds cannot be proved"
                    )
                return _LOAD_USERCODE[manufacturer, length]
        raise errors.DeviceNotAccessible(
            result.explain(f"no FPGA with IDCODE {entry['idcode']} at card {entry['name']}")
        )

    def _load(self, entry: dict[str, str], path: pathlib.Path, failure: type[errors.FpgaError]) -> None:
        form = entry.get("format", "bit")
        with scratch.directory(self.state_path) as directory:
            # openFPGALoader goes by the file's name: it would play a core named .svf, or write one to flash.
            (directory / f"bitstream.{form}").symlink_to(path.absolute())
            arguments = [*self._arguments(entry), "--write-sram", f"bitstream.{form}"]
            self._tool().call(arguments, failure, directory=directory, on_output=self._report_progress)

    def _report_progress(self, output: bytes) -> None:
        """Report the percentage that the tool printed last."""
        for percent in _PERCENT.findall(output)[-1:]:
            self.report(min(int(percent), 100), 100)


def _user_id(header: formats.Header) -> str | None:
    return None if header.user_id is None else f"{header.user_id:08x}"
