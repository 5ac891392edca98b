# SPDX-License-Identifier: Apache-2.0
"""Runs tests on two trees of Nova, one patched, and finds those that the patch makes worse."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence

from build_scripts.nova_tests import compare
from build_scripts.nova_tests.suite import Tree

#: With more tests than this worse, chance does not explain it, and they are not run again.
_TOO_MANY = 40

#: The result of a test that has no record.
_EXPECTED = "success"

Results = dict[str, str]


@dataclasses.dataclass
class Verdict:
    """The outcome of a comparison.

    :param unpatched: results of the unpatched tree by test; what is recorded where it did not run
    :param worse: tests that the patch makes worse, once more when run again
    :param flaky: tests that became worse and did not when run again
    """

    unpatched: Results = dataclasses.field(default_factory=dict)
    worse: list[compare.Difference] = dataclasses.field(default_factory=list)
    flaky: list[str] = dataclasses.field(default_factory=list)


class Judge:
    """Two trees of one Nova.

    :param name: what the progress lines begin with
    """

    def __init__(self, name: str, unpatched: Tree, patched: Tree) -> None:
        self._name = name
        self._unpatched = unpatched
        self._patched = patched

    def judge(self, selection: Mapping[str, Sequence[str]], recorded: Mapping[str, str] | None = None) -> Verdict:
        """Run what is selected on both trees; print the progress.

        :param selection: patterns of tests by suite, as for :meth:`Tree.run`
        :param recorded: the tests that do not pass unpatched and what comes of them; with it nothing runs unpatched
        :raises CloudError: tests could not run
        """
        verdict = Verdict()
        for suite, patterns in selection.items():
            if recorded is None:
                before = self._run(self._unpatched, suite, patterns)
            else:
                before = {test: recorded.get(test, _EXPECTED) for test in self._unpatched.ids(suite, patterns)}
            after = self._run(self._patched, suite, patterns)
            _print_comparison(suite, before, after)
            verdict.unpatched.update(before)
            worse = compare.worse(before, after)
            if 0 < len(worse) <= _TOO_MANY:
                still = self._again(suite, worse)
                verdict.flaky += sorted({one.test for one in worse} - {one.test for one in still})
                worse = still
            verdict.worse += worse
        return verdict

    def _run(self, tree: Tree, suite: str, patterns: Sequence[str]) -> Results:
        print(f"{self._name}: {suite} tests, {tree.name}", flush=True)
        clock = time.monotonic()
        results = tree.run(suite, patterns)
        print(f"  {compare.tally(results.values())}, {time.monotonic() - clock:.0f} s", flush=True)
        return results

    def _again(self, suite: str, worse: Sequence[compare.Difference]) -> list[compare.Difference]:
        """Run what became worse once more in both trees; return what is worse again."""
        gone = [one for one in worse if one.after is None]
        tests = [one.test for one in worse if one.after is not None]
        known = [one.test for one in worse if one.after is not None and one.before is not None]
        if not tests:
            return gone
        print(f"  running {len(tests)} tests again that became worse", flush=True)
        before = self._unpatched.run_again(suite, known) if known else {}
        return [*gone, *compare.worse(before, self._patched.run_again(suite, tests))]


def not_passing(results: Mapping[str, str]) -> Results:
    """Return those of the results that are worth a record, in order."""
    return {test: status for test, status in sorted(results.items()) if not compare.passed(status)}


def against_record(recorded: Mapping[str, str], results: Mapping[str, str]) -> list[str]:
    """Return a line for each test of `results` that is not as recorded."""
    found = not_passing(results)
    known = {test: status for test, status in recorded.items() if test in results}
    return [
        f"{test}: {results[test]} unpatched, and unpatched.yaml says {known.get(test, _EXPECTED)}"
        for test in sorted(found.keys() | known.keys())
        if found.get(test) != known.get(test)
    ]


def _print_comparison(suite: str, before: Results, after: Results) -> None:
    failing = sorted(test for test, status in before.items() if compare.failed(status))
    new = len(after.keys() - before.keys())
    print(f"  {suite}: {len(before)} tests compared, {new} new ones, {len(failing)} fail unpatched")
    for test in failing:
        print(f"    fails unpatched: {test} ({after.get(test, 'gone')} patched)")
