# SPDX-License-Identifier: Apache-2.0
"""The commands of fpga-cli that load IP cores: burn, prefetch, recover.

Each takes plain steps: look the core up, judge its metadata, name the regions that fit, fetch it, judge its data, and
load one bitstream at a time.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import pathlib
import sys
from collections.abc import Iterator

from fpga_nova import errors, host_config, model
from fpga_nova.fpga_cli import local_host, output, progress, query_commands, tokens
from fpga_nova.ip_cores import core_lookup, policy
from fpga_nova.ip_cores.admission import Admission, AdmittedBitstream, AdmittedCore
from fpga_nova.ip_cores.archive import Archive
from fpga_nova.regions.engine import Engine
from fpga_nova.system import scratch


def burn(arguments: argparse.Namespace) -> None:
    """Load an IP core into a free region and print the region's id."""
    if arguments.token_stdin and arguments.file is not None:
        raise errors.WrongUsage("--token-stdin goes with an IMAGE_ID, not with --file (see --help)")
    with (
        local_host.opened(arguments, glance=arguments.file is None) as host,
        host.engine() as engine,
        contextlib.ExitStack() as stack,
    ):
        token = tokens.read() if arguments.token_stdin else None
        directory = stack.enter_context(scratch.directory(host.state_path))
        admission = Admission(host_config.admission_rules(host.conf), arguments.project)
        if arguments.file is not None:
            file = stack.enter_context(core_lookup.open_file(arguments.file))
            core: core_lookup.Core = Archive(file, _max_size(host))
        else:
            lookup = stack.enter_context(_image_lookup(host, directory, token))
            image = lookup.look_up(arguments.image_id)
            admission.check_image(image.info, image.manifest)
            if image.manifest is not None:
                engine.available_regions(image.manifest)
            core = _core_of(lookup, image, admission)
        admitted = AdmittedCore(core, admission, directory)
        with progress.activity(f"programming {core.manifest.name}") as report:
            region = burn_core(engine, admitted, arguments.owner, arguments.image_id, report)
        _hand_out(engine, region)


def burn_core(
    engine: Engine,
    core: AdmittedCore,
    owner: str | None = None,
    image_id: str | None = None,
    report: model.Progress | None = None,
) -> model.Region:
    """Load a core into the first candidate that takes it, unpacking one bitstream at a time; return the region.

    :raises fpga_nova.errors.NoMatchingHardware: no region of this host fits
    :raises fpga_nova.errors.NoFreeRegion: none is free, or other processes were quicker
    :raises fpga_nova.errors.ArchiveInvalid: a bitstream is not the one that the manifest declares, or contradicts it
    :raises fpga_nova.errors.RefusedByPolicy: the scanner refuses a bitstream
    :raises fpga_nova.errors.ProgrammingFailed: loading or read-back failed; the region was wiped, or quarantined
    """
    candidates = engine.candidates(core.manifest)
    for region, entry in candidates:
        rejection = _rejection(engine, core, region, entry)
        if rejection is not None:
            candidates.reject(region, rejection)
            continue
        burned = engine.program(region, core.manifest, core.bitstream(entry), owner, image_id, report)
        if burned is not None:
            return burned
    raise AssertionError("candidates end only by an error")


def _hand_out(engine: Engine, region: model.Region) -> None:
    """Print a burned region's id; erase the region again if the caller is gone and never heard of it."""
    try:
        print(region.id, flush=True)
    except OSError as error:
        engine.erase(region.id)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the interpreter's own last flush
        raise errors.FpgaError(
            f"the region's id could not be printed ({error.strerror}); the region was erased again"
        ) from error


def prefetch(arguments: argparse.Namespace) -> None:
    """Put the bitstreams of an image that fit this host into its cache, and print them."""
    with (
        local_host.opened(arguments, glance=True) as host,
        host.engine() as engine,
        scratch.directory(host.state_path) as directory,
        contextlib.ExitStack() as stack,
    ):
        # No server gets the core yet; each burn is judged again.
        admission = Admission(host_config.admission_rules(host.conf), policy.ANY_PROJECT)
        lookup = stack.enter_context(_image_lookup(host, directory))
        image = lookup.look_up(arguments.image_id)
        admission.check_image(image.info, image.manifest)
        if image.manifest is not None:
            engine.fitting_regions(image.manifest)
        core = _core_of(lookup, image, admission)
        entries = _keep_fitting(engine, AdmittedCore(core, admission, directory))
    columns = ("file", "sha256", "size", "board", "region_type", "interface_id")
    output.print_list(arguments, columns, columns[:5], [dataclasses.asdict(entry) for entry in entries])


