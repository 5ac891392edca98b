# SPDX-License-Identifier: Apache-2.0
"""The arguments of fpga-cli.

This parser is the one source of the help, the manual page and the shell completions.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Callable

from fpga_nova import paths
from fpga_nova.system import uuids

#: Adds a command: its name, its function as `module:function` in this package, and what it does.
Add = Callable[[str, str, str], argparse.ArgumentParser]

PROGRAM = "fpga-cli"
DESCRIPTION = "Program, erase and report the FPGA regions of this host."

EPILOG = """
exit codes:
  0   done
  1   any error without a code of its own           2   wrong usage
  130 interrupted                                   141 the reader of the output is gone
  31  erase, release: failed, the region is         64  burn: no matching hardware
      quarantined                                   65  burn: no free region
  32  erase: region store not readable              66  burn: image or archive not found or not readable
  33  any with REGION_ID: unknown region            67  burn: archive or manifest not valid
  127 status: device not accessible                 68  burn: refused by policy
  128 any but erase: region store not readable      69  burn, verify: programming or read-back failed

examples:
  fpga-cli burn dd834aa4-f950-40e6-8c23-9dab7f3f0138
  fpga-cli burn --file lzo.zip
  fpga-cli erase a0399bc1-cb67-4548-b0b8-aa95a91402d3
  fpga-cli list -f value -c id -c state
  fpga-cli --config-file ./try/fpga.conf status
"""


def build() -> argparse.ArgumentParser:
    """Return the parser.

    Its result has `command` (the name), `function` (where the function that carries it out stands, as
    `module:function`) and the command's own arguments.
    """
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config-file",
        metavar="FILE",
        default=paths.CONFIG_FILE,
        help=f"configuration (default: {paths.CONFIG_FILE}); with a file and a state_path of "
        "your own, a soft FPGA needs no root",
    )
    parser.add_argument("--debug", action="store_true", help="log to stderr what is done, and where an error came from")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)

    def add(name: str, function: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.set_defaults(function=f"{__package__}.{function}")
        return command

    _add_hardware(add)
    _add_reports(add)
    _add_archives(add)
    return parser


def _add_hardware(add: Add) -> None:
    burn = add("burn", "loading_commands:burn", "load an IP core into a free region and print the region's id")
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

    burn.add_argument(
        "--token-stdin",
        action="store_true",
        help="fetch the image with a Keystone token, one line on standard input, in place of fpga-cli's own "
        "credentials: only an image that the token's user may download is loaded",
    )

    prefetch = add(
        "prefetch",
        "loading_commands:prefetch",
        "put the bitstreams of an image that fit this host into its cache, so that a burn need not fetch them",
    )
    prefetch.add_argument("image_id", metavar="IMAGE_ID", type=_uuid, help="Glance image of the IP core")
    _add_form(prefetch)

    erase = add("erase", "region_commands:erase", "wipe a region, prove it, and give it back")
    erase.add_argument("region_id", metavar="REGION_ID", nargs="?", help="id that burn printed")
    erase.add_argument(
        "--owner",
        metavar="SERVER_ID",
        type=_uuid,
        help="erase only regions that this server holds (all of them, without REGION_ID); holding none is not an error",
    )

    verify = add(
        "verify", "region_commands:verify", "ask the cards whether the regions hold what the region store says"
    )
    verify.add_argument("region_id", metavar="REGION_ID", nargs="?", help="only this one")
    _add_form(verify)

    quarantine = add(
        "quarantine",
        "region_commands:quarantine",
        "take a region out of service until it is released, without touching the card",
    )
    quarantine.add_argument("region_id", metavar="REGION_ID", help="id of the region")
    quarantine.add_argument("--reason", metavar="TEXT", required=True, help="why, for the operator who finds it so")

    release = add(
        "release", "region_commands:release", "wipe a quarantined region once more and offer it again if that is proved"
    )
    release.add_argument("region_id", metavar="REGION_ID", help="id of the region")

    _add_form(
        add(
            "recover",
            "loading_commands:recover",
            "finish what killed commands left behind, load lost regions again, and list what became of them",
        )
    )


def _add_reports(add: Add) -> None:
    add("status", "query_commands:status", "print how many regions are used: 'Used regions: 1/2'")
    _add_form(add("list", "query_commands:list_regions", "list the regions of this host with their states"))

    show = add("show", "query_commands:show", "show everything about a region and its card")
    show.add_argument("region_id", metavar="REGION_ID", help="id of the region")
    _add_form(show)

    history = add(
        "history",
        "report_commands:history",
        "list what was done to the regions, and the user who did it, newest first, from the audit log",
    )
    history.add_argument("region_id", metavar="REGION_ID", nargs="?", help="only entries of this region")
    history.add_argument("--limit", metavar="N", type=_positive, default=50, help="most entries (default: 50)")
    _add_form(history)

    metrics = add(
        "metrics",
        "report_commands:metrics",
        "print metrics of regions, cards and commands for Prometheus's textfile collector",
    )
    metrics.add_argument(
        "--output",
        metavar="FILE",
        type=pathlib.Path,
        help="replace this file, in one step and readable for all, instead of printing; *.prom in the collector's "
        "directory",
    )


def _add_archives(add: Add) -> None:
    pack = add("pack", "archive_commands:pack", "make an IP-core archive of a directory with a core.json")
    pack.add_argument("directory", metavar="DIRECTORY", type=pathlib.Path, help="where the core.json is")
    pack.add_argument("-o", "--output", metavar="ARCHIVE", type=pathlib.Path, required=True, help="file to write")

    inspect = add("inspect", "archive_commands:inspect", "check an IP-core archive and print its manifest")
    inspect.add_argument("archive", metavar="ARCHIVE", type=pathlib.Path, help="file to check")
    _add_form(inspect, "on a terminal a table, else the manifest as it stands")

    upload = add(
        "upload",
        "archive_commands:upload",
        "check an IP-core archive, put it into Glance with its manifest, tag and properties, and print the image's id; "
        "credentials come from the environment (OS_*, clouds.yaml)",
    )
    upload.add_argument("archive", metavar="ARCHIVE", type=pathlib.Path, help="file to put into Glance")
    upload.add_argument("--id", metavar="IMAGE_ID", type=_uuid, help="id of the new image (default: Glance's choice)")
    upload.add_argument("--name", help="name of the new image (default: the IP core's)")
    upload.add_argument(
        "--visibility",
        choices=("public", "community", "shared", "private"),
        help="visibility of the image, which fpga-cli's user on the hosts must be allowed to see (default: Glance's)",
    )


def _add_form(command: argparse.ArgumentParser, default: str = "table") -> None:
    command.add_argument(
        "-f", "--format", choices=("table", "json", "yaml", "value"), help=f"form of the output (default: {default})"
    )
    command.add_argument(
        "-c",
        "--column",
        metavar="COLUMN",
        action="append",
        default=[],
        help="print only this column, a key of -f json; may be given several times",
    )


def _project(text: str) -> str:
    """Return a project's id as Keystone gives it: without dashes."""
    return _uuid(text).replace("-", "")


def _uuid(text: str) -> str:
    value = uuids.canonical(text)
    if value is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a UUID")
    return value


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 0 < value <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 1000000")
    return value
