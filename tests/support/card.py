# SPDX-License-Identifier: Apache-2.0
"""A directory with the stand-in executable, its regions, and what it is told to do."""

import json
import pathlib
import shutil
import uuid


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

    def tokens(self):
        return (self.directory / "tokens").read_text().splitlines()

    def calls(self, command=None):
        path = self.directory / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if command is None or line.split()[0] == command]
