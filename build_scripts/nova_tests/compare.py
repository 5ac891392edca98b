# SPDX-License-Identifier: Apache-2.0
"""Compares the results of tests on a patched Nova with those on the same Nova unpatched."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Collection, Mapping

_FAILED, _SKIPPED, _PASSED = range(3)
#: How good a result is, by the name that testtools gives it; whatever is not here (fail, inprogress: its process
#: died, uxsuccess) is a failure.
_GOODNESS = {"success": _PASSED, "xfail": _PASSED, "skip": _SKIPPED}


@dataclasses.dataclass(frozen=True)
class Difference:
    """A test that is worse with the patch than without.

    :param test: its id
    :param before: its result unpatched; None where it is not there
    :param after: its result patched; None where it is not there
    """

    test: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"{self.test}: {self.before or 'not there'} unpatched, {self.after or 'not there'} patched"


def passed(status: str) -> bool:
    """Return whether a test with this result passed, be it by failing as expected."""
    return _goodness(status) == _PASSED


def failed(status: str) -> bool:
    """Return whether a test with this result failed."""
    return _goodness(status) == _FAILED


def worse(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    """Return the tests that the patch makes worse, and the new ones that do not pass.

    Worse is: failed instead of skipped or passed, skipped instead of passed, and gone, whatever it was.
    """
    found = []
    for test in sorted(before.keys() | after.keys()):
        old, new = before.get(test), after.get(test)
        if new is None or _goodness(new) < (_goodness(old) if old is not None else _PASSED):
            found.append(Difference(test, old, new))
    return found


def merge(first: str | None, second: str) -> str:
    """Return the result of a test that was seen twice in one run: the worse one."""
    return second if first is None or _goodness(second) < _goodness(first) else first


def tally(results: Collection[str]) -> str:
    """Return how many passed, were skipped, failed, for people."""
    counts = collections.Counter(_goodness(status) for status in results)
    return f"{counts[_PASSED]} passed, {counts[_SKIPPED]} skipped, {counts[_FAILED]} failed"


def _goodness(status: str) -> int:
    return _GOODNESS.get(status, _FAILED)
