# SPDX-License-Identifier: Apache-2.0
"""What fpga-cli's commands need of the host they run on: its configuration, its engine, and its audit log."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import pathlib
import sqlite3
import sys
from collections.abc import Iterator
from typing import Any

from fpga_nova import errors, host_config
from fpga_nova.fpga_cli import caller
from fpga_nova.ip_cores.bitstream_cache import Cache
from fpga_nova.regions import audit_log, counters, quick_status
from fpga_nova.regions.engine import Engine
from fpga_nova.regions.store import Store


@dataclasses.dataclass(frozen=True)
class Host:
    """The configuration (oslo.config's `ConfigOpts`) and what comes of it."""

    conf: Any
    state_path: pathlib.Path
    run_path: pathlib.Path
    config_file: str
    operation_log: audit_log.OperationLog

    @contextlib.contextmanager
    def engine(self, discover: bool = True) -> Iterator[Engine]:
        """Give the engine over this host's regions.

        :param discover: look for cards first, and finish what was left behind; else nothing touches a card unasked
        :raises fpga_nova.errors.StoreNotReadable: the store cannot be read
        """
        # Taken before the drivers look: a file that changes meanwhile makes the next call look again.
        stamp = quick_status.configuration_stamp([self.config_file])
        timeout = self.conf.fpga.lock_timeout
        with contextlib.closing(Store(self.state_path, timeout, self.operation_log.record_transition)) as store:
            drivers = host_config.driver_classes(self.conf.fpga.devices)
            devices = {name: driver(self.conf.fpga, self.state_path, self.run_path) for name, driver in drivers.items()}
            kept = Cache(self.state_path / "cache", self.conf.fpga.bitstream_cache_size << 20)
            engine = Engine(store, devices, self.state_path / "locks", timeout, stamp, kept)
            if discover:
                self.operation_log.operation = audit_log.RECOVER
                engine.discover()
                self.operation_log.operation = self.operation_log.command
            yield engine


@contextlib.contextmanager
def opened(arguments: argparse.Namespace, glance: bool = False) -> Iterator[Host]:
    """Read the configuration and give the host; log what is done meanwhile and how it ends.

    :param glance: whether Glance is needed
    :raises fpga_nova.errors.ConfigurationInvalid: a file or a value cannot be used
    """
    conf = host_config.load([arguments.config_file], glance=glance)
    state_path = pathlib.Path(conf.fpga.state_path)
    subject = {key: getattr(arguments, key, None) for key in ("region_id", "owner", "project", "image_id", "reason")}
    file = getattr(arguments, "file", None)
    subject["archive"] = file and file.absolute()
    operation_log = audit_log.OperationLog(arguments.command, subject, caller.who())
    error: BaseException | None = None
    try:
        yield Host(conf, state_path, pathlib.Path(conf.fpga.run_path), arguments.config_file, operation_log)
    except BaseException as raised:
        error = raised
        raise
    finally:
        _log(state_path, operation_log.entries(error))


def _log(state_path: pathlib.Path, entries: list[dict[str, Any]]) -> None:
    """Log and count what was done. It is done: a full disk makes a warning, not a failure that would be a lie."""
    if not entries:
        return
    try:
        audit_log.append(state_path, entries)
    except OSError as error:
        _warn(f"audit log {state_path / audit_log.FILE} cannot be written, so this is not in it: {error}")
    try:
        counters.add(state_path, [(entry["command"], entry["exit_code"], entry["seconds"]) for entry in entries])
    except (OSError, sqlite3.Error) as error:
        _warn(f"counters {state_path / counters.FILE} cannot be written, so this is not counted: {error}")


def _warn(text: str) -> None:
    print(f"Warning: {errors.one_line(text)}", file=sys.stderr)
