# SPDX-License-Identifier: Apache-2.0
"""Truth tables, reduced and as C expressions: the same function, for every value of the inputs."""

from __future__ import annotations

import random

import pytest

from fpga_nova.softfpga.decoder import truth_tables


@pytest.mark.parametrize("count", [1, 2, 3])
def test_expression_agrees_with_every_small_table(count: int) -> None:
    names = ["a", "b", "c"][:count]
    for table in range(1 << (1 << count)):
        text = truth_tables.expression(table, count)[1].format(*names)
        for i in range(1 << count):
            values = {name: i >> k & 1 for k, name in enumerate(names)}
            assert eval(text, {}, values) == table >> i & 1, (table, text)


def test_reduced_table_agrees_where_inputs_are_constant_or_repeated() -> None:
    dice = random.Random(2)
    for _ in range(3000):
        table, inputs = dice.getrandbits(16), tuple(dice.randrange(5) for _ in range(4))
        small, nets = truth_tables.reduce(table, inputs, {0: 0, 1: 1})
        assert len(set(nets)) == len(nets) and not {0, 1} & set(nets)
        text = truth_tables.expression(small, len(nets))[1].format(*(f"n{net}" for net in nets))
        for i in range(8):
            value = {0: 0, 1: 1, 2: i & 1, 3: i >> 1 & 1, 4: i >> 2 & 1}
            index = sum(value[net] << k for k, net in enumerate(inputs))
            assert eval(text, {}, {f"n{net}": bit for net, bit in value.items()}) == table >> index & 1
