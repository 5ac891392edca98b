# SPDX-License-Identifier: Apache-2.0
"""The record of a bitstream's header, the same for every format."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Header:
    """The fields of a bitstream's header. A field that its format does not carry is None, or empty.

    All of them are claims of the file: they name what a bitstream was built for and prove nothing.

    :param format: name of the format in `fpga_nova.formats.FORMATS`
    :param vendor: the FPGA's vendor as manifests spell it: ``lattice``, ``xilinx`` or ``intel``
    :param payload_size: bytes of configuration data: iCE40 from the preamble on; .bit field ``e``; .xclbin the
        BITSTREAM or else the PDI sections, 0 if it has neither; .gbs what follows the metadata; .rbf the file
    :param part: the FPGA: iCE40 by the size of its configuration memory, as icestorm spells it (``1k``); .bit field
        ``b`` (``7a100tcsg324``), also of a .bit inside an .xclbin; .rbf the families that its first bytes fit
    :param platform: the card's platform: .xclbin ``m_platformVBNV``; .gbs ``platform-name``
    :param interface_ids: UUIDs of the shells or interfaces that it was built for: .xclbin ``m_interface_uuid`` and the
        PARTITION_METADATA section; .gbs ``interface-uuid``
    :param function_id: UUID of what it does: iCE40 comment line; .bit FUNCTION attribute of field ``a``; .gbs
        ``accelerator-type-uuid`` of the first cluster
    :param build_id: UUID of this very build, which its card reports as loaded: .xclbin ``uuid``
    :param design: the design's name: .bit field ``a`` up to its first ``;``; .gbs the first cluster's ``name``
    :param user_id: USERCODE that the designer chose, 32 bits: .bit attribute UserID of field ``a``
    :param idcode: JTAG IDCODE of the die that its configuration data ask for, 32 bits: .bit, write to register IDCODE
    :param created: when it was built, ISO 8601: .bit fields ``c`` and ``d`` (local time); .xclbin ``m_timeStamp`` (UTC)
    """

    format: str
    vendor: str
    payload_size: int
    part: str | None = None
    platform: str | None = None
    interface_ids: tuple[str, ...] = ()
    function_id: str | None = None
    build_id: str | None = None
    design: str | None = None
    user_id: int | None = None
    idcode: int | None = None
    created: str | None = None

    def is_for_interface(self, interface_id: str | None) -> bool:
        """Return False if this bitstream says that it was built for other interfaces than `interface_id`."""
        return interface_id is None or not self.interface_ids or interface_id in self.interface_ids
