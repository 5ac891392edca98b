# SPDX-License-Identifier: Apache-2.0
"""Runs an executable of a vendor or the operator: no shell, clean environment, time limit, bounded output.

While it runs, the tool holds the locks that its caller holds (:func:`fpga_nova.system.locks.descriptors`). If fpga-cli
is killed meanwhile, the tool goes on, as half a bitstream is worse than a whole one, and its region stays locked: no
other call wipes a region that is still being written. A tool that leaves a process behind must close the descriptors
that it inherited, as daemons do; else that process holds the lock after fpga-cli was killed, though never after a
normal end.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import IO

from fpga_nova import errors
from fpga_nova.system import locks, scratch, trusted_paths
from fpga_nova.system.bounded_output import BoundedOutput

#: The directories in which executables are looked for by name, and the PATH of a tool.
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# ECMA-48: control sequences, with which tools colour their output.
_CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


@dataclasses.dataclass(frozen=True)
class ToolResult:
    """How a tool ended.

    :param code: its exit code; negative: the signal that killed it
    :param stdout: the beginning of its stdout, at most 1 MiB, as text
    :param last_words: the end of its stderr, or else of its stdout, as one printable line; may be empty
    """

    code: int
    stdout: str
    last_words: str

    def explain(self, text: str) -> str:
        """Return `text` and, behind a colon, the tool's last words, if it had any."""
        return f"{text}: {self.last_words}" if self.last_words else text


class Tool:
    """One executable.

    :param option: the option in [fpga] that names it, for messages
    :param command: its absolute path, or a file name that is looked for in SEARCH_PATH
    :param timeout: seconds that a call may take; then its process group is killed
    :param state_path: the directory in which its private working directories are made
    :param environment: variables that it gets besides PATH, LANG and HOME (its working directory)
    """

    def __init__(
        self,
        option: str,
        command: str,
        timeout: float,
        state_path: pathlib.Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._option = option
        self._command = command
        self._timeout = timeout
        self._state_path = state_path
        self._environment = dict(environment or {})
        self.name = pathlib.PurePath(command).name

    def path(self) -> str:
        """Return the absolute path of the executable.

        :raises fpga_nova.errors.ConfigurationInvalid: it is not there, or other users than root may change what root
            would run
        """
        if "/" in self._command and not self._command.startswith("/"):
            raise errors.ConfigurationInvalid(f"[fpga] {self._option}: {self._command!r} is not an absolute path")
        path = shutil.which(self._command, path=SEARCH_PATH)
        if path is None:
            raise errors.ConfigurationInvalid(f"[fpga] {self._option}: no executable {self._command!r}")
        if os.geteuid() == 0:
            trusted_paths.require(pathlib.Path(path), self._option)
        return path

    def call(
        self,
        arguments: Sequence[str],
        failure: type[errors.FpgaError],
        *,
        accept: Collection[int] = (0,),
        directory: pathlib.Path | None = None,
        stdout: IO[bytes] | None = None,
        timeout: float | None = None,
        on_output: Callable[[bytes], None] | None = None,
    ) -> ToolResult:
        """Run the tool and return how it ended.

        :param failure: the error to raise if it ends with a code not in `accept` or does not end in time
        :param directory: its working directory; by default a private one that is removed afterwards
        :param stdout: file to send its stdout to; then the result has none
        :param timeout: seconds, if fewer than usual
        :param on_output: gets each piece of its stdout as it comes, in a thread of its own
        :raises fpga_nova.errors.ConfigurationInvalid: it cannot be run
        :raises fpga_nova.errors.FpgaError: of the class `failure`, with the tool's last words
        """
        path = self.path()
        limit = self._timeout if timeout is None else min(timeout, self._timeout)
        with contextlib.ExitStack() as stack:
            if directory is None:
                directory = stack.enter_context(scratch.directory(self._state_path))
            out, err = BoundedOutput(on_output), BoundedOutput()
            try:
                process = subprocess.Popen(
                    [path, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=stdout or out.writing,
                    stderr=err.writing,
                    cwd=directory,
                    env={"PATH": SEARCH_PATH, "LANG": "C", "HOME": str(directory), **self._environment},
                    start_new_session=True,
                    pass_fds=locks.descriptors(),
                )
            except (OSError, ValueError) as error:
                raise errors.ConfigurationInvalid(f"[fpga] {self._option}: {path} cannot be run: {error}") from error
            finally:
                out.close()
                err.close()
            code = _wait(process, limit)
            result = ToolResult(code or 0, out.head(), _last_words(err) or _last_words(out))
        if code is None:
            raise failure(
                result.explain(f"{self.name} {_verb(arguments)} did not end within {limit:g} s and was killed")
            )
        if code not in accept:
            how = f"was killed by signal {-code}" if code < 0 else f"failed (exit {code})"
            raise failure(result.explain(f"{self.name} {_verb(arguments)} {how}"))
        return result


def _wait(process: subprocess.Popen[bytes], limit: float) -> int | None:
    """Return the exit code; None if the process did not end in `limit` seconds and its group was killed."""
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.returncode is None:  # not waited for yet, so its id is still its own
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _last_words(output: BoundedOutput) -> str:
    return errors.one_line(_CONTROL_SEQUENCE.sub("", output.tail()))


def _verb(arguments: Sequence[str]) -> str:
    return next((argument for argument in arguments if not argument.startswith("-")), "")[:40]
