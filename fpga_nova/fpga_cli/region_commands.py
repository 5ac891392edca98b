# SPDX-License-Identifier: Apache-2.0
"""fpga-cli's commands that touch cards, or what is offered of them."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import pathlib
import sys
from collections.abc import Iterator

from fpga_nova import errors, host_config
from fpga_nova.fpga_cli import core_lookup, local_host, output, progress, query_commands, tokens
from fpga_nova.ip_cores import admission, policy
from fpga_nova.regions.engine import VERIFIABLE, Engine
from fpga_nova.system import scratch


def burn(arguments: argparse.Namespace) -> None:
    """Load an IP core into a free region and print the region's id."""
    if arguments.token_stdin and arguments.file is not None:
        print("Error: --token-stdin goes with an IMAGE_ID, not with --file (see --help)", file=sys.stderr)
        raise SystemExit(2)
    with (
        local_host.opened(arguments, glance=arguments.file is None) as here,
        here.engine() as engine,
        _cores(here, engine, tokens.read() if arguments.token_stdin else None) as (core_source, directory),
    ):
        judged = admission.Admission(host_config.rules(here.conf), arguments.project)
        if arguments.file is not None:
            core = core_source.of_file(arguments.file)
        else:
            core = core_source.of_image(arguments.image_id, engine.choose, judged)
        admitted = admission.AdmittedCore(core, judged, directory, engine.incompatibility)
        with progress.activity(f"programming {core.manifest.name}") as report:
            region = engine.burn(core.manifest, admitted.bitstream, arguments.owner, arguments.image_id, report)
        try:
            print(region.id, flush=True)
        except OSError as error:
            # Whoever asked for the region is gone and never heard of it: it is nobody's.
            engine.erase(region.id)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the interpreter's own last flush
            raise errors.FpgaError(f"nobody took the region's id ({error.strerror}); it was erased again") from error


def prefetch(arguments: argparse.Namespace) -> None:
    """Bring the bitstreams of an image that fit this host into its cache, and print them."""
    with (
        local_host.opened(arguments, glance=True) as here,
        here.engine() as engine,
        _cores(here, engine) as (core_source, directory),
    ):
        # Whose server it will be nobody knows yet; each burn is judged again.
        judged = admission.Admission(host_config.rules(here.conf), policy.ANY_PROJECT)
        core = core_source.of_image(arguments.image_id, engine.fitting, judged)
        admitted = admission.AdmittedCore(core, judged, directory, engine.incompatibility)
        entries = engine.prefetch(core.manifest, admitted.bitstream)
    columns = ("file", "sha256", "size", "board", "region_type", "interface_id")
    output.print_list(arguments, columns, columns[:5], [dataclasses.asdict(entry) for entry in entries])


@contextlib.contextmanager
def _cores(
    here: local_host.Host, engine: Engine, token: str | None = None
) -> Iterator[tuple[core_lookup.Cores, pathlib.Path]]:
    with scratch.directory(here.state_path) as directory, contextlib.ExitStack() as stack:
        yield core_lookup.Cores(here.conf, engine.cache, directory, stack, token), directory


def erase(arguments: argparse.Namespace) -> None:
    """Wipe a region, or all that an owner holds."""
    if arguments.region_id is None and arguments.owner is None:
        print("Error: erase needs a REGION_ID or an --owner (see --help)", file=sys.stderr)
        raise SystemExit(2)
    with (
        local_host.opened(arguments) as here,
        _erase_errors(arguments),
        here.engine() as engine,
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
        error.exit_code = errors.ERASE_STORE_NOT_READABLE
        raise
    except errors.UnknownRegion as error:
        message = f"cannot erase FPGA device with id {arguments.region_id!r} - unknown region"
        raise errors.UnknownRegion(message) from error


def verify(arguments: argparse.Namespace) -> None:
    """Ask the cards what regions hold, print it, and fail if one does not hold what the region store says."""
    results = []
    failures: list[errors.FpgaError] = []
    with local_host.opened(arguments) as here, here.engine() as engine:
        asked = engine.regions() if arguments.region_id is None else [engine.region(arguments.region_id)]
        with progress.activity("reading back"):
            for region in asked:
                result, error = "holds", None
                try:
                    if engine.verify(region.id).state not in VERIFIABLE:
                        result = "unknown"
                except errors.FpgaError as raised:
                    result, error = "fails", str(raised)
                    failures.append(raised)
                results.append({**query_commands.record(engine.region(region.id)), "result": result})
                if error is not None:
                    results[-1]["error"] = error
        short = ("id", "card_id", "index", "state", "core", "result", "error")
        output.print_list(arguments, (*query_commands.COLUMNS, "result"), short, results)
        if failures:
            worst = next((error for error in failures if isinstance(error, errors.ReadBackMismatch)), failures[0])
            if len(asked) > 1:
                worst = type(worst)(f"{len(failures)} of {len(asked)} regions cannot be verified; the first: {worst}")
            raise worst


def quarantine(arguments: argparse.Namespace) -> None:
    """Take a region out of what is offered."""
    # Without a look for cards: one that hangs is a good reason to quarantine its regions.
    with local_host.opened(arguments) as here, here.engine(discover=False) as engine:
        engine.quarantine(arguments.region_id, arguments.reason)


def release(arguments: argparse.Namespace) -> None:
    """Wipe a quarantined region once more, and offer it again."""
    with local_host.opened(arguments) as here, here.engine() as engine, progress.activity("erasing"):
        engine.release(arguments.region_id)


def recover(arguments: argparse.Namespace) -> None:
    """Finish what killed commands left behind, and load again what was lost."""
    with (
        local_host.opened(arguments, glance=True) as here,
        here.engine(discover=False) as engine,
        _cores(here, engine) as (core_source, _),
    ):
        with progress.activity("recovering"):
            recovered = engine.discover() + engine.restore(core_source.bitstream_of)
        query_commands.print_regions(arguments, recovered)
        lost = [region for region in recovered if region.lost]
        if lost:
            raise errors.FpgaError(f"{len(lost)} region(s) could not be loaded again: {lost[0].id} is {lost[0].error}")
