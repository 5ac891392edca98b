# SPDX-License-Identifier: Apache-2.0
"""The judgement of a patch by the results of tests on two trees, one patched."""

from __future__ import annotations

import re

import pytest

from build_scripts.nova_tests import judge

ID = "nova.tests.unit.test_it.Case."
PASS, FAIL, SKIP = "success", "fail", "skip"
#: Fails when it is run for the first time.
FLAKY = "flaky"


class Tree:
    """A tree whose tests have the results that they are made with.

    :param results: each test's result, by the last part of its name
    """

    def __init__(self, name, results):
        self.name = name
        self.ran = []
        self._results = {f"{ID}test_{test}": result for test, result in results.items()}

    def ids(self, suite, patterns):
        return sorted(test for test in self._results if any(re.search(pattern, test) for pattern in patterns))

    def run(self, suite, patterns):
        self.ran.append(patterns)
        return {test: self._first(test) for test in self.ids(suite, patterns)}

    def run_again(self, suite, tests):
        self.ran.append(tests)
        return {test: PASS if self._results[test] == FLAKY else self._results[test] for test in tests}

    def _first(self, test):
        return FAIL if self._results[test] == FLAKY else self._results[test]


@pytest.fixture
def judged(capsys):
    """Return a function that judges two trees; it returns the verdict, its lines, what is printed, the trees."""

    def judged(unpatched, patched, pattern=".", recorded=None):
        trees = Tree("unpatched", unpatched), Tree("patched", patched)
        verdict = judge.Judge("It", *trees).judge({"unit": [pattern]}, recorded)
        return verdict, [str(one) for one in verdict.worse], capsys.readouterr().out, trees

    return judged


def test_tests_that_fail_skip_or_vanish_with_the_patch_are_worse(judged):
    verdict, worse, printed, _ = judged(
        {"same": PASS, "bad": FAIL, "breaks": PASS, "goes": PASS, "skips": PASS, "chance": PASS, "mended": FAIL},
        {"same": PASS, "bad": FAIL, "breaks": FAIL, "skips": SKIP, "chance": FLAKY, "mended": PASS, "new": PASS},
    )
    assert worse == [
        f"{ID}test_goes: success unpatched, not there patched",
        f"{ID}test_breaks: success unpatched, fail patched",
        f"{ID}test_skips: success unpatched, skip patched",
    ]
    assert verdict.flaky == [f"{ID}test_chance"]
    assert "5 passed, 0 skipped, 2 failed" in printed
    assert "3 passed, 1 skipped, 3 failed" in printed
    assert f"fails unpatched: {ID}test_bad (fail patched)" in printed
    assert f"fails unpatched: {ID}test_mended (success patched)" in printed


def test_new_tests_that_do_not_pass_are_worse(judged):
    _, worse, _, _ = judged({"same": PASS}, {"same": PASS, "new": FAIL, "other": SKIP, "good": PASS})
    assert worse == [
        f"{ID}test_new: not there unpatched, fail patched",
        f"{ID}test_other: not there unpatched, skip patched",
    ]


def test_only_selected_tests_are_judged(judged):
    verdict, worse, _, _ = judged({"one": PASS, "two": FAIL}, {"one": PASS, "two": FAIL}, pattern="test_one")
    assert (verdict.unpatched, worse) == ({f"{ID}test_one": "success"}, [])


def test_record_stands_for_the_unpatched_run(judged):
    tests = {"good": FAIL, "bad": FAIL, "skipped": FAIL, "gone": FAIL}
    record = {f"{ID}test_bad": "fail", f"{ID}test_skipped": "skip"}
    _, worse, _, (unpatched, _) = judged(tests, {"good": PASS, "bad": FAIL, "skipped": SKIP}, recorded=record)
    assert worse == [f"{ID}test_gone: success unpatched, not there patched"]
    assert unpatched.ran == []


def test_results_are_compared_with_the_record():
    results = {"a": "success", "b": "fail", "c": "skip", "d": "xfail"}
    assert judge.not_passing(results) == {"b": "fail", "c": "skip"}
    assert judge.against_record({"b": "fail", "c": "skip", "elsewhere": "fail"}, results) == []
    assert judge.against_record({"a": "fail", "c": "skip"}, results) == [
        "a: success unpatched, and unpatched.yaml says fail",
        "b: fail unpatched, and unpatched.yaml says success",
    ]
