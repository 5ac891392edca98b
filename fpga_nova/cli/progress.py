# SPDX-License-Identifier: Apache-2.0
"""A progress bar on stderr, where that is a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from fpga_nova.core import images


@contextlib.contextmanager
def bar(what: str) -> Iterator[images.Progress | None]:
    """Give a function to report bytes to, or None where nobody looks on."""
    if not sys.stderr.isatty():
        yield None
        return
    import tqdm

    with tqdm.tqdm(desc=what, unit="B", unit_scale=True, leave=False) as shown:

        def report(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield report
