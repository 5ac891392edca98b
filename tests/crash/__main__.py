# SPDX-License-Identifier: Apache-2.0
"""SIGKILLs at random times: `python -m tests.crash [--kills N] [--seed S]`; exit 1 at the first fault.

Several fpga-cli at once burn, erase, list and recover simulated and soft regions, and are killed, or their callers, or
the soft FPGA's servers; now and then the host is restarted. Each round ends with a look at the truth from outside,
first as the round left it, then after the next command:

- no region is lost: the store has the same regions as ever, and each is free or held by an owner that asked for it;
- none is given twice: a region that an owner was told of stays with that owner until it gives it back;
- nothing of a core is readable in a free region, it has no server, and every server belongs to a held region;
- the next command leaves no region half-way that no process works on, and `recover` loads again whatever was lost.

The seed gives the same commands and the same times again; what the scheduler does between them is its own.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import ctypes
import os
import random
import signal
import sys
import time
import uuid

from tqdm import tqdm

from tests.crash.world import Call, Caller, World

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)

#: The host is restarted at least once in so many kills.
REBOOT_EVERY = 60


class Crash:
    """The rounds, and which owner may hold which region."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.kills: collections.Counter[str] = collections.Counter()
        self.rounds = self.reboots = self.restored = self.burned = self.erased = 0
        #: Burns that printed their region: owner -> region id. And owners that may hold one: the end of their burn is
        #: unknown.
        self.told: dict[str, str] = {}
        self.maybe: dict[str, str] = {}
        #: Seconds that a command takes here, by its name and kind of card; half of all kills come before its end.
        self.seconds: dict[str, float] = collections.defaultdict(lambda: 0.3)
        world.cli("status")
        for kind in ("sim", "soft"):  # so that a soft core has been decoded
            world.cli("erase", world.cli("burn", "--file", world.archives[kind]).strip())
        self.ids = {row.id for row in world.rows()}

    def round(self) -> None:
        """Run some commands at once, kill some of them, and look."""
        self.rounds += 1
        holders = sorted({**self.told, **self.maybe})
        calls = [self.choose(holders) for _ in range(self.random.randint(2, 5))]
        began = time.monotonic()
        running: list[tuple[str, str | None, Call | Caller]] = []
        events = []
        for what, owner, arguments, by_caller in calls:
            call = Caller(self.world, *arguments) if by_caller else self.world.start(*arguments)
            running.append((what, owner, call))
            if by_caller or self.random.random() < 0.8:
                events.append((self.random.uniform(0, 2 * self.seconds[what]), call))
        servers = self.world.servers() if self.random.random() < 0.25 else {}
        if servers:
            events.append((self.random.uniform(0, 0.5), servers[self.random.choice(sorted(servers))]))
        shot: set[int] = set()
        for when, victim in sorted(events, key=lambda event: event[0]):
            self._sleep_until(began + when, running, began)
            if isinstance(victim, int):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                    self.kills["server"] += 1
            elif victim.code is None and victim.kill():
                shot.add(id(victim))
                self.kills["caller" if isinstance(victim, Caller) else "fpga-cli"] += 1
        for what, owner, call in running:
            call.wait()
            self._note(what, owner, call, id(call) in shot)
        self._reap()
        self._look(settled=False)
        self._next_command()
        self._look(settled=True)
        if self.random.random() < 0.02 or sum(self.kills.values()) > REBOOT_EVERY * (self.reboots + 1):
            self.world.reboot()
            self._reap()
            self.reboots += 1
            self._look(settled=False)
            if self.random.random() < 0.5:
                call = self.world.start("recover")
                time.sleep(self.random.uniform(0, self.seconds["recover"] * 2))
                self.kills["fpga-cli"] += call.kill()
                self._reap()
                self._look(settled=False)
        self._restore()

    def choose(self, holders: list[str]) -> tuple[str, str | None, list[object], bool]:
        """Choose a command: (name for its times, owner, arguments, whether it has a caller of its own)."""
        number = self.random.random()
        by_caller = self.random.random() < 0.2
        if holders and number < 0.1 + 0.6 * len(holders) / len(self.ids):
            owner = self.random.choice(holders)
            kind = self.told.pop(owner, "") or self.maybe.get(owner, "")
            self.maybe[owner] = kind
            return "erase", owner, ["erase", "--owner", owner], by_caller
        if number < 0.9:
            owner = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
            kind = self.random.choice(["sim", "sim", "soft"])
            self.maybe[owner] = ""
            return f"burn {kind}", owner, ["burn", "--owner", owner, "--file", self.world.archives[kind]], by_caller
        name = self.random.choice(["recover", "list", "status"])
        return name, None, [name], False

    def _sleep_until(self, when: float, running: list[tuple[str, str | None, Call | Caller]], began: float) -> None:
        """Sleep, and note how long commands take that come to their end meanwhile."""
        while (left := when - time.monotonic()) > 0:
            for what, _, call in running:
                if isinstance(call, Call) and call.code is None and call.poll() == 0:
                    self.seconds[what] = 0.8 * self.seconds[what] + 0.2 * (time.monotonic() - began)
            time.sleep(min(left, 0.005))

    def _note(self, what: str, owner: str | None, call: Call | Caller, shot: bool) -> None:
        """Record what the owner of an ended command now knows."""
        if owner is None:
            assert shot or call.code == 0, (call.arguments, call.code, call.err())  # type: ignore[union-attr]
        elif what == "erase":
            if isinstance(call, Call) and call.code == 0:
                assert not [row for row in self.world.rows() if row.owner == owner], (
                    f"{owner} still holds a region after its erase"
                )
                self.maybe.pop(owner, None)
                self.erased += 1
            elif isinstance(call, Call):
                assert shot, (call.arguments, call.code, call.err())
        else:
            words = call.told() if isinstance(call, Caller) else call.out()
            if words.endswith("\n"):
                # An owner that was told holds it, unless it erased it in the same round.
                self.maybe.pop(owner)
                assert words.strip() not in self.told.values(), f"{words.strip()} is given twice"
                self.told[owner] = words.strip()
                self.burned += 1
            elif isinstance(call, Call) and not shot:
                assert call.code in (65, 69), (call.arguments, call.code, call.err())
                self.maybe.pop(owner)

    def _look(self, settled: bool) -> None:
        """Check the state, as it was left or, `settled`, after another command."""
        rows = self.world.rows()
        assert {row.id for row in rows} == self.ids, "the store has lost a region"
        servers = self.world.servers()
        for row in rows:
            if row.state == "free":
                assert row.owner is None, row
                self.world.check_blank(row)
            else:
                assert row.owner in self.told or row.owner in self.maybe, (
                    f"{row} is held by an owner that did not ask for it"
                )
            assert row.state != "quarantined", row
            if settled:
                assert row.state in ("free", "programmed"), f"{row} was left half-way"
                if row.state == "programmed" and row.error is None:
                    assert self.world.holds_core(row), f"{row} does not hold its core, and is not said to be lost"
                assert row.error is None or row.error.startswith("lost: "), row
        for owner, region in self.told.items():
            (row,) = [row for row in rows if row.id == region]
            assert row.owner == owner and row.state == "programmed", f"{owner} was told that it holds {row}"
        if settled:
            places = {self.world.place(row) for row in rows if row.state == "programmed"}
            assert set(servers) <= places, f"servers without a held region: {set(servers) - places}"
            used = sum(row.state != "free" for row in rows)
            assert self.world.cli("status") == f"Used regions: {used}/{len(rows)}\n"

    def _next_command(self) -> None:
        """Check that the next command leaves no region half-way that no process works on.

        A server that was just starting when its fpga-cli was killed keeps the region's lock until it has ended.
        """
        worked_on = {row.id for row in self.world.rows() if self.world.worked_on(row)}
        self.world.cli("list")
        left = {row.id for row in self.world.rows() if row.state not in ("free", "programmed")}
        assert left <= worked_on, f"{left - worked_on} were left half-way"
        if left:
            self.world.wait_for_workers()
            self.world.cli("list")

    def _restore(self) -> None:
        """Check that `recover` loads again what is lost."""
        self._next_command()
        # A process that a killed recover started may still work, and another recover leaves it that region.
        self.world.wait_for_workers()
        lost = [row for row in self.world.rows() if row.error is not None]
        if lost:
            self.world.cli("recover")
            self.restored += len(lost)
        self._look(settled=True)
        assert all(row.error is None for row in self.world.rows()), "recover has left something lost"
        # An owner that holds nothing is done with.
        holders = {row.owner for row in self.world.rows()}
        self.maybe = {owner: kind for owner, kind in self.maybe.items() if owner in holders}

    def finish(self) -> None:
        """Give all back."""
        for owner in sorted({**self.told, **self.maybe}):
            self.world.cli("erase", "--owner", owner)
        self.told, self.maybe = {}, {}
        self._look(settled=True)
        assert {row.state for row in self.world.rows()} == {"free"}
        assert not self.world.servers()
        left = list((self.world.state / "tmp").iterdir())
        self.world.cli("erase", self.world.cli("burn", "--file", self.world.archives["sim"]).strip())
        assert not list((self.world.state / "tmp").iterdir()), f"not swept: {left}"

    @staticmethod
    def _reap() -> None:
        """Reap the processes that became ours: killed servers, and the processes that started them."""
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def main() -> int:
    """Run rounds until there were as many kills as asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000, help="SIGKILLs that hit a living process (default: 1000)")
    parser.add_argument("--seed", type=int, default=None, help="default: one of its own, which it prints")
    arguments = parser.parse_args()
    seed = random.SystemRandom().getrandbits(32) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    # The children of a killed process become ours, so that their end can be seen.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    world = World()
    began = time.monotonic()
    try:
        crash = Crash(world, seed)
        with tqdm(total=arguments.kills, desc="kills", unit="", disable=None) as progress:
            while (done := sum(crash.kills.values())) < arguments.kills:
                crash.round()
                progress.update(sum(crash.kills.values()) - done)
        crash.finish()
    except AssertionError as error:
        print(f"round {crash.rounds}, seed {seed}: {error}; all is left at {world.path}", file=sys.stderr)
        raise
    kills = ", ".join(f"{number} of {victim}" for victim, number in sorted(crash.kills.items()))
    print(
        f"{sum(crash.kills.values())} kills ({kills}) in {crash.rounds} rounds, {time.monotonic() - began:.0f} s: "
        f"{crash.burned} burns and {crash.erased} erases came to their end, {crash.reboots} restarts of the host, "
        f"{crash.restored} lost regions loaded again; nothing lost, nothing given twice, nothing left behind"
    )
    world.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
