# SPDX-License-Identifier: Apache-2.0
"""fpga-nova's arguments: the one source of its help, its manual page and its shell completion."""

from __future__ import annotations

import argparse
import pathlib
import pwd
import sys
from collections.abc import Callable, Sequence
from typing import Any

from fpga_nova import paths
from fpga_nova.doctor import roles
from fpga_nova.patcher import watch

#: Takes an action's name, what it does, and its function in fpga_nova.fpga_nova_cli.
Add = Callable[[str, str, str], argparse.ArgumentParser]

PROGRAM = "fpga-nova"
DESCRIPTION = "FPGAs as a resource of OpenStack Nova: patch Nova, and look for what a host lacks."

EPILOG = """\
examples:
  fpga-nova patch check            say whether the patches fit this Nova
  fpga-nova patch apply            patch it
  fpga-nova doctor                 look for what is missing or unsafe on this host
  fpga-nova patch revert           take the patches back

`fpga-nova patch --help` and `fpga-nova doctor --help` say what each does, and its exit codes.
"""

PATCH_EPILOG = """\
exit codes:
  0  done, or there was nothing to do
  1  refused or failed: one line says why, and nothing was touched
  2  the command line is wrong
  and for status: 0 patched, 3 not patched, 4 partly patched, 5 changed since, 6 patched by another version of fpga-nova

what to do after an apply, once per cloud:
  nova-manage db sync              adds the columns; harmless when repeated
  [filter_scheduler]               enabled_filters must have FpgaFilter
  restart every Nova service       conductor first, then the others

what may follow on the last revert, once per cloud, when every service was restarted unpatched:
  fpga-nova patch drop-columns     drops the columns of every cell; they may as well stay

where Nova is of Debian's packages:
  fpga-nova patch watch reapply    whenever they are upgraded, the patch is applied again
  fpga-nova patch watch warn       ... or you are told that it is gone

The record of what was done lies in the directory .fpga-nova inside Nova's package.
"""

DOCTOR_EPILOG = """\
what it looks at, each in a line with the fix:
  everywhere   is the Nova of this Python patched, and that of the services that run here; did they restart since;
               is it one version of fpga-nova
  scheduler    is FpgaFilter enabled, and can it be loaded
  api          is hw:fpga_ip_id validated; does Glance take the container format fpga
  conductor    are the columns there in every cell; do compute nodes report regions
  compute      fpga_access, fpga_simulation_mode, fpga_exec; does rootwrap admit what Nova calls and nothing more;
               can only root change what runs as root; fpga-cli's configuration and credentials; and, as
               nova-compute's user through sudo and rootwrap, `fpga-cli status`

A host has the roles of the services that run on it; one with a database in nova.conf is taken for a controller (all
of api, scheduler and conductor), one with a compute_driver or fpga_access for a compute host. --role says otherwise.
Checks for other roles say that they do not apply. Run it as root, with the Python that runs Nova, on every host.
Nothing is changed.

exit codes, as of `nova-status upgrade check`:
  0    all is well
  1    warnings: it may be meant so, or something could not be looked at
  2    failures: FPGAs do not work, or are not safe; or this Python has no Nova
  255  a check broke; --debug shows where
  64   the command line is wrong

examples:
  fpga-nova doctor
  fpga-nova doctor --config-file /etc/nova/nova.conf --config-file /etc/nova/nova-cpu.conf --role compute
  fpga-nova doctor --json | jq '.checks[] | select(.result > 0)'
"""


class Parser(argparse.ArgumentParser):
    """A parser that knows its own exit code for wrong usage.

    :param usage_code: the code; 2 is argparse's, and a failure of the doctor
    """

    def __init__(self, *args: Any, usage_code: int = 2, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **kwargs)
        self._usage_code = usage_code
        self.set_defaults(parser=self)

    def error(self, message: str) -> None:  # type: ignore[override]
        """Print usage and message, and exit."""
        self.print_usage(sys.stderr)
        self.exit(self._usage_code, f"{self.prog}: error: {message}\n")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; `function` of them is the command's, as "module:function"."""
    arguments, unknown = build().parse_known_args(argv)
    if unknown:
        # By the command's own parser, which has its usage and its exit code; parse_args leaves it to the outermost.
        arguments.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return arguments


