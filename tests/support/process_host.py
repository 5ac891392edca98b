# SPDX-License-Identifier: Apache-2.0
"""A host of its own for a test: configuration, state directory, and the real fpga-cli over simulated cards."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import uuid

from tests.support import ROOT


@dataclasses.dataclass
class Host:
    """A compute host's FPGA side in a directory."""

    path: pathlib.Path

    @property
    def config_file(self) -> pathlib.Path:
        return self.path / "fpga.conf"

    @property
    def state_path(self) -> pathlib.Path:
        return self.path / "state"

    @property
    def python_path(self) -> str:
        return str(ROOT)

    def configure(self, **options: str) -> None:
        values = {
            "state_path": self.state_path,
            "run_path": self.path / "run",
            "devices": "sim",
            "sim_cards": "a:board1:2,b:board2:1",
            "lock_timeout": 10,
        }
        values.update(options)
        lines = [f"{name} = {value}" for name, value in values.items()]
        self.config_file.write_text("\n".join(["[fpga]", *lines, ""]))

    def configure_glance(self, server, **options: str) -> None:
        values = {
            "auth_type": "none",
            "endpoint_override": f"http://127.0.0.1:{server.server_port}",
            "connect_retries": 0,
            "timeout": 5,
        }
        self.configure(**{**values, **options})

    def fault(self, when: str, what: str | None, card: str = "a") -> None:
        path = self.state_path / "sim" / card / f"fault-{when}"
        if what is None:
            path.unlink()
        else:
            path.write_text(what)

    def start(
        self, *arguments: str | pathlib.Path, stdout: int = subprocess.PIPE, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "fpga_nova.fpga_cli", "--config-file", self.config_file, *arguments]
        return subprocess.Popen(
            list(map(str, command)),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": self.python_path},
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )

    def cli(self, *arguments: str | pathlib.Path, code: int = 0, said: str | None = None) -> str:
        """Run fpga-cli and require its exit code; return stdout, or, for a code that is not 0, stderr.

        :param said: what it gets on standard input
        """
        process = self.start(*arguments, stdin=subprocess.DEVNULL if said is None else subprocess.PIPE)
        out, err = process.communicate(said, timeout=60)
        assert process.returncode == code, f"exit {process.returncode}: {out}{err}"
        if code == 0:
            return out
        assert out == ""
        if code > 0:
            assert err.startswith("Error: ") and err.count("\n") == 1, err
        return err

    def reboot(self, card_keeps: bool = False) -> None:
        """Do to the host what a restart does, as far as files can tell: no processes are there, nor what they had."""
        with contextlib.closing(sqlite3.connect(self.state_path / "regions.sqlite")) as connection, connection:
            changed = connection.execute("UPDATE meta SET value = ? WHERE key = 'boot_id'", (str(uuid.uuid4()),))
            assert changed.rowcount == 1
        if not card_keeps:
            shutil.rmtree(self.path / "run")

    def lost(self) -> list[str]:
        """Return the ids of the lost regions."""
        return [
            region["id"]
            for region in self.regions()
            if region["state"] == "programmed" and (region["error"] or "").startswith("lost: ")
        ]

    def regions(self) -> list[dict]:
        return json.loads(self.cli("list", "-f", "json"))

    def states(self) -> list[str]:
        return [region["state"] for region in self.regions()]
