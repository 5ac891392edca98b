#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""A small executable that honours fpga-cli's contract, for the tests of Nova's side.

Its regions are in `regions.json` beside it, made by `card.Card`. `behaviour.json` beside it makes it fail or be slow:
{"burn": {"code": 69, "text": "Error: ...", "sleep": 0.5, "partial": true}, "burn IMAGE_ID": ..., "status": ...}.
Each call is one line in `calls`. Named `fpga-cli` it takes --owner, --project and `list`; under another name it does
not. A token that a burn comes with is added to `tokens`. Imported, `call` answers without a process.
"""

import contextlib
import fcntl
import json
import pathlib
import sys
import time


class Failed(Exception):
    """The call ends with an exit code and a line on stderr."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def call(here, own, arguments, read_token, pause=time.sleep):
    """Answer one call; return what it prints.

    :param here: directory of the regions
    :param own: whether it is named fpga-cli
    :param read_token: returns the token from standard input
    :param pause: waits for so many seconds in the middle of a slow burn
    """
    with (here / "calls").open("a") as calls:
        calls.write(" ".join(arguments) + "\n")
    command = arguments[0]
    behaviour = json.loads((here / "behaviour.json").read_text())
    behaviour = {**behaviour.get(command, {}), **behaviour.get(f"{command} {arguments[-1]}", {})}
    if "code" in behaviour and not behaviour.get("partial"):
        pause(behaviour.get("sleep", 0))
        raise Failed(behaviour["code"], behaviour["text"])
    if command == "status" and len(arguments) == 1:
        regions = load(here)
        return f"Used regions: {sum(r['state'] != 'free' for r in regions)}/{len(regions)}\n"
    if own and arguments == ["list", "-f", "json"]:
        return json.dumps(load(here)) + "\n"
    if command == "burn":
        return burn(here, own, arguments[1:], read_token, behaviour, pause)
    if command == "erase":
        return erase(here, own, arguments[1:])
    raise Failed(2, "Error: no such command")


def burn(here, own, arguments, read_token, behaviour, pause):
    owner = None
    if own and arguments[0] == "--owner" and arguments[2] == "--project":
        owner, arguments = arguments[1], arguments[4:]
        if arguments[0] == "--token-stdin":
            with (here / "tokens").open("a") as tokens:
                tokens.write(read_token() + "\n")
            del arguments[0]
    with locked(here) as regions:
        region = next((r for r in regions if r["state"] == "free"), None)
        if region is None:
            raise Failed(65, "Error: no free region")
        region.update(state="programming", owner=owner, image_id=arguments[0])
    pause(behaviour.get("sleep", 0))
    with locked(here) as regions:
        mine = next(r for r in regions if r["id"] == region["id"])
        mine["state"] = "dirty" if "code" in behaviour else "programmed"
    if "code" in behaviour:
        raise Failed(behaviour["code"], behaviour["text"])
    return region["id"] + "\n"


def erase(here, own, arguments):
    owner = None
    if own and arguments[0] == "--owner":
        owner, arguments = arguments[1], arguments[2:]
    with locked(here) as regions:
        for region in regions:
            if region["id"] in (arguments or [region["id"]]) and (owner is None or region["owner"] == owner):
                if owner is None and region["state"] == "free":
                    continue
                region.update(state="free", owner=None, image_id=None)
                if owner is None:
                    return ""
        if owner is None:
            raise Failed(33, "Error: unknown region")
    return ""


def load(here):
    return json.loads((here / "regions.json").read_text())


@contextlib.contextmanager
def locked(here):
    """Read the regions for a change that no other call sees half done, and write them back."""
    with (here / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        regions = load(here)
        yield regions
        new = here / "regions.json.new"
        new.write_text(json.dumps(regions))
        new.replace(here / "regions.json")


def main():
    path = pathlib.Path(sys.argv[0])
    try:
        print(call(path.parent, path.name == "fpga-cli", sys.argv[1:], lambda: sys.stdin.readline().strip()), end="")
    except Failed as error:
        print(error, file=sys.stderr)
        sys.exit(error.code)


if __name__ == "__main__":
    main()
