# SPDX-License-Identifier: Apache-2.0
"""Paired timing: two things take turns in one run, and the ratio of each pair is what is reported.

Turns make both suffer alike from whatever else the machine does; so the ratio means something where the seconds of a
shared machine do not.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable


def compare(
    name: str, ours: Callable[[], float | None], base: Callable[[], float | None], rounds: int, base_name: str
) -> tuple[float, float, float]:
    """Time `ours` against `base`, `rounds` times in turn after one round to warm up; print and return the ratio.

    A function that returns a number has timed itself, in seconds.

    :returns: (median, lower quartile, upper quartile) of ours / base over the pairs
    """
    for warm_up in (ours, base):
        warm_up()
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        # Which one goes first changes from round to round.
        order = ((0, ours), (1, base)) if number % 2 else ((1, base), (0, ours))
        for index, function in order:
            start = time.perf_counter()
            own = function()
            seconds[index].append(time.perf_counter() - start if own is None else own)
        if sys.stderr.isatty():
            print(f"\r{name}: {number + 1}/{rounds}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    low, middle, high = statistics.quantiles([mine / other for mine, other in zip(*seconds)], n=4)
    print(
        f"{name}: {middle:.2f} times {base_name} (quartiles {low:.2f} to {high:.2f}; medians "
        f"{_human(statistics.median(seconds[0]))} and {_human(statistics.median(seconds[1]))}; {rounds} pairs)"
    )
    return middle, low, high


def _human(seconds: float) -> str:
    if seconds < 0.001:
        return f"{seconds * 1e6:.2f} us"
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"
