# SPDX-License-Identifier: Apache-2.0
"""The server of one programmed region: a process that outlives the one that started it.

`python -m fpga_nova.softfpga.server` takes a JSON object with the fields of :class:`ServerOptions` on stdin. It prints
``ready`` on stdout when the region serves, or why it cannot, and closes stdout.

Until it holds the region's lock it keeps the locks of the process that started it. If that process is killed
meanwhile, no other call takes the region for one without a server.

In the region's directory, which only its owner can enter, it holds the lock for as long as it lives and listens on two
sockets: `endpoint.sock`, for frames, which the driver moves to the path that guests use, and `control.sock`. On the
latter it answers the word ``readback`` by the bytes of the running fabric's configuration memory, and ``status`` by a
JSON object.

It does everything that takes privileges before it gives them up, and loads the tenant's function only afterwards.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import pathlib
import resource
import select
import signal
import socket
import sys
import time

from fpga_nova import errors
from fpga_nova.softfpga import confinement
from fpga_nova.softfpga.runtime.guest_session import GuestSession, ServedCounters, SessionClosed
from fpga_nova.softfpga.runtime.loaded_fabric import FabricImage, LoadedFabric

LOCK = "lock"
LOG = "server.log"
ENDPOINT = "endpoint.sock"
CONTROL = "control.sock"

#: Bytes of log kept at most.
LOG_LIMIT = 64 << 10

#: Seconds that a client of the control socket may take.
CONTROL_PATIENCE = 2.0


@dataclasses.dataclass(frozen=True)
class ServerOptions:
    """Options of a server; it reads them as JSON from stdin.

    :param directory: the region's directory
    :param fabric: path of the shared object
    :param sha256: its SHA-256, hex
    :param uid: the user to run as, if started as root
    :param gid: the group to run as, if started as root
    :param cycle_limit: clock cycles that the core may run without moving a byte
    :param frame_limit: longest message and longest answer, bytes
    :param locks: descriptors of the starting process's locks, closed as soon as the region's own lock is held
    """

    directory: str
    fabric: str
    sha256: str
    uid: int
    gid: int
    cycle_limit: int
    frame_limit: int
    locks: tuple[int, ...] = ()


class BoundedLog:
    """A log file of bounded size: when it is full, it starts from empty."""

    def __init__(self, path: pathlib.Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def write(self, text: str) -> None:
        """Add a line, with the time (UTC)."""
        line = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {errors.one_line(text)}\n".encode()
        if os.fstat(self._file).st_size + len(line) > LOG_LIMIT:
            os.ftruncate(self._file, 0)
        os.write(self._file, line)


class RegionServer:
    """Serves a region until it is killed."""

    def __init__(
        self,
        fabric: LoadedFabric,
        endpoint: socket.socket,
        control: socket.socket,
        log: BoundedLog,
        options: ServerOptions,
    ) -> None:
        self._fabric = fabric
        self._endpoint = endpoint
        self._control = control
        self._log = log
        self._options = options
        self._served = ServedCounters()
        self._session: GuestSession | None = None

    def serve(self) -> None:
        """Serve, for ever."""
        while True:
            self._turn()

    def _turn(self) -> None:
        session = self._session
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        if session is None:
            poll.register(self._endpoint, select.POLLIN)
        else:
            wanted = (select.POLLIN if session.wants_input else 0) | (select.POLLOUT if session.wants_output else 0)
            poll.register(session.connection, wanted)
        ready = dict(poll.poll(0 if session and session.busy else None))
        if self._control.fileno() in ready:
            self._answer_control()
        if session is None:
            if self._endpoint.fileno() in ready:
                self._accept()
        else:
            self._serve(session, ready.get(session.connection.fileno(), 0))

    def _accept(self) -> None:
        connection, _address = self._endpoint.accept()
        self._served.connections += 1
        self._session = GuestSession(
            connection,
            self._fabric,
            self._served,
            frame_limit=self._options.frame_limit,
            cycle_limit=self._options.cycle_limit,
        )

    def _serve(self, session: GuestSession, events: int) -> None:
        try:
            if events & select.POLLIN:
                session.receive()
            elif events & (select.POLLHUP | select.POLLERR):
                raise SessionClosed("the client left before it had its answer" if session.in_message else "")
            session.work()
        except SessionClosed as exc:
            if str(exc):
                self._log.write(f"connection closed: {exc}")
            if session.in_message:
                # Half a message in the fabric would be part of the next one.
                self._fabric.reset()
            session.connection.close()
            self._session = None

    def _answer_control(self) -> None:
        connection, _address = self._control.accept()
        with connection:
            connection.settimeout(CONTROL_PATIENCE)
            try:
                word = connection.recv(64)
                if word == b"readback":
                    connection.sendall(self._fabric.configuration())
                elif word == b"status":
                    status = {"pid": os.getpid(), **dataclasses.asdict(self._served)}
                    connection.sendall(json.dumps(status).encode())
            except OSError as exc:
                self._log.write(f"control: {exc}")


def lock(path: pathlib.Path) -> int:
    """Take the region's lock, for as long as this process lives, and write its pid into the file.

    :raises fpga_nova.errors.ProgrammingFailed: another server has it
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        # A record lock, not flock(2): the kernel names the process that holds it.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise errors.ProgrammingFailed(f"a server is already running for this region ({path})") from None
    os.ftruncate(file, 0)
    os.write(file, f"{os.getpid()}\n".encode())
    return file


def _listen(name: str) -> socket.socket:
    # The holder of the lock may remove what an earlier server left.
    pathlib.Path(name).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listener.bind(name)
    listener.listen(16)
    return listener


def prepare(options: ServerOptions) -> RegionServer:
    """Take the region, give the privileges up, load the fabric.

    :raises fpga_nova.errors.FpgaError: the region is taken, the fabric has been changed, or the user cannot read Python
    :raises OSError: the system refuses
    """
    os.umask(0o177)
    # Relative names from here: a unix socket's path has room for 107 bytes.
    os.chdir(options.directory)
    lock(pathlib.Path(LOCK))
    for descriptor in options.locks:
        os.close(descriptor)
    log = BoundedLog(pathlib.Path(LOG))
    control, endpoint = _listen(CONTROL), _listen(ENDPOINT)
    image = FabricImage(pathlib.Path(options.fabric), options.sha256)
    os.chdir("/")
    confinement.confine(
        confinement.Account(options.uid, options.gid),
        {
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_FSIZE: 2 * LOG_LIMIT,
            resource.RLIMIT_NOFILE: 32,
            resource.RLIMIT_NPROC: 0,
            # A message read ahead, an answer and its copies, beside the interpreter and the fabric.
            resource.RLIMIT_AS: (512 << 20) + 4 * options.frame_limit,
        },
    )
    return RegionServer(image.load(), endpoint, control, log, options)


def main() -> None:
    """Run as a process; see the module's docstring."""
    options = ServerOptions(**json.load(sys.stdin))
    if os.fork():
        # The starting process waits for this one; the server itself becomes a child of init.
        os._exit(0)
    try:
        server = prepare(options)
    except (errors.FpgaError, OSError) as exc:
        print(errors.one_line(str(exc)), flush=True)
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("ready", flush=True)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)
    server.serve()
