# SPDX-License-Identifier: Apache-2.0
"""A node: a host made of namespaces, with its own name, /etc, /run, /var and processes."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence

from build_scripts.cloud import holder, process
from build_scripts.cloud.spec import NodeSpec
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State, digest, write_file

# The policy of sudo inside a node; modules add theirs in sudoers.d.
_SUDOERS = """\
Defaults env_reset
Defaults secure_path="{venv}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
root ALL=(ALL:ALL) ALL
@includedir /etc/sudoers.d
"""


class Node:
    """One node. Its directory, STATE/nodes/NAME, is laid out like the root of a host.

    :param spec: its part of cloud.yaml
    :param etc: names of the directories under /etc that it has for itself
    """

    def __init__(self, state: State, spec: NodeSpec, etc: Iterable[str]) -> None:
        self.state = state
        self.spec = spec
        self.name = spec.name
        self.directory = state.path / "nodes" / spec.name
        self._etc = tuple(sorted({"sudoers.d", *etc}))

    def path(self, absolute: str) -> pathlib.Path:
        """Return where the node's file `absolute` lies on the machine."""
        return self.directory / absolute.lstrip("/")

    def holder(self) -> process.Process | None:
        """Return the process that holds the node's namespaces, if it is up."""
        record = self._record()
        return record if record and record.alive() else None

    def up(self) -> None:
        """Bring the node up if it is not; one with other directories than now wanted is brought down first.

        :raises CloudError: a mount failed
        """
        self._lay_out()
        entries = sorted(entry.name for entry in (self.directory / "etc").iterdir())
        layout = digest(pathlib.Path(holder.__file__).read_text(), *entries)
        if self.holder() and self.state.read(self._file()).get("layout") == layout:
            return
        self.down()
        for entry in (self.directory / "run").iterdir():  # a host starts with an empty /run
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        reader, writer = os.pipe()
        os.set_inheritable(writer, True)
        log = self.state.log(f"{self.name}-node")
        with log.open("wb") as output:
            child = subprocess.Popen(
                [
                    "unshare",
                    "--mount",
                    "--uts",
                    "--propagation",
                    "private",
                    "--",
                    sys.executable,
                    holder.__file__,
                    str(self.directory),
                    self.name,
                    str(writer),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[writer],
                start_new_session=True,
                cwd="/",
            )
        os.close(writer)
        with os.fdopen(reader, "rb") as ready:
            if ready.read() != b"ok":
                child.wait()
                raise CloudError(f"node {self.name} did not come up; see {log}")
        held = process.identify(child.pid)
        if held is None:
            raise CloudError(f"node {self.name} did not stay up; see {log}")
        self.state.write(self._file(), {**dataclasses.asdict(held), "layout": layout})

    def down(self) -> None:
        """End every process of the node, however it was started, and with the last one its namespaces."""
        held = self.holder()
        process.stop([one for one in self.members() if one != held], timeout=10)
        process.stop([held] if held else [], timeout=2)

    def members(self) -> list[process.Process]:
        """Return the processes that live in the node: those whose /run is the node's."""
        run = (self.directory / "run").stat()
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                inside = os.path.samestat((entry / "root/run").stat(), run)
            except OSError:  # it ended meanwhile, or is a kernel thread
                continue
            one = process.identify(int(entry.name)) if inside else None
            if one:
                found.append(one)
        return found

    def holds(self, one: process.Process) -> bool:
        """Whether a process lives in the namespaces that the node has now."""
        held = self.holder()
        if held is None:
            return False
        try:
            return (
                pathlib.Path(f"/proc/{one.pid}/ns/mnt").readlink()
                == pathlib.Path(f"/proc/{held.pid}/ns/mnt").readlink()
            )
        except FileNotFoundError:
            return False

    def command(self, argv: Sequence[str], user: str = "root") -> list[str]:
        """Return the argument vector that runs `argv` inside the node as `user`.

        :raises CloudError: the node is not up
        """
        held = self.holder()
        if held is None:
            raise CloudError(f"node {self.name} is not up")
        prefix = ["nsenter", "--target", str(held.pid), "--mount", "--uts", "--"]
        if user != "root":
            group = pwd.getpwnam(user).pw_gid
            prefix += ["setpriv", "--reuid", user, "--regid", str(group), "--init-groups", "--"]
        return [*prefix, *argv]

    def environment(self, user: str = "root", extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return a clean environment for a command of `user` inside the node."""
        return {
            "PATH": f"{self.state.path}/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": pwd.getpwnam(user).pw_dir,
            "LANG": "C.UTF-8",
            **(extra or {}),
        }

    def run(
        self,
        argv: Sequence[str],
        user: str = "root",
        env: Mapping[str, str] | None = None,
        text: str | None = None,
        log: str | None = None,
    ) -> str:
        """Run a command inside the node to its end and return its output.

        :param text: its input
        :param log: name of the log file that gets its standard error (and is named if it fails)
        :raises CloudError: it failed
        """
        path = self.state.log(f"{self.name}-{log or pathlib.Path(argv[0]).name}")
        with path.open("ab") as errors:
            done = subprocess.run(
                self.command(argv, user),
                env=self.environment(user, env),
                input=text or "",
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd="/",
                check=False,
            )
            errors.write(done.stdout.encode())
        if done.returncode:
            raise CloudError(f"{self.name}: {' '.join(argv[:3])} ... failed ({done.returncode}); see {path}")
        return done.stdout

    def _lay_out(self) -> None:
        for place in (*holder.WHOLE, *(f"etc/{name}" for name in self._etc)):
            (self.directory / place).mkdir(parents=True, exist_ok=True)
        for name, text, mode in (
            ("etc/hostname", f"{self.name}\n", 0o644),
            ("etc/hosts", f"127.0.0.1 localhost {self.name}\n", 0o644),
            ("etc/sudoers", _SUDOERS.format(venv=self.state.path / "venv"), 0o440),
            ("no-kvm", "", 0o600),
        ):
            # These files are mounted one by one, which a replaced file would not take part in.
            if not (self.directory / name).exists():
                write_file(self.directory / name, text, mode)

    def _file(self) -> str:
        return f"run/{self.name}.json"

    def _record(self) -> process.Process | None:
        record = self.state.read(self._file())
        if not record:
            return None
        return process.Process(record["pid"], record["started"], record["boot"])
