# SPDX-License-Identifier: Apache-2.0
"""Real runs of stestr on a small tree in the place of a Nova."""

from __future__ import annotations

import pathlib
import sys

import pytest

from build_scripts.lib.errors import CloudError
from build_scripts.nova_tests import suite

HEAD = """\
import pathlib, unittest
HERE = pathlib.Path(__file__).parent

class Case(unittest.TestCase):
"""
ID = "nova.tests.unit.test_it.Case."
# Fails when it is run for the first time.
FLAKY = "p = HERE / 'seen'; seen = p.exists(); p.touch(); self.assertTrue(seen)"


def make_tree(directory, **tests):
    """Make a tree with a test for each keyword, whose value is the test's body."""
    package = directory / "nova/tests/unit"
    package.mkdir(parents=True)
    for part in (package, *package.parents[:2]):
        (part / "__init__.py").touch()
    bodies = [f"    def test_{name}(self):\n        {body}\n" for name, body in tests.items()]
    (package / "test_it.py").write_text(HEAD + "".join(bodies))
    (directory / ".stestr.conf").write_text("[DEFAULT]\ntest_path=./nova/tests/unit\ntop_dir=./\n")
    return suite.Tree(directory, pathlib.Path(sys.executable), (), True, directory / "log")


def test_run_returns_the_result_of_each_selected_test(tmp_path):
    tree = make_tree(
        tmp_path / "tree",
        good="pass",
        bad="self.fail('so')",
        skipped="self.skipTest('so')",
        chance=FLAKY,
        other="self.fail('not selected')",
    )
    selected = "test_(good|bad|skipped|chance)"
    assert tree.ids("unit", [selected]) == [f"{ID}test_{name}" for name in ("bad", "chance", "good", "skipped")]
    assert tree.run("unit", [selected]) == {
        f"{ID}test_good": "success",
        f"{ID}test_bad": "fail",
        f"{ID}test_skipped": "skip",
        f"{ID}test_chance": "fail",
    }
    again = [f"{ID}test_bad", f"{ID}test_chance"]
    assert tree.run_again("unit", again) == {f"{ID}test_bad": "fail", f"{ID}test_chance": "success"}


def test_module_that_cannot_be_imported_is_an_error(tmp_path):
    tree = make_tree(tmp_path / "tree", same="def")
    with pytest.raises(CloudError, match="could not begin"):
        tree.run("unit", ["."])


def test_selection_of_no_test_is_an_error(tmp_path):
    tree = make_tree(tmp_path / "tree", same="pass")
    with pytest.raises(CloudError, match="could not begin"):
        tree.run("unit", ["test_other"])
