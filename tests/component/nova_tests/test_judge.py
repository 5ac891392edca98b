# SPDX-License-Identifier: Apache-2.0
"""The judgement of a patch by tests, with real runs of stestr on two small trees in the place of two Novas."""

from __future__ import annotations

import pathlib
import sys

import pytest

from build_scripts.lib.errors import CloudError
from build_scripts.nova_tests import judge, suite

HEAD = """\
import pathlib, unittest
HERE = pathlib.Path(__file__).parent

class Case(unittest.TestCase):
"""
ID = "nova.tests.unit.test_it.Case."


def tree(directory, **tests):
    """Make a tree with a test for each keyword, whose value is the test's body."""
    package = directory / "nova/tests/unit"
    package.mkdir(parents=True)
    for part in (package, *package.parents[:2]):
        (part / "__init__.py").touch()
    bodies = [f"    def test_{name}(self):\n        {body}\n" for name, body in tests.items()]
    (package / "test_it.py").write_text(HEAD + "".join(bodies))
    (directory / ".stestr.conf").write_text("[DEFAULT]\ntest_path=./nova/tests/unit\ntop_dir=./\n")
    return suite.Tree(directory, pathlib.Path(sys.executable), (), True, directory / "log")


PASS, FAIL, SKIP = "pass", "self.fail('so')", "self.skipTest('so')"
# Fails when it is run for the first time.
FLAKY = "p = HERE / 'seen'; seen = p.exists(); p.touch(); self.assertTrue(seen)"


@pytest.fixture
def judged(tmp_path, capsys):
    def judged(unpatched, patched, pattern=".", recorded=None):
        both = tree(tmp_path / "unpatched", **unpatched), tree(tmp_path / "patched", **patched)
        verdict = judge.Judge("It", *both).judge({"unit": [pattern]}, recorded)
        return verdict, [str(one) for one in verdict.worse], capsys.readouterr().out

    return judged


def test_what_the_patch_makes_worse(judged):
    verdict, worse, told = judged(
        {"same": PASS, "bad": FAIL, "breaks": PASS, "goes": PASS, "skips": PASS, "chance": PASS, "mended": FAIL},
        {"same": PASS, "bad": FAIL, "breaks": FAIL, "skips": SKIP, "chance": FLAKY, "mended": PASS, "new": PASS},
    )
    assert worse == [
        f"{ID}test_goes: success unpatched, not there patched",
        f"{ID}test_breaks: success unpatched, fail patched",
        f"{ID}test_skips: success unpatched, skip patched",
    ]
    assert verdict.flaky == [f"{ID}test_chance"]
    assert "5 passed, 0 skipped, 2 failed" in told
    assert "3 passed, 1 skipped, 3 failed" in told
    assert f"fails unpatched: {ID}test_bad (fail patched)" in told
    assert f"fails unpatched: {ID}test_mended (success patched)" in told


def test_new_tests_must_pass(judged):
    _, worse, _ = judged({"same": PASS}, {"same": PASS, "new": FAIL, "other": SKIP, "good": PASS})
    assert worse == [
        f"{ID}test_new: not there unpatched, fail patched",
        f"{ID}test_other: not there unpatched, skip patched",
    ]


def test_only_what_is_selected_runs(judged):
    verdict, worse, _ = judged({"one": PASS, "two": FAIL}, {"one": PASS, "two": FAIL}, pattern="test_one")
    assert (verdict.unpatched, worse) == ({f"{ID}test_one": "success"}, [])


def test_a_record_in_the_place_of_an_unpatched_run(judged):
    """The unpatched tree would fail, which shows that it does not run."""
    tests = {"good": FAIL, "bad": FAIL, "skipped": FAIL, "gone": FAIL}
    record = {f"{ID}test_bad": "fail", f"{ID}test_skipped": "skip"}
    _, worse, _ = judged(tests, {"good": PASS, "bad": FAIL, "skipped": SKIP}, recorded=record)
    assert worse == [f"{ID}test_gone: success unpatched, not there patched"]


def test_what_cannot_be_imported_is_no_success(judged, tmp_path):
    with pytest.raises(CloudError, match="could not begin"):
        judged({"same": PASS}, {"same": "this is no Python"})


def test_nothing_selected_is_no_success(judged):
    with pytest.raises(CloudError, match="could not begin"):
        judged({"same": PASS}, {"same": PASS}, pattern="test_other")


def test_the_record_is_held_against_the_results():
    results = {"a": "success", "b": "fail", "c": "skip", "d": "xfail"}
    assert judge.not_passing(results) == {"b": "fail", "c": "skip"}
    assert judge.against_record({"b": "fail", "c": "skip", "elsewhere": "fail"}, results) == []
    assert judge.against_record({"a": "fail", "c": "skip"}, results) == [
        "a: success unpatched, and unpatched.yaml says fail",
        "b: fail unpatched, and unpatched.yaml says success",
    ]
