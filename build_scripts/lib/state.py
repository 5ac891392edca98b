# SPDX-License-Identifier: Apache-2.0
"""The state directory: ports, passwords, what was done with what input, and how long it took."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

from build_scripts.lib.errors import CloudError

#: The services that listen, in the order of their ports above the base.
PORTS = ("mariadb", "rabbitmq", "epmd", "erlang", "keystone", "glance", "placement", "neutron", "nova", "postgresql")

# Seconds from which on a step's time is recorded.
_NOTABLE = 0.5
# Steps whose times are kept.
_REMEMBERED = 500

# Below the ports that Linux gives to outgoing connections (32768 and up, ip_local_port_range).
_FIRST_BASE, _LAST_BASE, _STEP = 15000, 32000, 20


class State:
    """The state directory of one cloud. Safe for use by several threads of one process."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.path.mkdir(parents=True, exist_ok=True)
        self._mutex = threading.RLock()

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep every other build of this cloud out.

        :raises CloudError: another one is at work
        """
        with (self.path / "lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CloudError(f"another build works on {self.path}; wait for it to end") from None
            yield

    def log(self, name: str) -> pathlib.Path:
        """Return the path of the log file `name`."""
        directory = self.path / "logs"
        directory.mkdir(exist_ok=True)
        return directory / f"{name}.log"

    def port(self, service: str) -> int:
        """Return the port of a service; the first call chooses the ports of all and records them."""
        with self._mutex:
            base = self.read("ports.json").get("base")
            if base is None:
                base = choose_base(str(self.path))
                self.write("ports.json", {"base": base})
        return int(base) + PORTS.index(service)

    def secret(self, name: str) -> str:
        """Return the password `name`, made at its first use."""
        with self._mutex:
            known = self.read("secrets.json")
            if name not in known:
                known[name] = secrets.token_urlsafe(24)
                self.write("secrets.json", known)
            return str(known[name])

    def done(self, what: str, digest: str) -> bool:
        """Whether `what` was done with the input that has this digest."""
        with self._mutex:
            return self.read("done.json").get(what) == digest

    def mark_done(self, what: str, digest: str) -> None:
        """Record that `what` was done with the input that has this digest."""
        with self._mutex:
            self.write("done.json", {**self.read("done.json"), what: digest})

    def digest_of(self, what: str) -> str:
        """Return the digest that `what` was last done with; empty if it never was."""
        with self._mutex:
            return str(self.read("done.json").get(what, ""))

    def read(self, name: str) -> dict[str, Any]:
        """Return the JSON object in the file `name`; an empty one if there is no such file."""
        try:
            return dict(json.loads((self.path / name).read_text()))
        except FileNotFoundError:
            return {}

    def write(self, name: str, value: object) -> None:
        """Write `value` as JSON to the file `name`, readable by the owner alone."""
        write_file(self.path / name, json.dumps(value, indent=1) + "\n", mode=0o600)

    @contextlib.contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Record in timings.json how long a long block took: {step, started, seconds}."""
        started, clock = time.time(), time.monotonic()
        yield
        seconds = round(time.monotonic() - clock, 2)
        if seconds < _NOTABLE:
            return
        with self._mutex:
            steps = self.read("timings.json").get("steps", [])
            steps.append({"step": step, "started": round(started, 2), "seconds": seconds})
            self.write("timings.json", {"steps": steps[-_REMEMBERED:]})


def choose_base(seed: str) -> int:
    """Return a port base with all of a cloud's ports free on 127.0.0.1; `seed` says where to begin.

    :raises CloudError: there is none
    """
    slots = (_LAST_BASE - _FIRST_BASE) // _STEP
    start = int(hashlib.sha256(seed.encode()).hexdigest(), 16) % slots
    for offset in range(slots):
        base = _FIRST_BASE + (start + offset) % slots * _STEP
        if all(port_free(base + index) for index in range(len(PORTS))):
            return base
    raise CloudError(f"no {len(PORTS)} free ports in a row between {_FIRST_BASE} and {_LAST_BASE}")


def port_free(port: int) -> bool:
    """Whether nothing listens on this TCP port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def write_file(path: pathlib.Path, text: str, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> None:
    """Give the file `path` this content, mode and owner (uid, gid), at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as output:
            output.write(text)
            os.fchmod(handle, mode)
            os.fchown(handle, *owner)
        pathlib.Path(temporary).replace(path)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise


def digest(*parts: str) -> str:
    """Return the SHA-256 (hex) of a sequence of strings."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
