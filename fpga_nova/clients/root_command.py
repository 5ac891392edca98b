# SPDX-License-Identifier: Apache-2.0
"""Runs one command as root, bounded in time."""

from __future__ import annotations

import dataclasses
from typing import Any

from oslo_concurrency import processutils

from fpga_nova import errors


@dataclasses.dataclass(frozen=True)
class CommandResult:
    """A command that has ended.

    :param exit_code: negative for the number of the signal that ended it
    """

    exit_code: int
    stdout: str
    stderr: str


def run_as_root(command: list[str], root_helper: str, timeout: int, stdin: str | None = None) -> CommandResult:
    """Run `command` with `stdin` as its input and wait until it ends.

    :param command: an executable, its subcommand and its arguments
    :param root_helper: what makes it root; not used where this process is root already
    :param timeout: seconds
    :raises fpga_nova.errors.ConfigurationInvalid: it cannot be started
    :raises fpga_nova.errors.FpgaError: it did not end in time; it is stopped where this process may do that
    """
    started: list[Any] = []
    called = " ".join(command[:2])
    try:
        stdout, stderr = processutils.execute(
            *command,
            run_as_root=True,
            root_helper=root_helper,
            timeout=timeout,
            process_input=stdin,
            on_execute=started.append,
        )
    except processutils.ProcessExecutionError as error:
        code = error.exit_code if isinstance(error.exit_code, int) else 1
        return CommandResult(code, str(error.stdout or ""), str(error.stderr or ""))
    except OSError as error:
        raise errors.ConfigurationInvalid(
            f"{called} cannot be started ({error}); see [DEFAULT] fpga_exec and rootwrap_config"
        ) from error
    except Exception as error:
        # Under eventlet, which older releases of Nova run under, processutils calls a second copy of the module
        # subprocess, whose TimeoutExpired is another class than the one that can be imported.
        if type(error).__name__ != "TimeoutExpired":
            raise
        _stop(started)
        raise errors.FpgaError(f"{called} did not end within {timeout} seconds") from error
    return CommandResult(0, str(stdout), str(stderr))


def _stop(started: list[Any]) -> None:
    """Kill what outlived its time where permitted: an unprivileged user cannot end a sudo that runs as root."""
    for process in started:
        try:
            process.kill()
        except PermissionError:
            continue
        process.wait()
