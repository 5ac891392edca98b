# SPDX-License-Identifier: Apache-2.0
"""The host that fpga-cli runs on: its configuration, its engine, and its audit log."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import pathlib
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from fpga_nova import errors, host_config
from fpga_nova.fpga_cli import caller
from fpga_nova.ip_cores.bitstream_cache import Cache
from fpga_nova.regions import audit_log, counters, quick_status
from fpga_nova.regions.engine import Engine
from fpga_nova.regions.store import Store


@dataclasses.dataclass(frozen=True)
class LocalHost:
    """One command's view of the host.

    :param conf: the configuration, oslo.config's `ConfigOpts`
    :param state_path: directory that outlives a reboot
    :param run_path: directory that does not
    :param config_file: the configuration file that `conf` was read from
    :param operation_log: takes note of what the command does
    """

    conf: Any
    state_path: pathlib.Path
    run_path: pathlib.Path
    config_file: str
    operation_log: audit_log.OperationLog

    @property
    def cache(self) -> Cache:
        """The cache of bitstreams."""
        return Cache(self.state_path / "cache", self.conf.fpga.bitstream_cache_size << 20)

    @contextlib.contextmanager
    def engine(self, discover: bool = True) -> Iterator[Engine]:
        """Give the engine over this host's regions.

        :param discover: look for cards first, and finish what was left behind; otherwise no card is touched unasked
        :raises fpga_nova.errors.StoreNotReadable: the store cannot be read
        """
        # Taken before the drivers look for cards: if the file changes meanwhile, the next command looks again.
        stamp = quick_status.configuration_stamp([self.config_file])
        timeout = self.conf.fpga.lock_timeout
        with contextlib.closing(Store(self.state_path, timeout, self.operation_log.record_transition)) as store:
            drivers = host_config.driver_classes(self.conf.fpga.devices)
            devices = {name: driver(self.conf.fpga, self.state_path, self.run_path) for name, driver in drivers.items()}
            engine = Engine(store, devices, self.state_path / "locks", timeout, stamp, self.cache)
            if discover:
                with self.operation_log.recovering():
                    engine.recovery.discover()
            yield engine


@contextlib.contextmanager
def opened(arguments: argparse.Namespace, glance: bool = False) -> Iterator[LocalHost]:
    """Read the configuration and give the host; log what the block does and how it ends.

    :param glance: whether Glance is needed
    :raises fpga_nova.errors.ConfigurationInvalid: a file or a value cannot be used
    """
    conf = host_config.load([arguments.config_file], glance=glance)
    state_path = pathlib.Path(conf.fpga.state_path)
    operation_log = audit_log.OperationLog(arguments.command, _request(arguments), caller.identify())
    error: BaseException | None = None
    try:
        yield LocalHost(conf, state_path, pathlib.Path(conf.fpga.run_path), arguments.config_file, operation_log)
    except BaseException as raised:
        error = raised
        raise
    finally:
        _log(state_path, operation_log.entries(error))


def _request(arguments: argparse.Namespace) -> audit_log.Request:
    names = ("region_id", "owner", "project", "image_id", "reason")
    file = getattr(arguments, "file", None)
    return audit_log.Request(
        **{name: getattr(arguments, name, None) for name in names}, archive=str(file.absolute()) if file else None
    )


def _log(state_path: pathlib.Path, entries: Sequence[audit_log.Entry]) -> None:
    """Log and count what was done.

    It is done: after a full disk, say, a warning is right and a failure would be wrong.
    """
    if not entries:
        return
    try:
        audit_log.append(state_path, entries)
    except OSError as error:
        _warn(f"audit log {state_path / audit_log.FILE} cannot be written, so this is not in it: {error}")
    try:
        counters.add(state_path, [(each.command or "", each.exit_code or 0, each.seconds or 0.0) for each in entries])
    except (OSError, sqlite3.Error) as error:
        _warn(f"counters {state_path / counters.FILE} cannot be written, so this is not counted: {error}")


def _warn(text: str) -> None:
    print(f"Warning: {errors.one_line(text)}", file=sys.stderr)
