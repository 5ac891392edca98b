# SPDX-License-Identifier: Apache-2.0
"""The commands of fpga-cli on loaded regions: erase, verify, quarantine, release."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import Any

from fpga_nova import errors, model
from fpga_nova.fpga_cli import local_host, output, progress, query_commands
from fpga_nova.regions.engine import Engine
from fpga_nova.regions.transitions import VERIFIABLE


def erase(arguments: argparse.Namespace) -> None:
    """Wipe a region, or all regions of an owner."""
    if arguments.region_id is None and arguments.owner is None:
        raise errors.WrongUsage("erase needs a REGION_ID or an --owner (see --help)")
    with (
        local_host.opened(arguments) as host,
        _erase_errors(arguments),
        host.engine() as engine,
        progress.activity("erasing"),
    ):
        if arguments.region_id is None:
            engine.erase_held(arguments.owner)
        else:
            engine.erase(arguments.region_id, arguments.owner)


@contextlib.contextmanager
def _erase_errors(arguments: argparse.Namespace) -> Iterator[None]:
    """Give errors the code and the words that the contract has for an erase."""
    try:
        yield
    except errors.StoreNotReadable as error:
        raise errors.EraseStoreNotReadable(str(error)) from error
    except errors.UnknownRegion as error:
        message = f"cannot erase FPGA device with id {arguments.region_id!r} - unknown region"
        raise errors.UnknownRegion(message) from error


def verify(arguments: argparse.Namespace) -> None:
    """Ask the cards what regions hold and print it; fail if a region does not hold what the region store says."""
    results: list[dict[str, Any]] = []
    failures: list[errors.FpgaError] = []
    with local_host.opened(arguments) as host, host.engine() as engine:
        asked = engine.regions() if arguments.region_id is None else [engine.region(arguments.region_id)]
        with progress.activity("reading back"):
            for region in asked:
                try:
                    results.append(_verify_one(engine, region))
                except errors.FpgaError as error:
                    failures.append(error)
                    failed = query_commands.record(engine.region(region.id))
                    results.append({**failed, "result": "fails", "error": str(error)})
        short = ("id", "card_id", "index", "state", "core", "result", "error")
        output.print_list(arguments, (*query_commands.COLUMNS, "result"), short, results)
        if failures:
            raise _worst(failures, len(asked))


def _verify_one(engine: Engine, region: model.Region) -> dict[str, Any]:
    result = "holds" if engine.verify(region.id).state in VERIFIABLE else "unknown"
    return {**query_commands.record(engine.region(region.id)), "result": result}


def _worst(failures: list[errors.FpgaError], asked: int) -> errors.FpgaError:
    worst = next((error for error in failures if isinstance(error, errors.ReadBackMismatch)), failures[0])
    if asked > 1:
        return type(worst)(f"{len(failures)} of {asked} regions cannot be verified; the first: {worst}")
    return worst


def quarantine(arguments: argparse.Namespace) -> None:
    """Take a region out of service."""
    # Without discovery: a card that hangs is a good reason to quarantine its regions.
    with local_host.opened(arguments) as host, host.engine(discover=False) as engine:
        engine.quarantine(arguments.region_id, arguments.reason)


def release(arguments: argparse.Namespace) -> None:
    """Wipe a quarantined region once more, and offer it again."""
    with local_host.opened(arguments) as host, host.engine() as engine, progress.activity("erasing"):
        engine.release(arguments.region_id)
