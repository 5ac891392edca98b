# SPDX-License-Identifier: Apache-2.0
"""fpga-cli's arguments: the one source of its help, its manual page and its shell completion."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Callable

from fpga_nova import paths
from fpga_nova.system import uuids

#: Takes a command's name and what it does.
Add = Callable[[str, str], argparse.ArgumentParser]

PROGRAM = "fpga-cli"
DESCRIPTION = "Program, erase and report the FPGA regions of this host."

EPILOG = """
exit codes:
  0   done
  1   anything that has no code of its own; 2 wrong usage
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

#: Module of fpga_nova.fpga_cli and function in it that carry out a command; imported only when it is asked for.
FUNCTIONS = {
    "burn": "region_commands:burn",
    "prefetch": "region_commands:prefetch",
    "erase": "region_commands:erase",
    "status": "query_commands:status",
    "list": "query_commands:list_regions",
    "show": "query_commands:show",
    "verify": "region_commands:verify",
    "quarantine": "region_commands:quarantine",
    "release": "region_commands:release",
    "recover": "region_commands:recover",
    "history": "report_commands:history",
    "metrics": "report_commands:metrics",
    "pack": "archive_commands:pack",
    "inspect": "archive_commands:inspect",
    "upload": "archive_commands:upload",
}


def build() -> argparse.ArgumentParser:
    """Return the parser; what it parses has `command` (a key of FUNCTIONS) and the command's arguments."""
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
        help=f"configuration (default: {paths.CONFIG_FILE}); a file of one's own with a state_path of one's own needs "
        "no root on a soft FPGA",
    )
    parser.add_argument("--debug", action="store_true", help="say on stderr what is done, and where an error came from")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")

    _add_hardware(add)
    _add_reports(add)
    _add_archives(add)
    return parser


def _add_hardware(add: Add) -> None:
    burn = add("burn", "load an IP core into a free region and print the region's id")
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
        "credentials: only what its owner may download is loaded",
    )

    prefetch = add("prefetch", "bring what of an image fits this host into its cache, so that a burn need not fetch it")
    prefetch.add_argument("image_id", metavar="IMAGE_ID", type=_uuid, help="Glance image of the IP core")
    _add_form(prefetch)

    erase = add("erase", "wipe a region, prove it, and give it back")
    erase.add_argument("region_id", metavar="REGION_ID", nargs="?", help="id that burn printed")
    erase.add_argument(
        "--owner",
        metavar="SERVER_ID",
        type=_uuid,
        help="erase only what this server holds (all of it, without REGION_ID); holding nothing is no error",
    )

    verify = add("verify", "ask the cards whether regions hold what the region store says")
    verify.add_argument("region_id", metavar="REGION_ID", nargs="?", help="only this one")
    _add_form(verify)

    quarantine = add("quarantine", "offer a region no more, whatever happens, until it is released; touches no card")
    quarantine.add_argument("region_id", metavar="REGION_ID", help="id of the region")
    quarantine.add_argument("--reason", metavar="TEXT", required=True, help="why, for whoever finds it so")

    release = add("release", "wipe a quarantined region once more and offer it again if that is proved")
    release.add_argument("region_id", metavar="REGION_ID", help="id of the region")

    _add_form(add("recover", "finish what was left behind, load again what was lost, and list what became of it"))


def _add_reports(add: Add) -> None:
    add("status", "print how many regions are used: 'Used regions: 1/2'")
    _add_form(add("list", "list the regions of this host with their states"))

    show = add("show", "show all that is known of a region and its card")
    show.add_argument("region_id", metavar="REGION_ID", help="id of the region")
    _add_form(show)

    history = add("history", "list what was done to the regions and by whom, newest first, from the audit log")
    history.add_argument("region_id", metavar="REGION_ID", nargs="?", help="only what was done to this one")
    history.add_argument("--limit", metavar="N", type=_positive, default=50, help="most entries (default: 50)")
    _add_form(history)

    metrics = add("metrics", "print metrics of regions, cards and commands for Prometheus's textfile collector")
    metrics.add_argument(
        "--output",
        metavar="FILE",
        type=pathlib.Path,
        help="replace this file, in one step and readable for all, instead of printing; *.prom in the collector's "
        "directory",
    )


def _add_archives(add: Add) -> None:
    pack = add("pack", "make an IP-core archive of a directory with a core.json")
    pack.add_argument("directory", metavar="DIRECTORY", type=pathlib.Path, help="where the core.json is")
    pack.add_argument("-o", "--output", metavar="ARCHIVE", type=pathlib.Path, required=True, help="file to write")

    inspect = add("inspect", "check an IP-core archive and print its manifest")
    inspect.add_argument("archive", metavar="ARCHIVE", type=pathlib.Path, help="file to check")
    _add_form(inspect, "on a terminal a table, else the manifest as it stands")

    upload = add(
        "upload",
        "check an IP-core archive, put it into Glance with its manifest, tag and properties, and print the image's id; "
        "credentials come from the environment (OS_*, clouds.yaml)",
    )
    upload.add_argument("archive", metavar="ARCHIVE", type=pathlib.Path, help="file to put into Glance")
    upload.add_argument("--id", metavar="IMAGE_ID", type=_uuid, help="id of the new image (default: Glance's choice)")
    upload.add_argument("--name", help="name of the new image (default: the IP core's)")
    upload.add_argument(
        "--visibility",
        choices=("public", "community", "shared", "private"),
        help="who may see it; hosts fetch it as fpga-cli's user, who must be among them (default: Glance's)",
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
    """Take a project's id with or without dashes, and give it as Keystone does: without."""
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
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 1000000")
    return value
