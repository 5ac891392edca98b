# SPDX-License-Identifier: Apache-2.0
"""Off means off: a patched Nova with fpga_access=False against an unpatched one of the same release.

Both are copies of this environment's Nova, made here. Each runs in processes of its own, with all services and 50 fake
computes in one; they take turns. Two processes with the very same code differ by some percent for as long as they
live, so each Nova has several processes, which take turns, too. The time that they compute counts. The noise
is measured, too: other unpatched processes against the same ones. Aims: ratios within noise of 1.00; FpgaFilter at no
cost per host for a request without an FPGA, and at no more than PciPassthroughFilter's for one with.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable

from benchmarks.pairs import compare
from fpga_nova.patcher import locate, series, tree
from tests.support import patched_nova

ROOT = pathlib.Path(__file__).resolve().parents[1]

HOSTS = 50
SCHEDULED_HOSTS = 1000

#: Processes of each Nova; the unpatched one has as many again, to be compared with itself.
PROCESSES = 3

#: Pairs of each comparison, and of those that take microseconds.
ROUNDS = 16
FILTER_ROUNDS = 20


class Worker:
    """A process with a Nova from the directory `path`, ready when :meth:`wait` returns."""

    def __init__(self, path: pathlib.Path, log: pathlib.Path) -> None:
        answers, theirs = os.pipe()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(path), str(ROOT)]),
            "PYTHONHASHSEED": "0",  # or each process has other collisions in its dictionaries
            "HOSTS": str(HOSTS),
            "SCHEDULED_HOSTS": str(SCHEDULED_HOSTS),
            "ANSWERS": str(theirs),
        }
        # nova.tests.functional comes first: it has eventlet patch the standard library before anything is imported.
        # With native threads, hundreds of which poll, a boot takes the longer the more went before it.
        command = [sys.executable, "-m", "unittest", "nova.tests.functional", "benchmarks.off_worker"]
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, cwd=path, env=environment, stdin=subprocess.PIPE, stdout=output, stderr=output,
                text=True, pass_fds=[theirs],
            )  # fmt: skip
        os.close(theirs)
        self._answers = os.fdopen(answers)

    def wait(self) -> str:
        line = self._answers.readline().strip()
        if not line:
            self._process.wait()
            raise SystemExit("a Nova did not answer:\n" + self._log.read_text(errors="replace")[-3000:])
        return line

    def ask(self, task: str) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{task}\n")
        self._process.stdin.flush()
        return float(self.wait())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._answers.close()


def make(directory: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Make a patched and an unpatched Nova; return the directories to put on the path."""
    places = []
    for name in ("patched", "unpatched"):
        place = directory / name
        place.mkdir()
        patched_nova.make(place, with_tests=True)
        # The tests of Nova look for its api-paste.ini beside the package.
        (place / "etc").symlink_to(pathlib.Path(sys.prefix) / "etc")
        places.append(place)
    tree.Tree(locate.find(places[1]), series.load()).revert()
    return places[0], places[1]


def main() -> None:
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fb")))
        with_patch, without = make(directory)
        groups: dict[str, list[Worker]] = {"patched": [], "unpatched": [], "unpatched too": []}
        for _ in range(PROCESSES):
            for name, workers in groups.items():
                place = with_patch if name == "patched" else without
                worker = Worker(place, directory / f"log {name} {len(workers)}")
                stack.callback(worker.close)
                workers.append(worker)
        for worker in itertools.chain(*groups.values()):
            worker.wait()

        def asking(name: str, task: str) -> Callable[[], float]:
            for worker in groups[name]:
                worker.ask(task)  # to warm up
            turns = itertools.cycle(groups[name])
            return lambda: next(turns).ask(task)

        def against_unpatched(name: str, task: str) -> None:
            for group, what in (("patched", name), ("unpatched too", "  noise: unpatched")):
                compare(what, asking(group, task), asking("unpatched", task), ROUNDS, "an unpatched Nova")

        def filters(name: str, task: str, base: str, base_name: str) -> None:
            compare(name, asking("patched", task), asking("patched", base), FILTER_ROUNDS, base_name)

        against_unpatched(f"fpga_access=False: update_available_resource of {HOSTS} hosts", "audit")
        against_unpatched("fpga_access=False: 2 boots on the fake driver", "boot")
        against_unpatched(f"no FPGA asked for: scheduling over {SCHEDULED_HOSTS} hosts", "schedule")
        filters("FpgaFilter, no FPGA asked for, 1000 hosts", "fpga_unasked_1000", "fpga_unasked_10", "10 hosts")
        filters("FpgaFilter, an FPGA asked for, 1000 hosts", "fpga_asked", "pci", "PciPassthroughFilter")
        filters(
            "FpgaFilter, an FPGA asked for, 1000 hosts", "fpga_asked", "aggregate", "AggregateInstanceExtraSpecsFilter"
        )


if __name__ == "__main__":
    main()
