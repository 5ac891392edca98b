# SPDX-License-Identifier: Apache-2.0
"""fpga-cli's commands that touch cards, or what is offered of them."""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import sys
from collections.abc import Iterator
from typing import IO

from fpga_nova import errors, model
from fpga_nova.cli import archives, host, output, progress, regions
from fpga_nova.core import archive, images, scratch
from fpga_nova.core.regions import VERIFIABLE, Engine


def burn(arguments: argparse.Namespace) -> None:
    """Load an IP core into a free region and print the region's id."""
    with host.opened(arguments, glance=arguments.file is None) as here:
        max_size = here.conf.fpga.max_archive_size << 20
        with (
            here.engine() as engine,
            scratch.directory(here.state_path) as directory,
            _archive_file(arguments, here, engine, max_size, directory) as file,
        ):
            core = archive.Archive(file, max_size)

            def unpack(entry: model.BitstreamEntry) -> model.Bitstream:
                path = core.unpack(entry, directory)
                return model.Bitstream(entry.sha256, entry.size, path, core.manifest.function_id)

            with progress.activity(f"programming {core.manifest.name}"):
                region = engine.burn(core.manifest, unpack, arguments.owner, arguments.image_id)
    print(region.id)


@contextlib.contextmanager
def _archive_file(
    arguments: argparse.Namespace, here: host.Host, engine: Engine, max_size: int, directory: pathlib.Path
) -> Iterator[IO[bytes]]:
    if arguments.file is not None:
        with archives.open_archive(arguments.file) as file:
            yield file
        return
    from fpga_nova.clients import glance

    session, adapter = glance.session_from_conf(here.conf, "fpga")
    source = glance.GlanceImages(session, **adapter)
    info, manifest = images.show(source, arguments.image_id, max_size)
    if manifest is not None:
        engine.choose(manifest)  # a core that no region here can take costs no download
    with progress.bar(f"image {info.name or info.id}") as report, images.fetch(source, info, directory, report) as file:
        yield file


def erase(arguments: argparse.Namespace) -> None:
    """Wipe a region, or all that an owner holds."""
    if arguments.region_id is None and arguments.owner is None:
        print("Error: erase needs a REGION_ID or an --owner (see --help)", file=sys.stderr)
        raise SystemExit(2)
    with (
        host.opened(arguments) as here,
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
    with host.opened(arguments) as here, here.engine() as engine:
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
                results.append({**regions.record(engine.region(region.id)), "result": result})
                if error is not None:
                    results[-1]["error"] = error
        short = ("id", "card_id", "index", "state", "core", "result", "error")
        output.print_list(arguments, (*regions.COLUMNS, "result"), short, results)
        if failures:
            worst = next((error for error in failures if isinstance(error, errors.ReadBackMismatch)), failures[0])
            if len(asked) > 1:
                worst = type(worst)(f"{len(failures)} of {len(asked)} regions cannot be verified; the first: {worst}")
            raise worst


def quarantine(arguments: argparse.Namespace) -> None:
    """Take a region out of what is offered."""
    # Without a look for cards: one that hangs is a good reason to quarantine its regions.
    with host.opened(arguments) as here, here.engine(discover=False) as engine:
        engine.quarantine(arguments.region_id, arguments.reason)


def release(arguments: argparse.Namespace) -> None:
    """Wipe a quarantined region once more, and offer it again."""
    with host.opened(arguments) as here, here.engine() as engine, progress.activity("erasing"):
        engine.release(arguments.region_id)


def recover(arguments: argparse.Namespace) -> None:
    """Finish what killed commands left behind."""
    with host.opened(arguments) as here, here.engine(discover=False) as engine, progress.activity("recovering"):
        recovered = engine.discover()
    regions.print_regions(arguments, recovered)
