# SPDX-License-Identifier: Apache-2.0
"""Progress on stderr, where that is a terminal."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

from fpga_nova import model

#: Seconds between two updates of the display while a card is at work.
_TICK = 0.2

#: Characters of a bar, and the display of work without and with a known fraction.
_WIDTH = 20
_ACTIVITY = f"{{desc}}: {{elapsed}} {{bar:{_WIDTH}}}"
_FRACTION = f"{{desc}}: {{elapsed}} {{percentage:3.0f}}% {{bar:{_WIDTH}}}"


@contextlib.contextmanager
def download() -> Iterator[model.Progress | None]:
    """Give a callback that takes the bytes of a download, or None where stderr is not a terminal.

    A bar appears with the first report and goes when all is there.
    """
    if not sys.stderr.isatty():
        yield None
        return
    import tqdm

    with contextlib.ExitStack() as stack:
        shown: list[tqdm.tqdm] = []

        def report(done: int, total: int) -> None:
            if not shown:
                bar = tqdm.tqdm(desc="fetching the image", total=total, unit="B", unit_scale=True, leave=False)
                shown.append(stack.enter_context(bar))
            shown[0].update(done - shown[0].n)
            if done >= total:
                shown.pop().close()

        yield report


@contextlib.contextmanager
def activity(what: str) -> Iterator[model.Progress | None]:
    """Show that a card is at work, for how long, and, while that is reported, how much is done.

    Gives a callback that any thread may call, or None where stderr is not a terminal. When all is done the display
    goes on without a fraction: a load is followed by the read-back, whose progress no card reports.
    """
    if not sys.stderr.isatty():
        yield None
        return
    import tqdm

    ended = threading.Event()
    reported = (0, 0)

    def report(done: int, total: int) -> None:
        nonlocal reported
        reported = (done, total)

    with tqdm.tqdm(desc=what, bar_format=_ACTIVITY, total=_WIDTH, leave=False) as shown:

        def tick() -> None:
            while not ended.wait(_TICK):
                done, total = reported
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
