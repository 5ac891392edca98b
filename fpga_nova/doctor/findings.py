# SPDX-License-Identifier: Apache-2.0
"""How a check says what it has found: it returns a line where all is well, and raises one of these where not."""

from __future__ import annotations

from oslo_upgradecheck.upgradecheck import Code

from fpga_nova import errors


class Finding(Exception):
    """Something is not as it should be. Its text is one line: what, and the fix."""

    code = Code.FAILURE

    def __init__(self, text: str) -> None:
        super().__init__(errors.one_line(text))


class Failed(Finding):
    """FPGAs do not work, or are not safe, until this is mended."""


class Doubtful(Finding):
    """It may be meant so, or it could not be looked at."""

    code = Code.WARNING


class NotChecked(Doubtful):
    """It could not be looked at; that is no success."""

    def __init__(self, why: str) -> None:
        super().__init__(f"not checked: {why}")


class DoesNotApply(Finding):
    """There is nothing to look at on this host."""

    code = Code.SUCCESS

    def __init__(self, why: str) -> None:
        super().__init__(f"does not apply: {why}")


def worst(found: list[Finding]) -> None:
    """Raise the findings as one, as bad as the worst of them; return if there are none."""
    if found:
        kind = Failed if any(each.code is Code.FAILURE for each in found) else Doubtful
        raise kind("; ".join(str(each) for each in found))
