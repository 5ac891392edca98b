# SPDX-License-Identifier: Apache-2.0
"""A vendor's executable, run as strangers are: no shell, a clean environment, a time limit, bounded output.

While it runs it holds the locks that its caller holds (:func:`fpga_nova.system.locks.descriptors`). If fpga-cli is
killed meanwhile, the tool goes on, as half a bitstream is worse than a whole one, and its region stays locked: nobody
wipes a region that is still being written. A tool that leaves a process behind must close the descriptors that it
inherited, as daemons do; else that process holds the lock after fpga-cli was killed, though never after a normal end.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import IO, Any

from fpga_nova import errors
from fpga_nova.system import locks, scratch

#: Where executables without a directory are looked for, and what tools get as PATH.
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: Most bytes of a tool's output (or of a file that it wrote) that are looked at.
MOST_OUTPUT = 1 << 20

#: Most bytes of its last words that go into an error.
_LAST_WORDS = 600

#: Seconds that output may still come in after the tool has ended: a child of it may hold the pipe for ever.
_AFTER = 1.0

# ECMA-48: control sequences, as tools colour their words with.
_CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


@dataclasses.dataclass(frozen=True)
class Answer:
    """How a tool ended: its exit code (negative: the signal that killed it), stdout, and its last words."""

    code: int
    out: str
    words: str


class Tool:
    """One executable.

    :param option: the option in [fpga] that names it, for messages
    :param command: its absolute path, or a file name that is looked for in SEARCH_PATH
    :param timeout: seconds that a call may take; then its process group is killed
    :param state_path: where its private working directories are made
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

        :raises fpga_nova.errors.ConfigurationInvalid: it is not there, or somebody but its owner may change what
            root would run
        """
        if "/" in self._command and not self._command.startswith("/"):
            raise errors.ConfigurationInvalid(f"[fpga] {self._option}: {self._command!r} is not an absolute path")
        path = shutil.which(self._command, path=SEARCH_PATH)
        if path is None:
            raise errors.ConfigurationInvalid(f"[fpga] {self._option}: no executable {self._command!r}")
        state = os.stat(path)  # noqa: PTH116 - `path` is text
        if os.geteuid() == 0 and (state.st_uid != 0 or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
            raise errors.ConfigurationInvalid(
                f"[fpga] {self._option}: {path} can be changed by others than root, so root does not run it"
            )
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
        listen: Callable[[bytes], None] | None = None,
    ) -> Answer:
        """Run the tool and return how it ended.

        :param failure: what to raise when it ends with a code not in `accept` or does not end in time
        :param directory: its working directory; by default a private one that is removed afterwards
        :param stdout: file to send its stdout to; then the answer has none
        :param timeout: seconds, if fewer than usual
        :param listen: gets each piece of its stdout as it comes, in a thread of its own
        :raises fpga_nova.errors.ConfigurationInvalid: it cannot be run
        """
        path = self.path()
        limit = self._timeout if timeout is None else min(timeout, self._timeout)
        with contextlib.ExitStack() as stack:
            if directory is None:
                directory = stack.enter_context(scratch.directory(self._state_path))
            out, err = _Kept(listen), _Kept()
            try:
                process = subprocess.Popen(
                    [path, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=stdout or out.end,
                    stderr=err.end,
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
            answer = Answer(code or 0, out.text(), _last_words(err) or _last_words(out))
        if code is None:
            raise failure(f"{self.name} {_verb(arguments)} did not end within {limit:g} s and was killed{answer.words}")
        if code not in accept:
            how = f"was killed by signal {-code}" if code < 0 else f"failed (exit {code})"
            raise failure(f"{self.name} {_verb(arguments)} {how}{answer.words}")
        return answer


def read_json(text: str, failure: type[errors.FpgaError], source: str) -> Any:
    """Return what the JSON `text` of the tool `source` says, however badly it is meant.

    :raises fpga_nova.errors.FpgaError: of the class `failure`, if it is no JSON
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise failure(f"{source} gave no usable JSON: {type(error).__name__}: {error}") from error


def read_file(path: pathlib.Path, failure: type[errors.FpgaError], source: str) -> str:
    """Return the text of a file that the tool `source` wrote into its directory.

    :raises fpga_nova.errors.FpgaError: of the class `failure`, if there is none or it is larger than MOST_OUTPUT
    """
    try:
        with open(path, "rb", opener=_no_links) as file:
            content = file.read(MOST_OUTPUT + 1)
    except OSError as error:
        raise failure(f"{source} left no readable report: {error.strerror}") from error
    if len(content) > MOST_OUTPUT:
        raise failure(f"{source} left a report of more than {MOST_OUTPUT} bytes")
    return content.decode(errors="replace")


class _Kept:
    """The reading end of a pipe: keeps the beginning and the end of what comes, drops what is between."""

    def __init__(self, listen: Callable[[bytes], None] | None = None) -> None:
        self._listen = listen
        self._reading, self.end = os.pipe()
        self._head = bytearray()
        self._tail = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> None:
        os.close(self.end)

    def _read(self) -> None:
        # The thread owns this end: were it blocked for ever by a child of the tool, nobody would wait for it.
        with open(self._reading, "rb", buffering=0) as pipe:  # noqa: PTH123 - a descriptor
            while chunk := pipe.read(1 << 16):
                self._head += chunk[: MOST_OUTPUT - len(self._head)]
                self._tail = (self._tail + chunk)[-_LAST_WORDS:]
                if self._listen is not None:
                    self._listen(chunk)

    def text(self) -> str:
        self._thread.join(_AFTER)
        return bytes(self._head).decode(errors="replace")

    def tail(self) -> str:
        self._thread.join(_AFTER)
        return self._tail.decode(errors="replace")


def _wait(process: subprocess.Popen[bytes], limit: float) -> int | None:
    """Return the exit code; None, if it was not there in `limit` seconds and the process group was killed."""
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.returncode is None:  # not waited for yet, so its id is still its own
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _last_words(kept: _Kept) -> str:
    words = errors.one_line(_CONTROL_SEQUENCE.sub("", kept.tail()))
    return f": {words}" if words else ""


def _verb(arguments: Sequence[str]) -> str:
    return next((argument for argument in arguments if not argument.startswith("-")), "")[:40]


def _no_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
