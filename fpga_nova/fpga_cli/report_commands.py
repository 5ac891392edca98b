# SPDX-License-Identifier: Apache-2.0
"""The commands of fpga-cli that report operations: history, metrics."""

from __future__ import annotations

import argparse
import dataclasses
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
    with local_host.opened(arguments) as host:
        entries = itertools.islice(audit_log.read(host.state_path, arguments.region_id), arguments.limit)
        output.print_list(arguments, audit_log.KEYS, _SHORT, map(dataclasses.asdict, entries))


def metrics(arguments: argparse.Namespace) -> None:
    """Print metrics, or write them to a file."""
    from fpga_nova.fpga_cli import prometheus

    with local_host.opened(arguments) as host, host.engine(discover=False) as engine:
        try:
            text = prometheus.text(engine.regions(), engine.cards(), host.state_path)
        except (OSError, sqlite3.Error) as error:
            raise errors.FpgaError(f"counters in {host.state_path} cannot be read: {error}") from error
        if arguments.output is None:
            print(text, end="")
        else:
            _replace(arguments.output, text)


def _replace(path: pathlib.Path, text: str) -> None:
    """Replace a file in one step, so that a reader sees the old one or the new one.

    Its mode is 0644 under any umask: the collector does not run as root, and the file has no tenant's data. The
    timer writes the file again every minute, so it need not survive a power cut.
    """
    try:
        with files.replacing(path, 0o644, durable=False) as file:
            file.write(text.encode())
    except OSError as error:
        raise errors.FpgaError(f"metrics {path} cannot be written: {error.strerror}") from error
