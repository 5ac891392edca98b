# SPDX-License-Identifier: Apache-2.0
"""The counts of a host are exact at any time."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fpga_nova.nova.claims.counts import Counts, Snapshot


class CountsAgainstACard(RuleBasedStateMachine):
    """Claims, burns, failures, erases and answers that arrive late, against a model of the card.

    At any time `used` is the regions that are not free on the card, plus the claims that have no region yet, however
    old the answer behind the counts is.
    """

    def __init__(self):
        super().__init__()
        self.counts = Counts()
        self.total = 4
        self.card = {}  # region number -> owner, None for one that is dirty
        self.servers = 0
        self.claims = set()  # claimed, region not known to the counts yet
        self.refresh()

    def answer(self):
        holders = frozenset(owner for owner in self.card.values() if owner is not None)
        return Snapshot(self.total, len(self.card), holders)

    def refresh(self, settled=None):
        self.counts.replace_snapshot(self.answer(), settled)

    @rule()
    def audit(self):
        self.refresh()

    @precondition(lambda self: self.counts.total_and_used()[1] < self.total)
    @rule()
    def claim(self):
        self.servers += 1
        name = f"server {self.servers}"
        self.counts.add_claim(name)
        self.claims.add(name)

    def waiting(self):
        return sorted(self.claims - set(self.card.values()))

    @precondition(lambda self: self.waiting())
    @rule(data=st.data(), answered=st.booleans())
    def burn(self, data, answered):
        name = data.draw(st.sampled_from(self.waiting()))
        free = [number for number in range(self.total) if number not in self.card]
        assert free, "a claim was given without a region for it"
        self.card[free[0]] = name
        if answered:  # otherwise nova-compute has no answer yet, and an audit may come first
            self.refresh(settled=name)
            self.claims.discard(name)

    @precondition(lambda self: any(owner for owner in self.card.values()))
    @rule(data=st.data(), clean=st.booleans())
    def erase(self, data, clean):
        number = data.draw(st.sampled_from(sorted(n for n, owner in self.card.items() if owner)))
        name = self.card.pop(number)
        if not clean:
            self.card[number] = None
        self.claims.discard(name)
        self.refresh(settled=name)

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def abort(self, data):
        self.claims.discard(data.draw(st.sampled_from(self.waiting())))
        self.counts.retain_only(self.claims)

    @invariant()
    def exact(self):
        expected = len(self.card) + len(self.waiting())
        assert self.counts.total_and_used() == (self.total, expected)
        assert 0 <= expected <= self.total


CountsAgainstACard.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestCounts = CountsAgainstACard.TestCase


def test_used_never_exceeds_total():
    counts = Counts()
    counts.replace_snapshot(Snapshot(total=1, used=1))
    counts.add_claim("server")
    assert counts.total_and_used() == (1, 1)
