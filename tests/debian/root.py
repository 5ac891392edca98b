# SPDX-License-Identifier: Apache-2.0
"""A Debian 12 with its own packages of OpenStack, below the state directory, and commands that run in it."""

from __future__ import annotations

import os
import pathlib
import shutil
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from build_scripts import bootstrap
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State, digest

SUITE = "bookworm"

#: Packages that the machine itself needs.
TOOLS = ("debootstrap", "docker.io")

#: Packages that docs/operator/debian.rst tells to install for fpga-nova.
FOR_FPGA_NOVA = (
    *("patch", "python3-cliff", "python3-pip", "python3-prometheus-client"),
    *("python3-setuptools-scm", "python3-tqdm", "python3-wheel"),
)

#: A controller and a compute host on one. Of the packages with a hypervisor in their name, which nova-compute wants one
#: of, nova-compute-ironic is the one that brings none; the driver is the fake one.
PACKAGES = (
    *("keystone", "glance-api", "placement-api", "neutron-api"),
    *("nova-api", "nova-conductor", "nova-scheduler", "nova-compute", "nova-compute-ironic"),
    *("mariadb-server", "rabbitmq-server", "debsums", "iproute2", "sudo"),
    *FOR_FPGA_NOVA,
)

#: Nothing is started by a package's installation (invoke-rc.d(8)).
_POLICY = "#!/bin/sh\nexit 101\n"

_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}


def make(state: State) -> pathlib.Path:
    """Return the root with all packages as Debian has them, made if there is none yet; needs the network.

    :raises CloudError: it could not be made
    """
    bootstrap.install_packages(state, TOOLS)
    sources = _sources()
    base = state.path / "debian" / "base"
    inputs = digest(*PACKAGES, *sources)
    if state.done("debian-root", inputs) and base.is_dir():
        return base
    shutil.rmtree(base, ignore_errors=True)
    base.parent.mkdir(exist_ok=True)
    log = state.log("debian-root")
    mirror = sources[0].split()[1]
    with state.timed("debootstrap"):
        print(f"making a Debian {SUITE} in {base}", flush=True)
        bootstrap.run(["debootstrap", "--variant=minbase", SUITE, str(base), mirror], log)
    (base / "etc/apt/sources.list").write_text("\n".join(sources) + "\n")
    (base / "usr/sbin/policy-rc.d").write_text(_POLICY)
    (base / "usr/sbin/policy-rc.d").chmod(0o755)
    shutil.copyfile("/etc/resolv.conf", base / "etc/resolv.conf")
    with state.timed("Debian's packages of OpenStack"):
        print("installing Debian's packages of OpenStack there", flush=True)
        # In namespaces of its own, so that nothing stays mounted and no process of a package stays.
        program = (
            'mount -t proc proc "$0/proc" && mount -t tmpfs tmpfs "$0/run" && mount --bind /dev "$0/dev" &&'
            ' chroot "$0" apt-get -q update && exec chroot "$0" apt-get -q -y install --no-install-recommends "$@"'
        )
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation=private", "--"]
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        bootstrap.run([*namespaces, "sh", "-c", program, str(base), *PACKAGES], log, env)
    state.mark_done("debian-root", inputs)
    return base


def _sources() -> list[str]:
    """Return lines for sources.list, from where this machine itself has Debian from; the main archive first.

    :raises CloudError: it has no Debian of that release
    """
    listing = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"]
    found = []
    for line in subprocess.run(listing, capture_output=True, text=True, check=True).stdout.splitlines():
        uri, _, codename = line.partition(" ")
        if codename in (SUITE, f"{SUITE}-updates", f"{SUITE}-security"):
            found.append(f"deb {uri} {codename} main")
    if f"{SUITE} main" not in " ".join(found):
        raise CloudError(f"apt of this machine has no Debian {SUITE}, so there is nowhere to get one from")
    return sorted(dict.fromkeys(found), key=lambda line: line.split()[2])


