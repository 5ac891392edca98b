# SPDX-License-Identifier: Apache-2.0
"""The checks of `fpga-nova doctor`, and how it shows them."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import warnings
from collections.abc import Callable

from oslo_config import cfg
from oslo_upgradecheck import upgradecheck
from oslo_upgradecheck.upgradecheck import Code, Result

from fpga_nova import errors
from fpga_nova.doctor import (
    api_checks,
    compute_checks,
    database_checks,
    glance_checks,
    patch_checks,
    rootwrap_checks,
    scheduler_checks,
)
from fpga_nova.doctor.findings import Finding, NotApplicable, NotChecked, Passed
from fpga_nova.doctor.inspected_host import HostInspection

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
    look: Callable[[HostInspection], Passed]
    roles: frozenset[str] = _ALL


CHECKS = (
    Check("Nova's configuration", patch_checks.check_configuration),
    Check("Patch of Nova", patch_checks.check_patch),
    Check("Services of Nova that run here", patch_checks.check_services),
    Check("Versions of fpga-nova", patch_checks.check_versions),
    Check("FpgaFilter", scheduler_checks.check_filter, frozenset({"scheduler"})),
    Check("Extra spec hw:fpga_ip_id", api_checks.check_extra_spec, frozenset({"api"})),
    Check("Columns in Nova's database", database_checks.check_columns, _DATABASE),
    Check("Regions that compute nodes report", database_checks.check_compute_nodes, _DATABASE),
    Check("Glance's container format", glance_checks.check_container_format, frozenset({"api"})),
    Check("Options of nova-compute", compute_checks.check_options, frozenset({"compute"})),
    Check("The executable fpga_exec", compute_checks.check_executable, frozenset({"compute"})),
    Check("rootwrap: what it admits", rootwrap_checks.check_admission, frozenset({"compute"})),
    Check("rootwrap: who can change that", rootwrap_checks.check_files, frozenset({"compute"})),
    Check("fpga-cli's configuration", compute_checks.check_configuration, frozenset({"compute"})),
    Check("fpga-cli's credentials", glance_checks.check_credentials, frozenset({"compute"})),
    Check("fpga_exec as nova-compute runs it", compute_checks.check_status, frozenset({"compute"})),
)


class Doctor(upgradecheck.UpgradeCommands):
    """The checks, in the form that oslo.upgradecheck runs and shows them.

    :param host: the host to look at
    :param debug: whether a check that breaks ends with its traceback
    """

    display_title = "fpga-nova doctor"

    def __init__(self, host: HostInspection, debug: bool) -> None:
        self._host = host
        self._debug = debug
        self._broken = False
        self._upgrade_checks = tuple((check.title, (Doctor._look, {"check": check})) for check in CHECKS)

    def check(self) -> int:  # type: ignore[override]
        """Run all checks and print them; return the exit code."""
        result = super().check()
        return UNEXPECTED if self._broken else int(result)

    def _look(self, check: Check) -> Result:
        try:
            return examine(check, self._host)
        except Exception as error:
            if self._debug:
                raise
            # One check that breaks must not take the others' answers with it.
            self._broken = True
            text = errors.one_line(f"unexpected {type(error).__name__}: {error} (--debug shows where)")
            return Result(Code.FAILURE, text)


def examine(check: Check, host: HostInspection) -> Result:
    """Run one check on a host that it is for; return its row's code and details."""
    if check.roles and not check.roles & host.roles:
        return _not_applicable(f"this host is not {' or '.join(sorted(check.roles))}")
    try:
        passed = check.look(host)
    except Finding as finding:
        return Result(finding.code, str(finding))
    except errors.FpgaError as error:
        return Result(Code.FAILURE, str(error))
    except PermissionError as error:
        unread = NotChecked(f"{error.filename} may not be read; run the doctor as root")
        return Result(unread.code, str(unread))
    return _not_applicable(passed.reason) if isinstance(passed, NotApplicable) else Result(Code.SUCCESS, passed)


def _not_applicable(reason: str) -> Result:
    return Result(Code.SUCCESS, f"does not apply: {reason}")


def run(arguments: argparse.Namespace) -> int:
    """Run the checks and print them; return the exit code.

    :param arguments: what :mod:`fpga_nova.fpga_nova_cli.parser` makes of the doctor's command line
    """
    if not arguments.debug:
        # What Nova's modules say while they are imported is not the operator's business here.
        logging.getLogger().addHandler(logging.NullHandler())
        warnings.simplefilter("ignore")
    host = HostInspection(
        arguments.config_file, arguments.config_dir, arguments.fpga_config, arguments.role, arguments.nova_user
    )
    return upgradecheck.main(
        cfg.ConfigOpts(),
        "fpga-nova-doctor",
        Doctor(host, arguments.debug),
        argv=["upgrade", "check", *(["--json"] if arguments.json else [])],
        default_config_files=[],
    )
