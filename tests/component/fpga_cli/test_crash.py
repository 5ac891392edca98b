# SPDX-License-Identifier: Apache-2.0
"""fpga-cli, the soft FPGA's server, or the caller is killed at a step: no region is lost, none keeps bits.

`make test-long` takes every step. Else it is a part of them, chosen with a seed that stays the same.
"""

from __future__ import annotations

import functools
import os
import random
import signal
import subprocess
import sys
import time
import uuid

import pytest

from tests.crash import killed
from tests.crash.world import Caller, World
from tests.support import ROOT
from tests.support.long import LONG
from tests.support.waiting import wait_until

KILLED = -signal.SIGKILL


@pytest.fixture(scope="module")
def one_world():
    """A host with one simulated and one soft region; each test leaves them free."""
    made = World(1, 1)
    made.cli("status")
    yield made
    made.remove()


@pytest.fixture
def world(one_world):
    yield one_world
    assert [row.state for row in one_world.rows()] == ["free", "free"]


def region(world, kind):
    return next(row for row in world.rows() if row.kind == kind)


def check_all_free(world):
    for row in world.rows():
        assert row.state == "free", row
        world.check_blank(row)
    assert not world.servers()
    assert world.cli("status") == "Used regions: 0/2\n"


def points(sim, soft):
    return [(kind, point) for kind, more in (("sim", []), ("soft", soft)) for point in [*sim, *more]]


def part(steps, count):
    """Return all steps, or, in a short run, `count` of them."""
    return steps if LONG else random.Random(1).sample(steps, count)


@pytest.mark.parametrize(("kind", "point"), part(points(killed.BURN, killed.SOFT_BURN), 6))
def test_killed_in_a_burn(world, kind, point):
    owner = str(uuid.uuid4())
    burn = ["burn", "--owner", owner, "--file", world.archives[kind]]
    world.cli(*burn, code=KILLED, prepare=functools.partial(killed.arm, point, kind))
    if point == "after programmed":  # it ran, only its caller never got the id
        assert world.cli("status") == "Used regions: 1/2\n"
        assert region(world, kind).owner == owner
        assert world.holds_core(region(world, kind))
    else:
        check = world.cli("status") if point != "before programming" else "Used regions: 0/2\n"
        assert check == "Used regions: 0/2\n"
        check_all_free(world)
    world.cli("erase", "--owner", owner)
    check_all_free(world)


@pytest.mark.parametrize(("kind", "point"), part(points(killed.ERASE, killed.SOFT_ERASE), 4))
def test_killed_in_an_erase(world, kind, point):
    owner = str(uuid.uuid4())
    burned = world.cli("burn", "--owner", owner, "--file", world.archives[kind]).strip()
    world.cli("erase", burned, code=KILLED, prepare=functools.partial(killed.arm, point, kind))
    row = region(world, kind)
    if row.state == "free":
        world.check_blank(row)
    world.cli("erase", "--owner", owner)
    if point != "before erasing":
        assert row.state != "programmed"
    check_all_free(world)


@pytest.mark.parametrize(("kind", "point"), part(points(killed.ERASE, []), 3))
def test_killed_wiping_after_a_failed_load(world, kind, point):
    def prepare():
        killed.arm("before program", kind, fail)
        killed.arm(point, kind)

    world.cli("burn", "--file", world.archives[kind], code=KILLED, prepare=prepare)
    world.cli("status")
    check_all_free(world)


def fail():
    from fpga_nova import errors

    raise errors.ProgrammingFailed("no")


@pytest.mark.parametrize(
    ("kind", "point"), part(points(killed.around("erase", "keep", "program", "verify", "programmed"), []), 4)
)
def test_killed_in_a_recover(world, kind, point):
    """A lost region stays its owner's, and the next recover loads it."""
    owner = str(uuid.uuid4())
    world.cli("burn", "--owner", owner, "--file", world.archives[kind])
    world.reboot()
    world.cli("list")
    assert region(world, kind).error
    world.cli("recover", code=KILLED, prepare=functools.partial(killed.arm, point, kind))
    row = region(world, kind)
    assert (row.state, row.owner) == ("programmed", owner)
    world.cli("burn", "--file", world.archives[kind], code=65)
    world.cli("recover")
    row = region(world, kind)
    assert (row.state, row.owner, row.error) == ("programmed", owner, None)
    assert world.holds_core(row)
    world.cli("erase", "--owner", owner)
    check_all_free(world)


