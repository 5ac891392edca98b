# SPDX-License-Identifier: Apache-2.0
"""A story that is told while it is checked: steps, each with its time, and checks, which are counted."""

from __future__ import annotations

import contextlib
import pathlib
import time
from collections.abc import Iterator

from build_scripts.lib.errors import CloudError


class Telling:
    """The part that all stories share.

    :param log: where to look when a check fails
    """

    def __init__(self, log: pathlib.Path) -> None:
        self._log = log
        self.checks = 0

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Tell what comes, and how long it took."""
        print(f"\n==> {title}", flush=True)
        clock = time.monotonic()
        yield
        print(f"    {time.monotonic() - clock:.0f} s", flush=True)

    def check(self, condition: object, what: str) -> None:
        """Require `condition`; say what was seen.

        :raises CloudError: it is not so
        """
        if not condition:
            raise CloudError(f"not so: {what}; see {self._log}")
        self.checks += 1
        self.say(f"ok  {what}")

    @staticmethod
    def say(text: str) -> None:
        """Tell a detail."""
        print(f"    {text}", flush=True)
