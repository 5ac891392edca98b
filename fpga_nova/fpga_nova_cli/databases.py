# SPDX-License-Identifier: Apache-2.0
"""`fpga-nova patch drop-columns`: refuse under a patched Nova, drop, print."""

from __future__ import annotations

import argparse

from fpga_nova import errors
from fpga_nova.patcher import locate

#: A file that every patched Nova has, and no other.
ADDED_FILE = "compute/fpga.py"


def drop_columns(arguments: argparse.Namespace) -> int:
    """Drop the columns of every cell, and list them.

    :raises fpga_nova.errors.ConfigurationInvalid: the Nova of this interpreter is patched
    """
    nova = locate.find(None)
    # Of any release, also one that is too new for the series, and one whose own files are of no release.
    if (nova.package / ADDED_FILE).exists():
        raise errors.ConfigurationInvalid(
            f"Nova at {nova.package} has {ADDED_FILE}; a patched Nova does not work without the columns, so `fpga-nova "
            "patch revert` every Nova of the cloud first, and restart its services"
        )
    # Imported after the check: an interpreter without Nova need not have SQLAlchemy.
    from fpga_nova.nova_db import drop_columns

    done = drop_columns.drop(arguments.config_file, arguments.config_dir, arguments.force, arguments.dry_run)
    for line in done:
        print(f"  {'would drop' if arguments.dry_run else 'dropped'} {line}")
    if not done:
        print("no cell has any of the columns")
    return 0
