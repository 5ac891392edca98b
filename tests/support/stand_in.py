#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""A small executable that honours fpga-cli's contract, for the tests of Nova's side.

Its regions are in `regions.json` beside it, made by `make()`. `behaviour.json` beside it tells it to fail or to be
slow: {"burn": {"code": 69, "text": "Error: ...", "sleep": 0.5, "partial": true}, "burn IMAGE_ID": ..., "status": ...}.
Each call is one line in `calls`. Named `fpga-cli` it takes --owner, --project and `list`; under another name it does
not. A token that it is handed over with a burn is added to `tokens`.
"""

import fcntl
import json
import pathlib
import sys
import time

HERE = pathlib.Path(sys.argv[0]).parent
OWN = pathlib.Path(sys.argv[0]).name == "fpga-cli"


def main(arguments):
    with (HERE / "calls").open("a") as calls:
        calls.write(" ".join(arguments) + "\n")
    command = arguments[0]
    behaviour = json.loads((HERE / "behaviour.json").read_text())
    told = {**behaviour.get(command, {}), **behaviour.get(f"{command} {arguments[-1]}", {})}
    if "code" in told and not told.get("partial"):
        time.sleep(told.get("sleep", 0))
        return fail(told["code"], told["text"])
    if command == "status" and len(arguments) == 1:
        regions = load()
        print(f"Used regions: {sum(r['state'] != 'free' for r in regions)}/{len(regions)}")
    elif OWN and arguments == ["list", "-f", "json"]:
        print(json.dumps(load()))
    elif command == "burn":
        return burn(arguments[1:], told)
    elif command == "erase":
        return erase(arguments[1:])
    else:
        return fail(2, "Error: no such command")
    return 0


def burn(arguments, told):
    owner = None
    if OWN and arguments[0] == "--owner" and arguments[2] == "--project":
        owner, arguments = arguments[1], arguments[4:]
        if arguments[0] == "--token-stdin":
            with (HERE / "tokens").open("a") as tokens:
                tokens.write(sys.stdin.readline().strip() + "\n")
            del arguments[0]
    with locked() as regions:
        region = next((r for r in regions if r["state"] == "free"), None)
        if region is None:
            return fail(65, "Error: no free region")
        region.update(state="programming", owner=owner, image_id=arguments[0])
    time.sleep(told.get("sleep", 0))
    with locked() as regions:
        mine = next(r for r in regions if r["id"] == region["id"])
        mine["state"] = "dirty" if "code" in told else "programmed"
    if "code" in told:
        return fail(told["code"], told["text"])
    print(region["id"])
    return 0


def erase(arguments):
    owner = None
    if OWN and arguments[0] == "--owner":
        owner, arguments = arguments[1], arguments[2:]
    with locked() as regions:
        for region in regions:
            if region["id"] in (arguments or [region["id"]]) and (owner is None or region["owner"] == owner):
                if owner is None and region["state"] == "free":
                    continue
                region.update(state="free", owner=None, image_id=None)
                if owner is None:
                    return 0
        if owner is None:
            return fail(33, "Error: unknown region")
    return 0


def fail(code, text):
    print(text, file=sys.stderr)
    return code


def load():
    return json.loads((HERE / "regions.json").read_text())


class locked:
    def __enter__(self):
        self.file = (HERE / "lock").open("w")
        fcntl.flock(self.file, fcntl.LOCK_EX)
        self.regions = load()
        return self.regions

    def __exit__(self, *_):
        new = HERE / "regions.json.new"
        new.write_text(json.dumps(self.regions))
        new.replace(HERE / "regions.json")
        self.file.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
