# SPDX-License-Identifier: Apache-2.0
"""The command `fpga-nova doctor`: its command line, its checks, and how it shows them."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import pathlib
import pwd
import sys
import warnings
from collections.abc import Callable, Sequence

from oslo_config import cfg
from oslo_upgradecheck import upgradecheck
from oslo_upgradecheck.upgradecheck import Code, Result

from fpga_nova import errors, paths
from fpga_nova.doctor import code, control, database, host, rootwrap, site
from fpga_nova.doctor.findings import Finding

#: Exit code where a check itself broke, as of `nova-status upgrade check`.
UNEXPECTED = 255

_ALL: frozenset[str] = frozenset()
_DATABASE = frozenset({"api", "conductor", "scheduler"})


@dataclasses.dataclass(frozen=True)
class Check:
    """One row of the table.

    :param look: returns what is well, raises a Finding or an FpgaError where it is not
    :param roles: it is for hosts that have one of them; empty for all
    """

    title: str
    look: Callable[[site.Site], str]
    roles: frozenset[str] = _ALL


CHECKS = (
    Check("Nova's configuration", code.configuration),
    Check("Patch of Nova", code.patch),
    Check("Services of Nova that run here", code.services),
    Check("Versions of fpga-nova", code.versions),
    Check("FpgaFilter", control.scheduler_filter, frozenset({"scheduler"})),
    Check("Extra spec hw:fpga_ip_id", control.extra_spec, frozenset({"api"})),
    Check("Columns in Nova's database", database.columns, _DATABASE),
    Check("Regions that compute nodes report", database.compute_nodes, _DATABASE),
    Check("Glance's container format", control.container_format, frozenset({"api"})),
    Check("Options of nova-compute", host.options, frozenset({"compute"})),
    Check("The executable fpga_exec", host.executable, frozenset({"compute"})),
    Check("rootwrap: what it admits", rootwrap.admission, frozenset({"compute"})),
    Check("rootwrap: who can change that", rootwrap.files, frozenset({"compute"})),
    Check("fpga-cli's configuration", host.configuration, frozenset({"compute"})),
    Check("fpga-cli's credentials", control.credentials, frozenset({"compute"})),
    Check("fpga_exec as nova-compute runs it", host.status, frozenset({"compute"})),
)

_EPILOG = """\
what it looks at, each in a line with the fix:
  everywhere   is the Nova of this Python patched, and that of the services that run here; were they restarted since;
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
  2    failures: FPGAs do not work, or are not safe
  255  a check broke; --debug shows where
  64   the command line is wrong

examples:
  fpga-nova doctor
  fpga-nova doctor --config-file /etc/nova/nova.conf --config-file /etc/nova/nova-cpu.conf --role compute
  fpga-nova doctor --json | jq '.checks[] | select(.result > 0)'
"""


class Doctor(upgradecheck.UpgradeCommands):
    """The checks, in the form that oslo.upgradecheck runs and shows them."""

    display_title = "fpga-nova doctor"

    def __init__(self, where: site.Site, debug: bool) -> None:
        self._site = where
        self._debug = debug
        self._broken = False
        self._upgrade_checks = tuple((check.title, (Doctor._look, {"check": check})) for check in CHECKS)

    def check(self) -> int:  # type: ignore[override]
        """Run all checks and print them; return the exit code."""
        result = super().check()
        return UNEXPECTED if self._broken else int(result)

    def _look(self, check: Check) -> Result:
        if check.roles and not check.roles & self._site.roles:
            return Result(Code.SUCCESS, f"does not apply: this host is not {' or '.join(sorted(check.roles))}")
        try:
            return Result(Code.SUCCESS, check.look(self._site))
        except Finding as finding:
            return Result(finding.code, str(finding))
        except errors.FpgaError as error:
            return Result(Code.FAILURE, str(error))
        except Exception as error:
            if self._debug:
                raise
            # One check that breaks must not take the others' answers with it.
            self._broken = True
            text = errors.one_line(f"unexpected {type(error).__name__}: {error} (--debug shows where)")
            return Result(Code.FAILURE, text)


def main(argv: Sequence[str]) -> int:
    """Run the command line; return the exit code."""
    arguments = _parser().parse_args(argv)
    if not arguments.debug:
        # What Nova's modules say while they are imported is not the operator's business here.
        logging.getLogger().addHandler(logging.NullHandler())
        warnings.simplefilter("ignore")
    where = site.Site(
        arguments.config_file, arguments.config_dir, arguments.fpga_config, arguments.role, arguments.nova_user
    )
    return upgradecheck.main(
        cfg.ConfigOpts(),
        "fpga-nova-doctor",
        Doctor(where, arguments.debug),
        argv=["upgrade", "check", *(["--json"] if arguments.json else [])],
        default_config_files=[],
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        """Exit with a code that is none of the checks'."""
        self.print_usage(sys.stderr)
        self.exit(64, f"{self.prog}: error: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fpga-nova doctor",
        description="Look for what is missing or unsafe for FPGAs in Nova on this host.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config-file", action="append", default=[], metavar="PATH",
        help="of Nova, as its services are given it, may be repeated; by default what Nova finds, /etc/nova/nova.conf",
    )  # fmt: skip
    parser.add_argument(
        "--config-dir", action="append", default=[], metavar="PATH", help="the same, a directory of such files"
    )
    parser.add_argument(
        "--fpga-config", type=pathlib.Path, default=pathlib.Path(paths.CONFIG_FILE), metavar="PATH",
        help="fpga-cli's configuration, %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--role", action="append", default=[], choices=site.ROLES,
        help="what this host is, may be repeated; by default what it is seen to be",
    )  # fmt: skip
    parser.add_argument(
        "--nova-user", type=_user, metavar="USER",
        help="who nova-compute runs as; by default who it is seen to run as, or nova",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON: 0, 1, 2 are success, warning, failure")
    parser.add_argument("--debug", action="store_true", help="show warnings, and the traceback of a check that broke")
    return parser


def _user(name: str) -> str:
    try:
        pwd.getpwnam(name)
    except KeyError:
        raise argparse.ArgumentTypeError(f"there is no user {name}") from None
    return name