def _keep_fitting(engine: Engine, core: AdmittedCore) -> list[model.BitstreamEntry]:
    """Cache the bitstreams that fit regions of this host; return their entries.

    :raises fpga_nova.errors.NoMatchingHardware: by their own headers none fits
    """
    fitting: dict[model.BitstreamEntry, AdmittedBitstream] = {}
    rejections = []
    for region, entry in engine.fitting_regions(core.manifest):
        if entry not in fitting:
            rejection = _rejection(engine, core, region, entry)
            if rejection is None:
                fitting[entry] = core.bitstream(entry)
            else:
                rejections.append(rejection)
    if not fitting:
        raise errors.NoMatchingHardware(rejections[-1])
    for bitstream in fitting.values():
        engine.keep(bitstream)
    return list(fitting)


def recover(arguments: argparse.Namespace) -> None:
    """Finish what killed commands left behind, and load lost regions again."""
    with (
        local_host.opened(arguments, glance=True) as host,
        host.engine(discover=False) as engine,
        scratch.directory(host.state_path) as directory,
    ):
        with progress.activity("recovering"):
            recovered = engine.recovery.discover()
            for region in engine.recovery.check_programmed():
                loaded = _load_again(host, engine, region, directory) if region.lost else region
                if loaded is not None:
                    recovered.append(loaded)
        query_commands.print_regions(arguments, recovered)
        lost = [region for region in recovered if region.lost]
        if lost:
            raise errors.FpgaError(f"{len(lost)} region(s) could not be loaded again: {lost[0].id} is {lost[0].error}")


def _load_again(
    host: local_host.LocalHost, engine: Engine, region: model.Region, directory: pathlib.Path
) -> model.Region | None:
    try:
        bitstream = _recorded_bitstream(host, region, directory)
    except errors.FpgaError as error:
        return engine.recovery.keep_lost(region, error)
    return engine.recovery.load_again(region, bitstream)


def _recorded_bitstream(host: local_host.LocalHost, region: model.Region, directory: pathlib.Path) -> model.Bitstream:
    """Return the bitstream that `region` is recorded with, from the cache or from its image.

    :raises fpga_nova.errors.FpgaError: it is not available any more; the text says what to do
    """
    sha256 = region.bitstream_sha256 or ""
    path = host.cache.take(sha256, directory)
    if path is None:
        advice = f"`fpga-cli erase {region.id}`, then burn it again"
        if region.image_id is None:
            raise errors.FpgaError(f"its bitstream is no longer kept here, and came from a local archive: {advice}")
        try:
            with _image_lookup(host, directory) as lookup:
                core = _core_of(lookup, lookup.look_up(region.image_id))
                entry = next((entry for entry in core.manifest.bitstreams if entry.sha256 == sha256), None)
                if entry is None:
                    raise errors.ImageNotAvailable(f"image {region.image_id} does not have its bitstream")
                path = core.unpack(entry, directory)
        except (errors.ImageNotAvailable, errors.ArchiveInvalid) as error:
            raise errors.FpgaError(f"{error}; when that is mended, `fpga-cli recover`, else {advice}") from error
    return model.Bitstream(sha256, path.stat().st_size, path, region.function_id)


def _core_of(
    lookup: core_lookup.CoreLookup, image: core_lookup.FoundImage, admission: Admission | None = None
) -> core_lookup.Core:
    """Return an image's core; its data are fetched, and judged, where the cache or the signature needs that."""
    if image.cached and (admission is None or not admission.needs_data):
        return lookup.cached_core(image)
    file = lookup.fetch(image.info, admission.data_hash if admission is not None else None)
    if admission is not None:
        admission.check_data()
    return lookup.open(image.info, file)


@contextlib.contextmanager
def _image_lookup(
    host: local_host.LocalHost, directory: pathlib.Path, token: str | None = None
) -> Iterator[core_lookup.CoreLookup]:
    """Give the way to Glance's IP cores.

    :param token: a Keystone token to read Glance with; None for fpga-cli's own credentials. A user who may see an
        image may perhaps not download it, so with a token Glance is asked for the data each time
    :raises fpga_nova.errors.ImageNotAvailable: there are no usable credentials
    """
    from fpga_nova.clients import glance

    session, adapter = glance.session_from_conf(host.conf, "fpga")
    source = (
        glance.GlanceImages(session, **adapter)
        if token is None
        else glance.GlanceImages.with_token(token, session, **adapter)
    )
    with (
        progress.download() as report,
        core_lookup.CoreLookup(source, host.cache, directory, _max_size(host), token is not None, report) as lookup,
    ):
        yield lookup


def _max_size(host: local_host.LocalHost) -> int:
    return int(host.conf.fpga.max_archive_size) << 20


def _rejection(engine: Engine, core: AdmittedCore, region: model.Region, entry: model.BitstreamEntry) -> str | None:
    """Return why a bitstream is not for `region` by its own header, as a message; None if it may be."""
    header = core.bitstream(entry).header
    reason = engine.incompatibility(region, header) if header is not None else None
    if header is None or reason is None:
        return None
    return (
        f"{entry.file} of IP core {core.manifest.name!r} was by its own header ({header.format}) not built for region "
        f"{region.id}: {reason}"
    )