def build() -> argparse.ArgumentParser:
    """Return the parser; what it parses has `function`, "module:function", and the command's arguments."""
    parser = Parser(prog=PROGRAM, description=DESCRIPTION, epilog=EPILOG)
    commands = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    patch = commands.add_parser(
        "patch",
        help="patch a Nova, or take the patch back",
        description="Patch the Nova that this interpreter would import, or the one at PATH. Nova is not imported.",
        epilog=PATCH_EPILOG,
    )
    actions = patch.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")

    def add(name: str, text: str, function: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=PATCH_EPILOG)
        action.set_defaults(function=f"fpga_nova.fpga_nova_cli.{function}")
        return action

    _add_patch(add)
    _add_watch(add)
    _add_drop_columns(add)
    _add_doctor(
        commands.add_parser(
            "doctor",
            help="look for what is missing or unsafe on this host",
            description="Look for what is missing or unsafe for FPGAs in Nova on this host.",
            epilog=DOCTOR_EPILOG,
            usage_code=64,
        )
    )
    return parser


def _add_patch(add: Add) -> None:
    _add_nova(add("check", "say whether the series would apply; changes nothing", "patch:check"))
    _add_nova(add("apply", "apply it, all or nothing; completes one that was cut short", "patch:apply"))
    _add_nova(add("status", "say what this Nova is; changes nothing", "patch:status"))
    revert = add("revert", "put back the very bytes from before", "patch:revert")
    _add_nova(revert)
    revert.add_argument(
        "--force", action="store_true", help="also put back files that were changed since; their changes are lost"
    )


def _add_watch(add: Add) -> None:
    watching = add(
        "watch",
        "say what is done after an upgrade of Debian's packages of Nova, or choose it",
        "patch:set_watch",
    )
    _add_nova(watching)
    watching.add_argument(
        "mode",
        nargs="?",
        choices=[mode.value for mode in watch.Mode],
        help="reapply: apply the patch again, or warn where it does not fit; warn: only warn; off: do nothing",
    )
    upgraded = add(
        "upgraded",
        "look at a Nova whose package was just changed; what `watch` sets up does the same",
        "patch:upgraded",
    )
    _add_nova(upgraded)
    upgraded.add_argument("--reapply", action="store_true", help="apply the patch again where it was taken away")


def _add_nova(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--nova",
        type=pathlib.Path,
        metavar="PATH",
        help="Nova's package directory, or what contains it: a site-packages, a source checkout",
    )


def _add_drop_columns(add: Add) -> None:
    drop = add(
        "drop-columns",
        "drop the columns in the database of every cell, when no Nova of the cloud is patched any more",
        "databases:drop_columns",
    )
    _add_nova_config(drop, "of Nova; by default what Nova finds, /etc/nova/nova.conf; may be repeated")
    drop.add_argument("--dry-run", action="store_true", help="say what would be dropped, and drop nothing")
    drop.add_argument(
        "--force", action="store_true", help="also where servers hold regions; their regions are then forgotten"
    )


def _add_nova_config(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("--config-file", action="append", default=[], metavar="PATH", help=text)
    command.add_argument(
        "--config-dir", action="append", default=[], metavar="PATH", help="the same, a directory of such files"
    )


def _add_doctor(doctor: argparse.ArgumentParser) -> None:
    doctor.set_defaults(function="fpga_nova.fpga_nova_cli.doctor:run")
    _add_nova_config(
        doctor,
        "of Nova, as its services are given it, may be repeated; by default what Nova finds, /etc/nova/nova.conf",
    )
    doctor.add_argument(
        "--fpga-config", type=pathlib.Path, default=pathlib.Path(paths.CONFIG_FILE), metavar="PATH",
        help="fpga-cli's configuration, %(default)s",
    )  # fmt: skip
    doctor.add_argument(
        "--role", action="append", default=[], choices=roles.ROLES,
        help="what this host is, may be repeated; by default what it is seen to be",
    )  # fmt: skip
    doctor.add_argument(
        "--nova-user", type=_user, metavar="USER",
        help="the user that nova-compute runs as; by default the one it is seen to run as, or nova",
    )  # fmt: skip
    doctor.add_argument("--json", action="store_true", help="print JSON: 0, 1, 2 are success, warning, failure")
    doctor.add_argument("--debug", action="store_true", help="show warnings, and the traceback of a check that broke")


def _user(name: str) -> str:
    try:
        pwd.getpwnam(name)
    except KeyError:
        raise argparse.ArgumentTypeError(f"there is no user {name}") from None
    return name
