# SPDX-License-Identifier: Apache-2.0
"""The boards of the soft FPGA: their part, their pins, their blank.

A board's pin file (`boards/*.pcf`) is its contract: it gives the pin of each signal of the stream shell. A bitstream
that was built with it runs in any region of that board.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import uuid

DATA = pathlib.Path(__file__).with_name("boards")

#: Namespace of the soft boards' interface ids: uuid5(this, "stream-shell/1/" + name of the board).
INTERFACE_NAMESPACE = uuid.UUID("8024f149-0e7d-54e0-a57b-f42e4811083b")

#: The region type of every soft region, as manifests spell it.
REGION_TYPE = "stream"


@dataclasses.dataclass(frozen=True)
class Board:
    """A soft board.

    :param name: as manifests spell it
    :param part: the vendor's name of its part
    :param device: the part as icestorm spells it, the `.device` line of an unpacked bitstream
    :param package: the part's package as icestorm spells it
    :param flag: nextpnr-ice40's option for the part, without dashes
    """

    name: str
    part: str
    device: str
    package: str
    flag: str

    @property
    def interface_id(self) -> str:
        """The id of the stream shell on this board."""
        return str(uuid.uuid5(INTERFACE_NAMESPACE, f"stream-shell/1/{self.name}"))

    @property
    def pin_file(self) -> pathlib.Path:
        """The .pcf file."""
        return DATA / f"{self.flag}-{self.package}.pcf"

    def pins(self) -> dict[str, str]:
        """Return pin name -> port name, e.g. ``{"21": "clk", "1": "in_data[0]", ...}``."""
        return _pins(self.pin_file)

    def blank(self) -> bytes:
        """Return the bitstream of the erased part, which icepack makes of an .asc with all tiles zero."""
        return (DATA / f"{self.flag}.blank.bin").read_bytes()


@functools.cache
def _pins(pin_file: pathlib.Path) -> dict[str, str]:
    lines = (line.split() for line in pin_file.read_text(encoding="ascii").splitlines())
    return {words[2]: words[1] for words in lines if words and words[0] == "set_io"}


BOARDS = {
    board.name: board
    for board in (
        Board("soft-hx1k", part="iCE40HX1K", device="1k", package="tq144", flag="hx1k"),
        Board("soft-hx8k", part="iCE40HX8K", device="8k", package="ct256", flag="hx8k"),
    )
}

#: The names of the parts that icestorm knows, by `.device` line, to name a bitstream of another part.
PARTS = {
    "384": "iCE40LP384",
    "1k": "iCE40HX1K",
    "lm4k": "iCE5LP4K",
    "u4k": "iCE5LP4K",
    "5k": "iCE40UP5K",
    "8k": "iCE40HX8K",
}
