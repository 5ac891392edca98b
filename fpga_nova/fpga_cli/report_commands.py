# SPDX-License-Identifier: Apache-2.0
"""fpga-cli's commands that say what was done: history, metrics."""

from __future__ import annotations

import argparse
import itertools
import pathlib
import sqlite3

from fpga_nova import errors
from fpga_nova.fpga_cli import local_host, output
from fpga_nova.regions import audit_log
from fpga_nova.system import files

_SHORT = ("time", "user", "command", "region_id", "core", "state", "exit_code", "seconds", "error")


def history(arguments: argparse.Namespace) -> None:
    """List entries of the audit log, newest first."""
    with local_host.opened(arguments) as here:
        entries = itertools.islice(audit_log.read(here.state_path, arguments.region_id), arguments.limit)
        output.print_list(arguments, audit_log.KEYS, _SHORT, entries)


def metrics(arguments: argparse.Namespace) -> None:
    """Print metrics, or put them into a file."""
    from fpga_nova.fpga_cli import prometheus

    with local_host.opened(arguments) as here, here.engine(discover=False) as engine:
        try:
            text = prometheus.text(engine.regions(), engine.cards(), here.state_path)
        except (OSError, sqlite3.Error) as error:
            raise errors.FpgaError(f"counters in {here.state_path} cannot be read: {error}") from error
        if arguments.output is None:
            print(text, end="")
        else:
            _replace(arguments.output, text)


def _replace(path: pathlib.Path, text: str) -> None:
    """Write a file that a reader sees either not yet or whole.

    Its mode is 0644, whatever the umask: the collector does not run as root, and no tenant's data is in it. The timer
    writes the file again every minute, so it need not survive a power cut.
    """
    try:
        with files.replacing(path, 0o644, durable=False) as file:
            file.write(text.encode())
    except OSError as error:
        raise errors.FpgaError(f"metrics {path} cannot be written: {error.strerror}") from error
