# SPDX-License-Identifier: Apache-2.0
"""A soft region seen from fpga-cli: its directory, its configuration memory, its server process.

The directory, mode 0700, holds `config.bin` (the configuration memory as the host wrote it), `lock` (held by the
server for as long as it lives), `control.sock` and `server.log`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import time

from fpga_nova import errors
from fpga_nova.softfpga import python_process
from fpga_nova.softfpga.runtime import region_server

#: Room for a unix socket's path, bytes without the closing zero (unix(7)).
SOCKET_PATH_MAX = 107

#: Seconds until a server that does not end on SIGTERM is killed, and until the kill must have worked.
PATIENCE = 2.0

#: Seconds that a server may take to start, and to answer at its control socket.
START_LIMIT = 30.0
CONTROL_LIMIT = 30.0

#: struct flock of fcntl(2): l_type, l_whence, l_start, l_len, l_pid.
_FLOCK = struct.Struct("hhqqi4x")

CONFIGURATION = "config.bin"


class SoftRegion:
    """One region's files and server.

    :param directory: the region's own
    :param endpoint: path at which guests find its socket
    """

    def __init__(self, directory: pathlib.Path, endpoint: pathlib.Path) -> None:
        self.directory = directory
        self.endpoint = endpoint

    @property
    def configuration(self) -> pathlib.Path:
        """The configuration memory as the host wrote it."""
        return self.directory / CONFIGURATION

    @property
    def control(self) -> pathlib.Path:
        """The socket for read-back."""
        return self.directory / region_server.CONTROL

    def check_paths(self) -> None:
        """Check that the paths of the sockets are short enough.

        :raises fpga_nova.errors.ConfigurationInvalid: one is too long
        """
        for path in (self.endpoint, self.control):
            if len(os.fsencode(path)) > SOCKET_PATH_MAX:
                raise errors.ConfigurationInvalid(
                    f"run_path is too long: the socket {path} would need more than {SOCKET_PATH_MAX} bytes"
                )

    def make(self) -> None:
        """Make the directories: the region's own is private, every user can pass through that of the endpoints."""
        for path in (self.endpoint.parent.parent, self.endpoint.parent):
            if not path.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                # For any umask of fpga-cli: the guest's QEMU passes through here.
                path.chmod(0o755)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.chmod(0o700)

    # configuration memory

    def write_configuration(self, content: bytes) -> None:
        """Overwrite the configuration memory in place, so that nothing of its former content stays."""
        file = os.open(self.configuration, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(file, "r+b") as stream:
            stream.write(content)
            stream.truncate()
            stream.flush()
            os.fsync(stream.fileno())

    # server

    def server_pid(self) -> int | None:
        """Return the pid of the server, None if there is none.

        The kernel names the holder of the region's record lock. No command line is looked at, so a server that another
        version of fpga-nova started is found as well.
        """
        try:
            file = os.open(self.directory / region_server.LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _whence, _start, _length, pid = _FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, asked))
        finally:
            os.close(file)
        return None if kind == fcntl.F_UNLCK else pid

    def start(self, options: region_server.ServerOptions) -> None:
        """Start the server; return when it serves. Its socket is not yet at the endpoint.

        :raises fpga_nova.errors.ProgrammingFailed: it does not start, with the server's own reason
        """
        process = subprocess.Popen(
            python_process.argv("server"),
            cwd="/",
            env=python_process.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=options.locks,
        )
        try:
            answer, _err = process.communicate(json.dumps(vars(options)).encode(), timeout=START_LIMIT)
        except subprocess.TimeoutExpired:
            answer = f"it was not ready within {START_LIMIT:.0f} s".encode()
        finally:
            if process.stdin:
                process.stdin.close()
            if process.stdout:
                process.stdout.close()
        if answer != b"ready\n":
            # The server and what forked it are one process group.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            reason = answer.decode("utf-8", "replace").strip() or "it ended at once"
            raise errors.ProgrammingFailed(f"the region's server did not start: {reason}")

    def publish(self, gid: int | None) -> None:
        """Move the server's socket to the endpoint, where the guest finds it.

        :param gid: the group that may connect; None: only the owner
        """
        bound = self.directory / region_server.ENDPOINT
        if gid is not None:
            os.chown(bound, -1, gid)
            bound.chmod(0o660)
        bound.replace(self.endpoint)

    def stop(self) -> None:
        """End the server, if there is one, and remove its sockets.

        :raises fpga_nova.errors.EraseFailed: it does not end
        """
        # The sockets go first, so that no guest waits at one for a server that is gone.
        self._remove_sockets()
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + PATIENCE
            while self._signal(number):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.002)
            else:
                break
        pid = self.server_pid()
        if pid is not None:
            raise errors.EraseFailed(f"the region's server (pid {pid}) does not end")
        self._remove_sockets()

    def _signal(self, number: int) -> bool:
        """Signal the server; return False if there is none. Never hits another process with a reused pid."""
        pid = self.server_pid()
        if pid is None:
            return False
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return True  # it is just ending; the next look at the lock decides
        try:
            # The handle is of the lock's holder if that is still the same now.
            if self.server_pid() == pid:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)
        return True

    def _remove_sockets(self) -> None:
        for path in (self.endpoint, self.control, self.directory / region_server.ENDPOINT):
            path.unlink(missing_ok=True)

    # the control socket

    def ask(self, word: str) -> bytes:
        """Send `word` to the control socket and return the answer.

        :raises OSError: there is no server, or it does not answer
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(CONTROL_LIMIT)
            connection.connect(str(self.control))
            connection.sendall(word.encode())
            pieces = []
            while piece := connection.recv(1 << 16):
                pieces.append(piece)
        if not pieces:
            raise OSError(errno.EIO, "the server gave no answer")
        return b"".join(pieces)
