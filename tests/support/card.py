# SPDX-License-Identifier: Apache-2.0
"""A host's regions behind a stand-in for fpga-cli, as an executable or in this process."""

import json
import pathlib
import shutil
import uuid

from fpga_nova.clients.root_command import CommandResult
from tests.support import stand_in


class Card:
    """A host's regions as `stand_in.py` keeps them.

    :param name: file name of the executable; with `fpga-cli` it knows owners
    """

    def __init__(self, directory, regions, name="fpga-cli"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.command = str(self.directory / name)
        shutil.copy(pathlib.Path(__file__).parent / "stand_in.py", self.command)
        pathlib.Path(self.command).chmod(0o755)
        self.write(
            [
                {
                    "id": str(uuid.uuid4()),
                    "card_id": "test:0",
                    "device": "test",
                    "vendor": "lattice",
                    "board": "soft-hx1k",
                    "index": index,
                    "region_type": "stream",
                    "interface_id": None,
                    "state": "free",
                    "owner": None,
                    "image_id": None,
                }
                for index in range(regions)
            ]
        )
        self.behave({})

    def write(self, regions):
        (self.directory / "regions.json").write_text(json.dumps(regions))

    def regions(self):
        return json.loads((self.directory / "regions.json").read_text())

    def used(self):
        return [region for region in self.regions() if region["state"] != "free"]

    def owners(self):
        return {region["owner"] for region in self.used()}

    def behave(self, behaviour):
        (self.directory / "behaviour.json").write_text(json.dumps(behaviour))

    def run(self, command, root_helper, timeout, stdin=None):
        """Answer as the executable does, without a process: for `fpga_cli_runner.Runner(run=...)`."""
        own = pathlib.PurePath(command[0]).name == "fpga-cli"
        try:
            printed = stand_in.call(self.directory, own, command[1:], lambda: stdin, self.pause)
        except stand_in.Failed as error:
            return CommandResult(error.code, "", f"{error}\n")
        return CommandResult(0, printed, "")

    def pause(self, seconds):
        """Wait in the middle of a burn; tests replace this to act there. In this process there is nothing to wait."""

    def tokens(self):
        return (self.directory / "tokens").read_text().splitlines()

    def calls(self, command=None):
        path = self.directory / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if command is None or line.split()[0] == command]
