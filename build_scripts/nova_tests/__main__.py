# SPDX-License-Identifier: Apache-2.0
"""Runs Nova's own tests without the patch and with it, and says what the patch made worse."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from build_scripts.lib import paths
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State
from build_scripts.nova_tests import compare, environment
from build_scripts.nova_tests.suite import Tree
from fpga_nova.patcher import series

#: From so many tests that became worse on, chance is no explanation, and they are not run again.
_TOO_MANY = 40

Results = dict[str, str]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 1 where the patch makes a test worse."""
    arguments = _parser().parse_args(argv)
    try:
        state = State(paths.state_path())
        with _alone(state):
            return Judge(state, arguments.nova, arguments.select, arguments.patched_only).judge(arguments.record)
    except CloudError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nova_tests", description=__doc__)
    parser.add_argument("--nova", type=int, default=34, metavar="SERIES", help="series of Nova (default: 34)")
    parser.add_argument("--select", help="a selection of selections.yaml (default: what it says for the series)")
    parser.add_argument(
        "--patched-only",
        action="store_true",
        help="do not run the tests unpatched: take what is recorded in unpatched.yaml for what they would say",
    )
    parser.add_argument(
        "--record", action="store_true", help="write into unpatched.yaml which tests of `touched` do not pass unpatched"
    )
    return parser


class Judge:
    """One release, one selection.

    :param nova: the first number of its version
    :param select: name of the selection; None for what is the release's own
    :param patched_only: rely on the record for the unpatched results
    :raises CloudError: there is no such release or selection
    """

    def __init__(self, state: State, nova: int, select: str | None, patched_only: bool) -> None:
        data = _load("selections.yaml")
        try:
            release = data["releases"][nova]
            version = next(v for v in series.load().releases if v.startswith(f"{nova}."))
            self._selection: Mapping[str, list[str]] = data["selections"][select or release["select"]]
        except KeyError as error:
            raise CloudError(f"selections.yaml has no {error}") from error
        self._touched = [re.compile(pattern) for pattern in data["selections"]["touched"]["unit"]]
        self._nova = nova
        self._patched_only = patched_only
        self._name = f"Nova {version}, {select or release['select']}"
        self._environment = environment.Environment(state, version, release["native_threads"])

    def judge(self, record: bool) -> int:
        """Run the tests and print what came of them; return 0, or 1 where the patch makes one worse."""
        unpatched = self._environment.unpatched()
        patched = self._environment.patched()
        problems: list[str] = []
        flaky = 0
        for suite, patterns in self._selection.items():
            if self._patched_only:
                before = self._recorded(unpatched.ids(suite, patterns))
            else:
                before = self._run(unpatched, suite, patterns)
            after = self._run(patched, suite, patterns)
            worse = compare.worse(before, after)
            if worse and len(worse) <= _TOO_MANY:
                again = self._again(unpatched, patched, suite, worse)
                flaky += len(worse) - len(again)
                worse = again
            problems += [str(difference) for difference in worse]
            self._summary(suite, before, after)
            if suite == "unit" and not self._patched_only:
                problems += self._check_record(before, record)
        for problem in problems:
            print(f"  {problem}")
        print(f"{self._name}: {len(problems)} differences, {flaky} flaky")
        return 1 if problems else 0

    def _run(self, tree: Tree, suite: str, patterns: Sequence[str]) -> Results:
        print(f"{self._name}: {suite} tests, {tree.name}", flush=True)
        clock = time.monotonic()
        results = tree.run(suite, patterns)
        print(f"  {compare.tally(results.values())}, {time.monotonic() - clock:.0f} s", flush=True)
        return results

    @staticmethod
    def _summary(suite: str, before: Results, after: Results) -> None:
        new = after.keys() - before.keys()
        failing = [test for test, status in before.items() if compare.failed(status)]
        print(f"  {suite}: {len(before)} compared, {len(new)} new, {len(failing)} fail unpatched")
        for test in sorted(failing):
            print(f"    fails unpatched: {test} ({after.get(test)} patched)")

    @staticmethod
    def _again(
        unpatched: Tree, patched: Tree, suite: str, worse: Sequence[compare.Difference]
    ) -> list[compare.Difference]:
        """Run what became worse once more in both trees; return what is worse again."""
        there = [difference for difference in worse if difference.after is not None]
        gone = [difference for difference in worse if difference.after is None]
        if not there:
            return gone
        tests = [difference.test for difference in there]
        print(f"  running {len(tests)} tests again that became worse", flush=True)
        known = [difference.test for difference in there if difference.before is not None]
        before = unpatched.run_again(suite, known) if known else {}
        again = [*gone, *compare.worse(before, patched.run_again(suite, tests))]
        still = {difference.test for difference in again}
        for test in tests:
            if test not in still:
                print(f"    flaky: {test}")
        return again

    def _recorded(self, tests: Sequence[str]) -> Results:
        """Return what is recorded to come of tests unpatched: all that is not mentioned passes.

        :raises CloudError: there is no record of them
        """
        record = _load("unpatched.yaml").get(self._nova)
        unknown = [test for test in tests if not self._is_touched(test)]
        if record is None or unknown:
            raise CloudError(f"unpatched.yaml has no record of {unknown[0] if unknown else self._name}")
        return {test: record.get(test, "success") for test in tests}

    def _check_record(self, before: Results, write: bool) -> list[str]:
        """Compare what is recorded of the unpatched tests with what came of them, or record that."""
        found = {
            test: status
            for test, status in sorted(before.items())
            if self._is_touched(test) and status not in ("success", "xfail")
        }
        records = _load("unpatched.yaml")
        if write:
            records[self._nova] = found
            text = yaml.safe_dump(records, width=200)
            (environment.DATA / "unpatched.yaml").write_text(f"{_HEAD}{text}", encoding="utf-8")
            return []
        if self._nova not in records:
            return []
        known = {t: status for t, status in records[self._nova].items() if t in before}
        return [
            f"{test}: recorded as {known.get(test, 'success')}, is {found.get(test, 'success')} unpatched"
            for test in sorted(known.keys() | found.keys())
            if known.get(test) != found.get(test)
        ]

    def _is_touched(self, test: str) -> bool:
        return any(pattern.search(test) for pattern in self._touched)


_HEAD = """\
# SPDX-License-Identifier: Apache-2.0
# The tests of the selection `touched` that do not pass without the patch, by series of Nova. Written by
# `python -m build_scripts.nova_tests --record`, believed by `make nova-tests-touched`, checked by `make nova-tests`.
"""


def _load(name: str) -> dict[Any, Any]:
    return dict(yaml.safe_load((environment.DATA / name).read_text(encoding="utf-8")) or {})


@contextlib.contextmanager
def _alone(state: State) -> Iterator[None]:
    """Keep other runs out of the same trees; the cloud may be built or be up meanwhile."""
    directory = state.path / "nova-tests"
    directory.mkdir(exist_ok=True)
    with (directory / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CloudError(f"another run works in {directory}; wait for it to end") from None
        yield


if __name__ == "__main__":
    sys.exit(main())
