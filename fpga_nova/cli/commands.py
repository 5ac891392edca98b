# SPDX-License-Identifier: Apache-2.0
"""fpga-cli's commands: parse, call core, print."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import logging
import pathlib
import sys
import uuid
from collections.abc import Iterator, Sequence
from typing import IO, Any

from fpga_nova import errors, model, paths
from fpga_nova.cli import options
from fpga_nova.core import archive, images, scratch, summary
from fpga_nova.core.admission import Admission, Admitted, Rules
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

    burn.add_argument(
        "--project",
        metavar="PROJECT_ID",
        type=_project,
        help="the project of that server, which the policy_file may ask for",
    )

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

    add("recover", _recover, "finish what killed commands left behind, and list what became of it")

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
    max_size = conf.fpga.max_archive_size << 20
    rules = options.rules(conf)
    with (
        _engine(conf, arguments) as engine,
        scratch.directory(pathlib.Path(conf.fpga.state_path)) as directory,
        _archive_file(arguments, conf, rules, engine, max_size, directory) as (file, admission),
    ):
        core = archive.Archive(file, max_size)
        admitted = Admitted(core, admission, directory)
        region = engine.burn(core.manifest, admitted.bitstream, arguments.owner, arguments.image_id)
    print(region.id)


@contextlib.contextmanager
def _archive_file(
    arguments: argparse.Namespace, conf: Any, rules: Rules, engine: Engine, max_size: int, directory: pathlib.Path
) -> Iterator[tuple[IO[bytes], Admission]]:
    """Give the archive's file, and the judgement of it as far as it goes without the archive's manifest."""
    if arguments.file is not None:
        admission = Admission(rules, arguments.project)
        with _open(arguments.file) as file:
            yield file, admission
        return
    from fpga_nova.cli import progress
    from fpga_nova.clients import glance

    session, adapter = glance.session_from_conf(conf, "fpga")
    source = glance.GlanceImages(session, **adapter)
    info, manifest = images.show(source, arguments.image_id, max_size)
    admission = Admission(rules, arguments.project, info)
    # A core that is refused, or that no region here can take, costs no download.
    admission.before_download(manifest)
    if manifest is not None:
        engine.choose(manifest)
    with (
        progress.bar(f"image {info.name or info.id}") as report,
        images.fetch(source, info, directory, report, admission.update) as file,
    ):
        admission.after_download()
        yield file, admission


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
    with _engine(_configuration(arguments), arguments, discover=False) as engine:
        recovered = engine.discover()
    _print_regions(recovered, "table")


def _release(arguments: argparse.Namespace) -> None:
    with _engine(_configuration(arguments), arguments) as engine:
        engine.release(arguments.region_id)


def _pack(arguments: argparse.Namespace) -> None:
    archive.pack(arguments.directory, arguments.output)


def _inspect(arguments: argparse.Namespace) -> None:
    with _open(arguments.archive) as file:
        core = archive.Archive(file, _LOCAL_LIMIT)
        core.verify()
        print(core.manifest_text.decode(), end="")


def _upload(arguments: argparse.Namespace) -> None:
    with _open(arguments.archive) as file:
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
        engine = Engine(store, devices, state_path / "locks", conf.fpga.lock_timeout, stamp)
        if discover:
            engine.discover()
        yield engine


def _open(path: pathlib.Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise errors.ImageNotAvailable(f"archive {path} cannot be read: {error.strerror}") from error


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
                region.state,
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


def _project(text: str) -> str:
    """Take a project's id with or without dashes, and give it as Keystone does: without."""
    return _uuid(text).replace("-", "")


def _usage(message: str) -> int:
    print(f"Error: {message} (see --help)", file=sys.stderr)
    return 2
