# SPDX-License-Identifier: Apache-2.0
"""Runs tests of one Nova tree with stestr, as OpenStack does, and reads their results."""

from __future__ import annotations

import dataclasses
import io
import os
import pathlib
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

import subunit
import testtools

from build_scripts.lib.errors import CloudError
from build_scripts.nova_tests import compare

#: Directory of each suite's tests, from the root of Nova's tree. stestr imports all modules of it to find the tests.
SUITES = {"unit": "./nova/tests/unit", "functional": "./nova/tests/functional"}

#: Nova's tox.ini sets these for its tests, in all releases; but the time for one test (seconds) is longer, since a
#: busy machine must not look like a bad patch, and compiled files are kept, since each worker imports all of Nova.
_ENVIRONMENT = {
    "LANGUAGE": "en_US",
    "LC_ALL": "C.UTF-8",
    "OS_STDOUT_CAPTURE": "1",
    "OS_STDERR_CAPTURE": "1",
    "OS_TEST_TIMEOUT": "600",
}
#: Nova's own lists of the tests that fail or hang without eventlet, below its root; its tox.ini leaves them out.
_THREADING_EXCLUDES = "threading_{suite}_test_excludes.txt"
# Seconds between two signs of life.
_SIGN = 30


@dataclasses.dataclass(frozen=True)
class Tree:
    """An unpacked Nova that can be tested.

    :param root: where its .stestr.conf and stestr's repository are
    :param python: the interpreter of the virtual environment with what it needs
    :param more: directories that come after `root` on the path
    :param native_threads: whether it runs without eventlet's monkey patching
    :param log: file for what the runs print
    """

    root: pathlib.Path
    python: pathlib.Path
    more: tuple[pathlib.Path, ...]
    native_threads: bool
    log: pathlib.Path

    @property
    def name(self) -> str:
        """The suite's name: the directory that it is in."""
        return self.root.parent.name

    def run(self, suite: str, patterns: Sequence[str]) -> dict[str, str]:
        """Run the tests of a suite whose ids match one of the patterns; return results by id.

        :param suite: a key of :data:`SUITES`
        :param patterns: regular expressions, searched for in the ids
        :raises CloudError: there were no results, for want of tests or because stestr could not begin
        """
        return self._run(suite, ["--concurrency", str(os.cpu_count()), *self._excludes(suite), *patterns])

    def run_again(self, suite: str, tests: Sequence[str]) -> dict[str, str]:
        """Run these tests one after the other with no other beside them; return results by id.

        :raises CloudError: as for :meth:`run`
        """
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".tests") as wanted:
            wanted.write("".join(f"{test}\n" for test in tests))
            wanted.flush()
            return self._run(suite, ["--serial", "--load-list", wanted.name])

    def _run(self, suite: str, arguments: Sequence[str]) -> dict[str, str]:
        self._make_repository()
        counter = self.root / ".stestr/next-stream"
        runs = counter.read_text()
        self._watch([*self._stestr(suite), "run", *arguments])
        if counter.read_text() == runs:
            raise CloudError(f"the tests of {self.root} could not begin; see {self.log}")
        results = read(self._output([*self._stestr(suite), "last", "--subunit"]))
        if not results:
            raise CloudError(f"no test of {self.root} ran; see {self.log}")
        return results

    def ids(self, suite: str, patterns: Sequence[str]) -> list[str]:
        """Return the ids of the tests of a suite that match a pattern, without running them.

        :raises CloudError: there are none
        """
        self._make_repository()
        argv = [*self._stestr(suite), "list", *self._excludes(suite), *patterns]
        lines = self._output(argv).decode(errors="replace").splitlines()
        found = sorted({line for line in lines if line.startswith("nova.tests.")})
        if not found:
            raise CloudError(f"{self.root} has none of the tests asked for: {lines[-1] if lines else 'no output'}")
        return found

    def _make_repository(self) -> None:
        if not (self.root / ".stestr").is_dir():
            self._output([str(self.python.with_name("stestr")), "init"])

    def _excludes(self, suite: str) -> list[str]:
        excludes = self.root / _THREADING_EXCLUDES.format(suite=suite)
        return ["--exclude-list", str(excludes)] if self.native_threads and excludes.is_file() else []

    def _stestr(self, suite: str) -> list[str]:
        return [str(self.python.with_name("stestr")), "--test-path", SUITES[suite]]

    def _environment(self) -> Mapping[str, str]:
        return {
            **os.environ,
            **_ENVIRONMENT,
            "OS_NOVA_DISABLE_EVENTLET_PATCHING": str(self.native_threads).lower(),
            # stestr's workers are `python -m ...`.
            "PATH": os.pathsep.join([str(self.python.parent), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join(str(path) for path in (self.root, *self.more)),
        }

    def _watch(self, argv: Sequence[str]) -> None:
        """Run a command with its output in the log; print how far it is every 30 seconds."""
        clock = time.monotonic()
        with self.log.open("ab") as output:
            begun = output.tell()
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.root,
                env=self._environment(),
            )
            while True:
                try:
                    child.wait(timeout=_SIGN)
                    return
                except subprocess.TimeoutExpired:
                    print(f"  {time.monotonic() - clock:5.0f} s  {self._ended(begun)} tests", flush=True)

    def _ended(self, begun: int) -> int:
        """Return how many tests the log says have ended, from this place on."""
        with self.log.open("rb") as text:
            text.seek(begun)
            return sum(line.startswith(b"{") for line in text)

    def _output(self, argv: Sequence[str]) -> bytes:
        """Run a command; return its standard output, which says how tests ended, as its exit code does."""
        with self.log.open("ab") as errors:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self.root,
                env=self._environment(),
                check=False,
            )
        return done.stdout


def read(stream: bytes) -> dict[str, str]:
    """Return the result of each test in a subunit stream, by its id."""
    results: dict[str, str] = {}

    def note(test: Mapping[str, Any]) -> None:
        if test["status"] != "exists":  # finding a test is not a result
            results[test["id"]] = compare.merge(results.get(test["id"]), test["status"])

    result = testtools.StreamToDict(note)
    result.startTestRun()
    subunit.ByteStreamToStreamResult(io.BytesIO(stream), non_subunit_name="printed").run(result)
    result.stopTestRun()
    results.pop("printed", None)
    return results
