# SPDX-License-Identifier: Apache-2.0
"""Progress on stderr, where that is a terminal."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

from fpga_nova import model

#: Seconds between two looks at the clock while a card is at work.
_TICK = 0.2

#: Characters of a bar, and what is shown of work that does not say how far it is, and of work that does.
_WIDTH = 20
_ACTIVITY = f"{{desc}}: {{elapsed}} {{bar:{_WIDTH}}}"
_FRACTION = f"{{desc}}: {{elapsed}} {{percentage:3.0f}}% {{bar:{_WIDTH}}}"


@contextlib.contextmanager
def bar(what: str) -> Iterator[model.Progress | None]:
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
def activity(what: str) -> Iterator[model.Progress | None]:
    """Show that a card is at work, for how long, and, as soon and as long as somebody reports it, how much is done.

    Gives a function to report to, from any thread, or None where nobody looks on. When all is done the display goes on
    without it: a load is followed by the read-back, of which no card says how far it is.
    """
    if not sys.stderr.isatty():
        yield None
        return
    import tqdm

    ended = threading.Event()
    told = (0, 0)

    def report(done: int, total: int) -> None:
        nonlocal told
        told = (done, total)

    with tqdm.tqdm(desc=what, bar_format=_ACTIVITY, total=_WIDTH, leave=False) as shown:

        def tick() -> None:
            while not ended.wait(_TICK):
                done, total = told
                if 0 < done < total:
                    shown.n, shown.total, shown.bar_format = done, total, _FRACTION
                else:
                    shown.n, shown.total, shown.bar_format = (shown.n + 1) % (_WIDTH + 1), _WIDTH, _ACTIVITY
                shown.refresh()

        ticker = threading.Thread(target=tick, daemon=True)
        ticker.start()
        try:
            yield report
        finally:
            ended.set()
            ticker.join()
