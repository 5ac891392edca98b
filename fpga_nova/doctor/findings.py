# SPDX-License-Identifier: Apache-2.0
"""The answers of a check.

It returns a line where all is well, a :class:`NotApplicable` where there is nothing to look at on this host, and raises
a :class:`Finding` where something is not as it should be.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Union

from oslo_upgradecheck.upgradecheck import Code

from fpga_nova import errors


@dataclasses.dataclass(frozen=True)
class NotApplicable:
    """There is nothing to look at on this host; `reason` says why, in one line."""

    reason: str


#: The result of a check where nothing is wrong.
Passed = Union[str, NotApplicable]


class Finding(errors.FpgaError):
    """Something is not as it should be. Its text is one line: what, and the fix."""

    code = Code.FAILURE


class FailureFound(Finding):
    """FPGAs do not work, or are not safe, until this is mended."""


class WarningFound(Finding):
    """It may be meant so, or it could not be looked at."""

    code = Code.WARNING


class NotChecked(WarningFound):
    """It could not be looked at, which is not a success."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not checked: {reason}")


def raise_worst(found: Sequence[Finding]) -> None:
    """Raise the findings as one, as bad as the worst of them; return if there are none."""
    if found:
        failed = any(each.code is Code.FAILURE for each in found)
        text = "; ".join(str(each) for each in found)
        raise FailureFound(text) if failed else WarningFound(text)
