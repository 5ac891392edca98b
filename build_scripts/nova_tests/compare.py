# SPDX-License-Identifier: Apache-2.0
"""What became of each test: the results on a patched Nova held against those on the same Nova unpatched."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

#: How good a result is, by the name that testtools gives it; whatever is not here (fail, inprogress: its process
#: died, uxsuccess) is a failure.
_GOODNESS = {"success": 2, "xfail": 2, "skip": 1}
_FAILED = 0


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


def failed(status: str | None) -> bool:
    """Return whether a test with this result failed; None, not there, is no failure."""
    return status is not None and _goodness(status) == _FAILED


def worse(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    """Return the tests that the patch makes worse, and the new ones that do not pass.

    Worse is: failed instead of skipped or passed, skipped instead of passed, and gone, whatever it was.
    """
    found = []
    for test in sorted(before.keys() | after.keys()):
        old, new = before.get(test), after.get(test)
        if new is None or _goodness(new) < (_goodness(old) if old is not None else _GOODNESS["success"]):
            found.append(Difference(test, old, new))
    return found


def merge(first: str | None, second: str) -> str:
    """Return the result of a test that was seen twice in one run: the worse one."""
    return second if first is None or _goodness(second) < _goodness(first) else first


def tally(results: Collection[str]) -> str:
    """Return how many passed, were skipped, failed, for people."""
    counts = dict.fromkeys((2, 1, _FAILED), 0)
    for status in results:
        counts[_goodness(status)] += 1
    passed, skipped, failures = counts.values()
    return f"{passed} passed, {skipped} skipped, {failures} failed"


def _goodness(status: str) -> int:
    return _GOODNESS.get(status, _FAILED)
