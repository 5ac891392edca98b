# SPDX-License-Identifier: Apache-2.0
"""Driver of the soft FPGA, whose regions run real iCE40 bitstreams on the host.

The operator names the cards. A card is there while its directory `<state_path>/soft/NAME` exists: removing it pulls
the card, making it again puts the card back (:func:`fpga_nova.devices.common.card_list.plug_directory`).
"""

from __future__ import annotations

import contextlib
import grp
import hashlib
import pathlib
from collections.abc import Sequence

from oslo_config import cfg

from fpga_nova import errors, formats, model
from fpga_nova.devices.common import card_list
from fpga_nova.driver import Device
from fpga_nova.softfpga import confinement
from fpga_nova.softfpga.decoder import fabric_cache
from fpga_nova.softfpga.decoder.boards import BOARDS, PARTS, REGION_TYPE, Board
from fpga_nova.softfpga.runtime import region_process, region_server
from fpga_nova.system import locks

VENDOR = "lattice"

#: Bytes of the largest bitstream that is read: that of an HX8K has 135,100, and a comment.
MAX_BITSTREAM = 1 << 20


class SoftDevice(Device):
    """Soft cards."""

    options = (
        cfg.ListOpt(
            "soft_cards",
            default=[],
            help="Soft FPGA cards of this host, each NAME:BOARD:REGIONS, for example "
            "`fpga0:soft-hx1k:2,fpga1:soft-hx8k:1`. A name is lower-case letters, digits and hyphens; a board is "
            "soft-hx1k or soft-hx8k; a card has 1 to 64 regions. Read by fpga-cli.",
        ),
        cfg.StrOpt(
            "soft_user",
            default="nobody",
            help="User that decodes and runs the bitstream of a soft region where fpga-cli runs as root. It is never "
            "root. Choose a user that nothing else on the host runs as, and that can read the Python of fpga-cli. "
            "Read by fpga-cli.",
        ),
        cfg.IntOpt(
            "soft_cycle_limit",
            default=10_000_000,
            min=1000,
            help="Clock cycles that the core of a soft region may run without taking or giving a byte; then its "
            "connection is closed and the core is reset. Read by fpga-cli.",
        ),
        cfg.IntOpt(
            "soft_frame_limit",
            default=16 << 20,
            min=1,
            max=1 << 30,
            help="Longest message to the core of a soft region, and its longest answer, in bytes. Read by fpga-cli.",
        ),
    )

    def discover(self) -> Sequence[model.Card]:
        """Return the configured cards whose directory is there."""
        cards = []
        for name, board_name, count in card_list.parse("soft_cards", self.conf.soft_cards, BOARDS):
            path = card_list.plug_directory(self.state_path / "soft", name)
            if path.is_dir():
                board = BOARDS[board_name]
                slots = tuple(model.Slot(index, REGION_TYPE, board.interface_id) for index in range(count))
                cards.append(model.Card(f"soft:{name}", "soft", VENDOR, board.name, str(path), slots))
        return cards

    def program(self, region: model.Region, bitstream: model.Bitstream) -> None:
        """Decode the bitstream, or take it decoded from the cache, and serve it."""
        board, soft = self._board(region), self._region(region)
        self._check_power(region, soft)
        soft.check_paths()
        account = confinement.account_of(self.conf.soft_user)
        gid = self._endpoint_gid()
        try:
            content = _read(bitstream)
            soft.make()
            soft.stop()
            fabric = fabric_cache.FabricCache(self.state_path / "cache" / "fabrics", account).fabric(board, content)
            soft.write_configuration(content)
            soft.start(
                region_server.ServerOptions(
                    directory=str(soft.directory),
                    fabric=str(fabric.path),
                    sha256=fabric.sha256,
                    uid=account.uid,
                    gid=account.gid,
                    cycle_limit=self.conf.soft_cycle_limit,
                    frame_limit=self.conf.soft_frame_limit,
                    locks=locks.descriptors(),
                )
            )
            soft.publish(gid)
        except (errors.FpgaError, OSError) as exc:
            # After a failure nothing runs and nothing listens. If that fails as well, the first reason is raised.
            with contextlib.suppress(errors.FpgaError, OSError):
                self._blank(region, soft)
            if isinstance(exc, errors.ProgrammingFailed):
                raise
            raise errors.ProgrammingFailed(f"the soft region cannot be programmed: {exc}") from exc

    def verify(self, region: model.Region, bitstream: model.Bitstream | None) -> None:
        """Compare the bitstream with the running fabric's own configuration memory; a blank region has no fabric."""
        soft = self._region(region)
        self._check_power(region, soft)
        if bitstream is None:
            self._verify_blank(region, soft)
            return
        try:
            loaded = hashlib.sha256(soft.ask("readback")).hexdigest()
        except OSError as exc:
            raise errors.ReadBackMismatch(f"the region's server does not answer: {exc}") from exc
        if loaded != bitstream.sha256:
            raise errors.ReadBackMismatch(f"the region holds {loaded}, not {bitstream.sha256}")
        if not soft.endpoint.is_socket():
            raise errors.ReadBackMismatch("the region is programmed, but has no endpoint")

    def erase(self, region: model.Region) -> None:
        """End the server, remove the endpoint, overwrite the configuration memory with the blank."""
        soft = self._region(region)
        self._check_power(region, soft)
        try:
            self._blank(region, soft)
        except OSError as exc:
            raise errors.EraseFailed(f"the soft region cannot be erased: {exc}") from exc

    def endpoint(self, region: model.Region) -> model.Endpoint:
        """Return the region's unix socket."""
        return model.Endpoint("unix", str(self._region(region).endpoint))

    def incompatibility(self, region: model.Region, header: formats.Header) -> str | None:
        """Check that the bitstream fills the configuration memory of the board's part."""
        board = self._board(region)
        if header.part in (None, board.device):
            return None
        return f"it is for {PARTS.get(header.part or '', header.part)}, board {board.name} has {board.part}"

    def loss_reason(self, region: model.Region) -> str | None:
        """Return a reason if the region's server has ended."""
        return "the region's server has ended" if self._region(region).server_pid() is None else None

    # inner parts

    def _card_path(self, name: str) -> pathlib.Path:
        return self.state_path / "soft" / name

    def _region(self, wanted: model.Region) -> region_process.SoftRegion:
        name = wanted.card_id.partition(":")[2]
        return region_process.SoftRegion(
            self.run_path / "soft" / name / str(wanted.index), self.run_path / "endpoints" / f"{wanted.id}.sock"
        )

    def _board(self, wanted: model.Region) -> Board:
        try:
            return BOARDS[wanted.board]
        except KeyError:
            raise errors.ProgrammingFailed(f"there is no soft board {wanted.board!r}") from None

    def _check_power(self, wanted: model.Region, soft: region_process.SoftRegion) -> None:
        """Check that the card is there; a region of a pulled card loses its configuration.

        :raises fpga_nova.errors.DeviceNotAccessible: it is not
        """
        path = self._card_path(wanted.card_id.partition(":")[2])
        if not path.is_dir():
            with contextlib.suppress(errors.FpgaError, OSError):
                soft.stop()
                soft.configuration.unlink(missing_ok=True)
            raise errors.DeviceNotAccessible(f"card {wanted.card_id} is not there: {path} is gone")

    def _blank(self, wanted: model.Region, soft: region_process.SoftRegion) -> None:
        soft.make()
        soft.stop()
        soft.write_configuration(self._board(wanted).blank())

    def _verify_blank(self, wanted: model.Region, soft: region_process.SoftRegion) -> None:
        pid = soft.server_pid()
        if pid is not None:
            raise errors.ReadBackMismatch(f"the region is not blank: its server runs (pid {pid})")
        if soft.endpoint.exists() or soft.endpoint.is_symlink():
            raise errors.ReadBackMismatch(f"the region is not blank: {soft.endpoint} is there")
        # Without configuration memory the region has not been programmed since the host started: blank, too.
        with contextlib.suppress(FileNotFoundError):
            if soft.configuration.read_bytes() != self._board(wanted).blank():
                raise errors.ReadBackMismatch("the region's configuration memory is not blank")

    def _endpoint_gid(self) -> int | None:
        group = self.conf.endpoint_group
        try:
            return grp.getgrnam(group).gr_gid if group else None
        except KeyError:
            raise errors.ConfigurationInvalid(f"endpoint_group: there is no group {group!r}") from None


def _read(bitstream: model.Bitstream) -> bytes:
    """Return the bitstream's bytes, which must be those that were admitted."""
    if bitstream.path is None:
        raise errors.ProgrammingFailed("the bitstream has no file")
    if bitstream.size > MAX_BITSTREAM:
        raise errors.ProgrammingFailed(f"the bitstream has {bitstream.size} bytes; no part here takes that many")
    content = pathlib.Path(bitstream.path).read_bytes()
    if len(content) != bitstream.size or hashlib.sha256(content).hexdigest() != bitstream.sha256:
        raise errors.ProgrammingFailed(f"the bitstream {bitstream.path} is not the one that was admitted")
    return content
