# SPDX-License-Identifier: Apache-2.0
"""Truth tables as short C expressions over nets that are 0 or 1.

A table is an integer: bit i is the output where the inputs, first one least significant, spell i.
"""

from __future__ import annotations

import functools


def cofactors(table: int, count: int, index: int) -> tuple[int, int]:
    """Return the tables over the other inputs where input `index` of `count` is 0, and where it is 1."""
    low = high = 0
    position = 0
    for i in range(1 << count):
        if i >> index & 1:
            continue
        low |= (table >> i & 1) << position
        high |= (table >> (i | 1 << index) & 1) << position
        position += 1
    return low, high


def reduce(table: int, inputs: tuple[int, ...], constants: dict[int, int]) -> tuple[int, tuple[int, ...]]:
    """Return the same function without constant, repeated and unused inputs.

    :param inputs: nets
    :param constants: value of the nets whose value is constant
    """
    position = 0
    while position < len(inputs):
        net = inputs[position]
        low, high = cofactors(table, len(inputs), position)
        rest = inputs[:position] + inputs[position + 1 :]
        if net in constants:
            table, inputs = (high if constants[net] else low), rest
        elif net in rest:
            # The two always agree: take from each half what the other one would be.
            other = rest.index(net)
            table = _merge(low, high, len(rest), other)
            inputs = rest
        elif low == high:
            table, inputs = low, rest
        else:
            position += 1
    return table, inputs


def _merge(low: int, high: int, count: int, index: int) -> int:
    return sum(((high if i >> index & 1 else low) >> i & 1) << i for i in range(1 << count))


@functools.cache
def expression(table: int, count: int) -> tuple[int, str]:
    """Return (operators, C expression) of a function of `count` inputs, which are written {0}, {1}, ...

    Splits the function on one input v, with halves l and h, as l ^ (v & (l ^ h)) and its special cases, and takes the
    input that needs the fewest operators. Without branches, which a processor would guess wrong half of the time.
    """
    if table == 0:
        return 0, "0"
    if table == (1 << (1 << count)) - 1:
        return 0, "1"
    best = None
    for index in range(count):
        low, high = cofactors(table, count, index)
        names = [f"{{{i}}}" for i in range(count) if i != index]
        ones = (1 << (1 << (count - 1))) - 1
        here = f"{{{index}}}"

        def half(sub: int, names: list[str] = names) -> tuple[int, str]:
            cost, text = expression(sub, len(names))
            return cost, text.format(*names)

        if low == high:
            found = half(low)
        elif low == 0:
            found = _join(here, "&", half(high))
        elif high == 0:
            found = _join(f"({here} ^ 1)", "&", half(low), 1)
        elif low == ones:
            found = _join(f"({here} ^ 1)", "|", half(high), 1)
        elif high == ones:
            found = _join(here, "|", half(low))
        else:
            cost, text = _join(here, "&", half(low ^ high))
            cost_low, text_low = half(low)
            found = (cost + cost_low + 1, f"({text_low} ^ {text})")
        if best is None or found[0] < best[0]:
            best = found
    assert best is not None  # noqa: S101 (for mypy; a function that is not constant has inputs)
    return best


def _join(left: str, operator: str, right: tuple[int, str], extra: int = 0) -> tuple[int, str]:
    cost, text = right
    if operator == "&" and text == "1":
        return extra, left
    if operator == "|" and text == "0":
        return extra, left
    return cost + extra + 1, f"({left} {operator} {text})"