@pytest.mark.parametrize("point", part(killed.SERVER, 2))
def test_server_is_killed_while_it_starts(world, point):
    call = world.start(
        *("burn", "--file", world.archives["soft"]), prepare=functools.partial(killed.arm_server, point, "server")
    )
    assert call.wait() == 69, call.err()
    assert "server did not start" in call.err()
    check_all_free(world)


@pytest.mark.parametrize("point", part(["before lock", "after lock", "after listen"], 1))
def test_fpga_cli_is_killed_while_the_server_starts(world, point):
    """The server comes up without fpga-cli; a command that looks before that must not take the region for blank."""
    burn = ("burn", "--file", world.archives["soft"])
    world.cli(*burn, code=KILLED, prepare=functools.partial(killed.arm_server, point, "fpga-cli"))
    if point == "before lock":  # only the lock that it was handed keeps other commands away
        assert world.cli("status") == "Used regions: 1/2\n"
        world.cli("burn", "--file", world.archives["soft"], code=65)
    wait_until(lambda: world.cli("status") == "Used regions: 0/2\n")
    check_all_free(world)
    time.sleep(2)  # longer than the server takes its time
    check_all_free(world)


@pytest.mark.parametrize("point", part([*killed.BURN, *killed.SOFT_BURN[-4:]], 3))
def test_server_is_killed_in_a_burn(world, point):
    def kill_server():
        for pid in world.servers().values():
            os.kill(pid, signal.SIGKILL)

    call = world.start("burn", "--file", world.archives["soft"], prepare=lambda: killed.arm(point, "soft", kill_server))
    if call.wait() == 0:
        world.cli("list")
        row = region(world, "soft")
        # Proved before it was killed: seen as lost, and loaded again.
        if point in ("after verify", "before programmed", "after programmed"):
            assert row.state == "programmed" and row.error.startswith("lost: ")
            world.cli("recover")
        row = region(world, "soft")
        assert row.error is None and world.holds_core(row)
        world.cli("erase", row.id)
    else:
        assert call.code == 69, call.err()
    check_all_free(world)


@pytest.mark.parametrize("point", part([*killed.ERASE, *killed.SOFT_ERASE], 2))
def test_server_is_killed_in_an_erase(world, point):
    def kill_server():
        for pid in world.servers().values():
            os.kill(pid, signal.SIGKILL)

    burned = world.cli("burn", "--file", world.archives["soft"]).strip()
    world.cli("erase", burned, prepare=lambda: killed.arm(point, "soft", kill_server))
    check_all_free(world)


def kill_caller(caller):
    """Kill the caller of this process if it still lives; return when it is gone."""
    if os.getppid() == caller:
        os.kill(caller, signal.SIGKILL)
    while os.getppid() == caller:
        time.sleep(0.001)


@pytest.mark.parametrize(("kind", "point"), part([*points(killed.BURN, []), ("soft", "after start")], 3))
def test_caller_is_killed_in_a_burn(world, kind, point):
    """fpga-cli goes on alone, and finds that it cannot print the id: the region is given back."""
    caller = Caller(
        world,
        *("burn", "--file", world.archives[kind]),
        prepare=lambda: killed.arm(point, kind, functools.partial(kill_caller, os.getppid())),
    )
    caller.wait()
    assert (caller.code, caller.told()) == (KILLED, "")
    check_all_free(world)


@pytest.mark.parametrize(("kind", "point"), part(points(killed.ERASE, []), 2))
def test_caller_is_killed_in_an_erase(world, kind, point):
    """fpga-cli goes on alone, to the end."""
    burned = world.cli("burn", "--file", world.archives[kind]).strip()
    caller = Caller(
        world,
        *("erase", burned),
        prepare=lambda: killed.arm(point, kind, functools.partial(kill_caller, os.getppid())),
    )
    caller.wait()
    assert caller.code == KILLED
    assert [row.state for row in world.rows()] == ["free", "free"]
    check_all_free(world)


def test_killed_at_random():
    """The short form of `python -m tests.crash --kills 1000`."""
    command = [sys.executable, "-m", "tests.crash", "--kills", "40" if LONG else "6"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
