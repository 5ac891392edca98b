# SPDX-License-Identifier: Apache-2.0
"""fpga-cli's commands: parse, call core, print."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import logging
import os
import pathlib
import sys
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from fpga_nova import errors, model, paths
from fpga_nova.cli import cores, options
from fpga_nova.core import archive, scratch, summary
from fpga_nova.core.cache import Cache
from fpga_nova.core.regions import Engine
from fpga_nova.core.store import Store

_EXIT_CODES = """
exit codes:
  0   done
  1   anything that has no code of its own; 2 wrong usage
  31  erase, release: failed, the region is         64  burn: no matching hardware
      quarantined                                   65  burn: no free region
  32  erase: region store not readable              66  burn: image or archive not found or not readable
  33  erase, release: unknown region                67  burn: archive or manifest not valid
  127 status: device not accessible                 68  burn: refused by policy
  128 any but erase: region store not readable      69  burn: programming or read-back failed

examples:
  fpga-cli burn dd834aa4-f950-40e6-8c23-9dab7f3f0138
  fpga-cli burn --file lzo.zip
  fpga-cli erase a0399bc1-cb67-4548-b0b8-aa95a91402d3
  fpga-cli --config-file ./try/fpga.conf status
"""

#: Most bytes of an archive that a person packs, checks or uploads; hosts have their own limit, max_archive_size.
_LOCAL_LIMIT = (1 << 32) - 1


def run(arguments: Sequence[str]) -> int:
    """Run the command that `arguments` name; return the exit code.

    :raises fpga_nova.errors.FpgaError: whatever went wrong, with the exit code in it
    """
    parsed = _parser().parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if parsed.debug else logging.CRITICAL,
        format="%(levelname)s %(name)s: %(message)s",
    )
    parsed.command(parsed)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fpga-cli",
        description="Program, erase and report the FPGA regions of this host.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config-file",
        metavar="FILE",
        default=paths.CONFIG_FILE,
        help=f"configuration (default: {paths.CONFIG_FILE}); a file of one's own with a state_path of one's own needs "
        "no root on a soft FPGA",
    )
    parser.add_argument("--debug", action="store_true", help="say on stderr what is done, and where an error came from")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, function: Any, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.set_defaults(command=function)
        return command

    burn = add("burn", _burn, "load an IP core into a free region and print the region's id")
    what = burn.add_mutually_exclusive_group(required=True)
    what.add_argument("image_id", metavar="IMAGE_ID", nargs="?", type=_uuid, help="Glance image of the IP core")
    what.add_argument("--file", metavar="ARCHIVE", type=pathlib.Path, help="a local IP-core archive instead")
    burn.add_argument("--owner", metavar="SERVER_ID", type=_uuid, help="the server that holds the region from now on")

    erase = add("erase", _erase, "wipe a region, prove it, and give it back")
    erase.add_argument("region_id", metavar="REGION_ID", nargs="?", help="id that burn printed")
    erase.add_argument(
        "--owner",
        metavar="SERVER_ID",
        type=_uuid,
        help="erase only what this server holds (all of it, without REGION_ID); holding nothing is no error",
    )

    add("status", _status, "print how many regions are used: 'Used regions: 1/2'")

    listing = add("list", _list, "list the regions of this host with their states")
    listing.add_argument("-f", "--format", choices=("table", "json"), default="table", help="default: table")

    release = add("release", _release, "wipe a quarantined region once more and offer it again if that is proved")
    release.add_argument("region_id", metavar="REGION_ID")

    add(
        "recover",
        _recover,
        "finish what was left behind, load again what was lost, and list what became of it",
    )

    pack = add("pack", _pack, "make an IP-core archive of a directory with a core.json")
    pack.add_argument("directory", metavar="DIRECTORY", type=pathlib.Path)
    pack.add_argument("-o", "--output", metavar="ARCHIVE", type=pathlib.Path, required=True)

    inspect = add("inspect", _inspect, "check an IP-core archive and print its manifest")
    inspect.add_argument("archive", metavar="ARCHIVE", type=pathlib.Path)

    upload = add(
        "upload",
        _upload,
        "check an IP-core archive, put it into Glance with its manifest, tag and properties, and print the image's id; "
        "credentials come from the environment (OS_*, clouds.yaml)",
    )
    upload.add_argument("archive", metavar="ARCHIVE", type=pathlib.Path)
    upload.add_argument("--id", metavar="IMAGE_ID", type=_uuid, help="id of the new image (default: Glance's choice)")
    upload.add_argument("--name", help="name of the new image (default: the IP core's)")
    upload.add_argument(
        "--visibility",
        choices=("public", "community", "shared", "private"),
        help="who may see it; hosts fetch it as fpga-cli's user, who must be among them (default: Glance's)",
    )
    return parser


def _burn(arguments: argparse.Namespace) -> None:
    conf = options.load([arguments.config_file], glance=arguments.file is None)
    with _engine(conf, arguments) as engine, _cores(conf, engine) as (core_source, directory):
        if arguments.file is not None:
            core = core_source.of_file(arguments.file)
        else:
            core = core_source.of_image(arguments.image_id, engine.choose)

        def unpack(entry: model.BitstreamEntry) -> model.Bitstream:
            path = core.unpack(entry, directory)
            return model.Bitstream(entry.sha256, entry.size, path, core.manifest.function_id)

        region = engine.burn(core.manifest, unpack, arguments.owner, arguments.image_id)
        try:
            print(region.id, flush=True)
        except OSError as error:
            # Whoever asked for the region is gone and never heard of it: it is nobody's.
            engine.erase(region.id)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the interpreter's own last flush
            raise errors.FpgaError(f"nobody took the region's id ({error.strerror}); it was erased again") from error


@contextlib.contextmanager
def _cores(conf: Any, engine: Engine) -> Iterator[tuple[cores.Cores, pathlib.Path]]:
    with scratch.directory(pathlib.Path(conf.fpga.state_path)) as directory, contextlib.ExitStack() as stack:
        yield cores.Cores(conf, engine.cache, directory, stack), directory


def _erase(arguments: argparse.Namespace) -> None:
    if arguments.region_id is None and arguments.owner is None:
        raise SystemExit(_usage("erase needs a REGION_ID or an --owner"))
    try:
        with _engine(_configuration(arguments), arguments) as engine:
            if arguments.region_id is None:
                engine.erase_held(arguments.owner)
            else:
                engine.erase(arguments.region_id, arguments.owner)
    except errors.StoreNotReadable as error:
        error.exit_code = errors.ERASE_STORE_NOT_READABLE
        raise
    except errors.UnknownRegion as error:
        message = f"cannot erase FPGA device with id {arguments.region_id!r} - unknown region"
        raise errors.UnknownRegion(message) from error


def _status(arguments: argparse.Namespace) -> None:
    with _engine(_configuration(arguments), arguments) as engine:
        print("Used regions: {}/{}".format(*engine.status()))


def _list(arguments: argparse.Namespace) -> None:
    with _engine(_configuration(arguments), arguments) as engine:
        _print_regions(engine.regions(), arguments.format)


def _recover(arguments: argparse.Namespace) -> None:
    conf = options.load([arguments.config_file], glance=True)
    with (
        _engine(conf, arguments, discover=False) as engine,
        _cores(conf, engine) as (core_source, _),
    ):
        recovered = engine.discover() + engine.restore(core_source.bitstream_of)
    _print_regions(recovered, "table")
    lost = [region for region in recovered if region.lost]
    if lost:
        raise errors.FpgaError(f"{len(lost)} region(s) could not be loaded again: {lost[0].id} is {lost[0].error}")


def _release(arguments: argparse.Namespace) -> None:
    with _engine(_configuration(arguments), arguments) as engine:
        engine.release(arguments.region_id)


def _pack(arguments: argparse.Namespace) -> None:
    archive.pack(arguments.directory, arguments.output)


def _inspect(arguments: argparse.Namespace) -> None:
    with cores.open_archive(arguments.archive) as file:
        core = archive.Archive(file, _LOCAL_LIMIT)
        core.verify()
        print(core.manifest_text.decode(), end="")


def _upload(arguments: argparse.Namespace) -> None:
    with cores.open_archive(arguments.archive) as file:
        core = archive.Archive(file, _LOCAL_LIMIT)
        core.verify()
        try:
            import openstack
        except ImportError as error:
            raise errors.FpgaError(
                "upload needs the Python package openstacksdk: install it beside fpga-nova"
            ) from error
        from fpga_nova.clients import glance

        try:
            session = openstack.connection.from_config().session
        except Exception as error:
            raise errors.FpgaError(f"no usable credentials in the environment (OS_*, clouds.yaml): {error}") from error
        attributes = {"id": arguments.id, "name": arguments.name, "visibility": arguments.visibility}
        file.seek(0)
        image_id = glance.GlanceImages(session).upload(
            file,
            core.manifest,
            core.manifest_text.decode(),
            **{key: value for key, value in attributes.items() if value is not None},
        )
    print(image_id)


def _configuration(arguments: argparse.Namespace) -> Any:
    return options.load([arguments.config_file])


@contextlib.contextmanager
def _engine(conf: Any, arguments: argparse.Namespace, discover: bool = True) -> Iterator[Engine]:
    state_path = pathlib.Path(conf.fpga.state_path)
    run_path = pathlib.Path(conf.fpga.run_path)
    # Taken before the drivers look: a file that changes meanwhile makes the next call look again.
    stamp = summary.configuration_stamp([arguments.config_file])
    store = Store(state_path, conf.fpga.lock_timeout)
    with contextlib.closing(store):
        drivers = options.driver_classes(conf.fpga.devices)
        devices = {name: driver(conf.fpga, state_path, run_path) for name, driver in drivers.items()}
        kept = Cache(state_path / "cache", conf.fpga.bitstream_cache_size << 20)
        engine = Engine(store, devices, state_path / "locks", conf.fpga.lock_timeout, stamp, kept)
        if discover:
            engine.discover()
        yield engine


def _print_regions(regions: Sequence[model.Region], form: str) -> None:
    if form == "json":
        print(json.dumps([dataclasses.asdict(region) for region in regions], indent=2))
        return
    if not regions:
        return
    import prettytable

    table = prettytable.PrettyTable(["ID", "Card", "Board", "State", "IP core", "Held by", "Reason"], align="l")
    for region in regions:
        table.add_row(
            [
                region.id,
                f"{region.card_id}/{region.index}",
                region.board,
                f"{region.state}, lost" if region.lost else region.state,
                region.core or "-",
                region.owner or "-",
                region.error or "-",
            ]
        )
    print(table)


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no UUID") from None


def _usage(message: str) -> int:
    print(f"Error: {message} (see --help)", file=sys.stderr)
    return 2