class Root:
    """The root of one run: what it writes lies over `base`, which stays as it was.

    To be made in mount, network, PID and UTS namespaces of its own: all that it mounts and starts ends with them.

    :param base: what :func:`make` made
    :param scratch: a directory for what is written; emptied
    """

    def __init__(self, base: pathlib.Path, scratch: pathlib.Path, logs: pathlib.Path) -> None:
        self.path = scratch / "root"
        self.logs = logs
        (logs / "debian-commands.log").unlink(missing_ok=True)
        self._syslog: list[str] = []
        shutil.rmtree(scratch, ignore_errors=True)
        for name in ("root", "upper", "work"):
            (scratch / name).mkdir(parents=True)
        layers = f"lowerdir={base},upperdir={scratch / 'upper'},workdir={scratch / 'work'}"
        _mount("-t", "overlay", "-o", layers, "overlay", self.path)
        _mount("-t", "proc", "proc", self.path / "proc")
        for place in ("run", "dev"):
            _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", self.path / place)
        self._devices()
        socket.sethostname("debian")
        with (self.path / "etc/hosts").open("a") as hosts:
            hosts.write("127.0.1.1 debian\n")
        self.run("ip", "link", "set", "lo", "up")

    def _devices(self) -> None:
        dev = self.path / "dev"
        for name, (major, minor) in _DEVICES.items():
            os.mknod(dev / name, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
            (dev / name).chmod(0o666)
        (dev / "pts").mkdir()
        _mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=0620", "devpts", dev / "pts")
        (dev / "ptmx").symlink_to("pts/ptmx")
        (dev / "fd").symlink_to("/proc/self/fd")
        (dev / "shm").mkdir(mode=0o1777)
        # Messages to syslog, which sudo always writes, are read at once: a writer to a full socket waits.
        syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        syslog.bind(str(dev / "log"))
        (dev / "log").chmod(0o666)
        threading.Thread(target=self._listen, args=(syslog,), daemon=True).start()

    def _listen(self, syslog: socket.socket) -> None:
        while True:
            line = syslog.recv(8192).decode(errors="replace")
            self._syslog.append(line)

    def file(self, absolute: str) -> pathlib.Path:
        """Return where the root's file `absolute` lies for us."""
        return self.path / absolute.lstrip("/")

    def write(self, absolute: str, text: str, mode: int = 0o644, group: str = "root") -> None:
        """Write a file in the root."""
        path = self.file(absolute)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        if group != "root":
            self.run("chgrp", group, absolute)

    def run(
        self, *argv: object, user: str = "root", env: Mapping[str, str] | None = None, expect: int | None = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the root and wait for it; its standard error is also in its output, in order.

        :param expect: the exit code that it must have; None for any
        :raises CloudError: it has another
        """
        done = subprocess.run(
            self._command(argv, user),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", env=_environment(env), check=False,
        )  # fmt: skip
        with (self.logs / "debian-commands.log").open("a") as log:
            log.write(f"$ {' '.join(map(str, argv))}\n{done.stdout}[{done.returncode}]\n")
        if expect is not None and done.returncode != expect:
            what = " ".join(map(str, argv))
            raise CloudError(f"`{what}` exited with {done.returncode}, not {expect}:\n{done.stdout[-3000:]}")
        return done

    def spawn(self, name: str, *argv: object, user: str, env: Mapping[str, str] | None = None) -> Daemon:
        """Start a daemon in the root; its output goes to the log debian-NAME."""
        log = self.logs / f"debian-{name}.log"
        with log.open("wb") as output:
            child = subprocess.Popen(
                self._command(argv, user),
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=_environment(env),
                start_new_session=True,
            )  # fmt: skip
        return Daemon(name, child, log)

    def heard(self) -> str:
        """Return what was said to syslog since the last call."""
        time.sleep(0.2)  # what was said just now may be on its way to the list
        lines, self._syslog = self._syslog, []
        return "\n".join(lines)

    def _command(self, argv: Sequence[object], user: str) -> list[str]:
        # setpriv becomes the command, so that a daemon is the very process that was started.
        become = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]
        return ["chroot", str(self.path), *become, *map(str, argv)]


class Daemon:
    """A daemon in the root."""

    def __init__(self, name: str, child: subprocess.Popen[bytes], log: pathlib.Path) -> None:
        self.name = name
        self.child = child
        self.log = log

    def require(self) -> None:
        """Require that it runs.

        :raises CloudError: it ended
        """
        if self.child.poll() is not None:
            raise CloudError(f"{self.name} ended with {self.child.returncode}; see {self.log}")

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self.child.terminate()
        try:
            self.child.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def wait(what: str, condition: Callable[[], Any], seconds: float = 600, daemons: Sequence[Daemon] = ()) -> Any:
    """Wait until `condition` gives something true, and return that.

    :raises CloudError: it does not in that time, or one of the daemons ended
    """
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        for daemon in daemons:
            daemon.require()
        if time.monotonic() > deadline:
            raise CloudError(f"{what}: not after {seconds:.0f} s")
        time.sleep(0.3)
    return result


def _environment(env: Mapping[str, str] | None) -> dict[str, str]:
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        **(env or {}),
    }


def _mount(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)
