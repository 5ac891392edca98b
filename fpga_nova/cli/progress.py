# SPDX-License-Identifier: Apache-2.0
"""Progress on stderr, where that is a terminal."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

from fpga_nova.core import images

#: Seconds between two looks at the clock while a card is at work.
_TICK = 0.2


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


@contextlib.contextmanager
def activity(what: str) -> Iterator[None]:
    """Show that a card is at work, and for how long: cards do not say how far they are."""
    if not sys.stderr.isatty():
        yield
        return
    import tqdm

    done = threading.Event()
    with tqdm.tqdm(desc=what, bar_format="{desc}: {elapsed} {bar:20}", total=20, leave=False) as shown:

        def tick() -> None:
            while not done.wait(_TICK):
                shown.n = (shown.n + 1) % 21
                shown.refresh()

        ticker = threading.Thread(target=tick, daemon=True)
        ticker.start()
        try:
            yield
        finally:
            done.set()
            ticker.join()
