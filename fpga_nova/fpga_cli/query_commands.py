# SPDX-License-Identifier: Apache-2.0
"""The commands of fpga-cli that report regions: status, list, show."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from fpga_nova import errors, model
from fpga_nova.fpga_cli import local_host, output

#: Names of a region's columns: the fields of its record.
COLUMNS = tuple(field.name for field in dataclasses.fields(model.Region))

_SHORT = ("id", "card_id", "index", "board", "state", "core", "owner", "error")
_CARD_COLUMNS = ("card_present", "card_path", "pci_address", "numa_node", "endpoint_kind", "endpoint_address")


def status(arguments: argparse.Namespace) -> None:
    """Print the contract's line."""
    with local_host.opened(arguments) as host, host.engine() as engine:
        print("Used regions: {}/{}".format(*engine.status()))


def list_regions(arguments: argparse.Namespace) -> None:
    """List all regions."""
    with local_host.opened(arguments) as host, host.engine() as engine:
        found = engine.regions()
    print_regions(arguments, found)


def show(arguments: argparse.Namespace) -> None:
    """Show a region, its card, and the endpoint that it offers while it is programmed."""
    with local_host.opened(arguments) as host, host.engine() as engine:
        region = engine.region(arguments.region_id)
        card = next(card for card, _ in engine.cards() if card.id == region.card_id)
        endpoint = None
        if region.state is model.RegionState.PROGRAMMED:
            try:
                endpoint = engine.endpoint(region)
            except errors.DeviceNotAccessible:  # its driver is not enabled; everything else is known
                endpoint = None
    values = {
        **record(region),
        "card_present": pathlib.Path(card.path).exists(),
        "card_path": card.path,
        "pci_address": card.pci_address,
        "numa_node": card.numa_node,
        "endpoint_kind": endpoint and endpoint.kind,
        "endpoint_address": endpoint and endpoint.address,
    }
    columns = (*COLUMNS, *_CARD_COLUMNS)
    output.print_one(arguments, columns, columns, values)


def record(region: model.Region) -> dict[str, Any]:
    """Return a region's columns."""
    return dataclasses.asdict(region)


def print_regions(arguments: argparse.Namespace, regions: Sequence[model.Region]) -> None:
    """Print regions in the form that `arguments` ask for."""
    records = [record(region) for region in regions]
    if arguments.format in (None, "table"):
        for region, values in zip(regions, records):
            values["state"] = f"{region.state}, lost" if region.lost else region.state
    output.print_list(arguments, COLUMNS, _SHORT, records)
