# SPDX-License-Identifier: Apache-2.0
"""The lint over phrases: what it finds, what it leaves, and where it says that it is."""

from __future__ import annotations

import pytest

from build_scripts import phrases


def found(text: str) -> list[tuple[int, str]]:
    return [(each.line, each.phrase) for each in phrases.find("page.rst", text)]


@pytest.mark.parametrize(
    "text",
    [
        "Whoever opens it wipes it.",
        "from whom it got it",
        "until nobody holds it",
        "given to him",
        "the one who holds it",
        "made anew",
        "The data is held against its name.",
        "it holds the file against the manifest",
        "should he die meanwhile",
        "That is no image.",
        "It is offered no more.",
        "# Who calls it waits.",
        '"""What a driver promises."""',
        "    It ends. What follows is read.",
        "Whatever goes round it",
        "has seen to the card",
    ],
)
def test_phrases_are_found(text: str) -> None:
    assert found(text)


@pytest.mark.parametrize(
    "text",
    [
        "The default user is ``nobody``.",
        'user = "nobody"',
        "There is no such region.",
        "there\nis no user",
        "It is no longer there, and no more than 3 are.",
        "those who may sign",
        "What it is\n==========\n",
        "What does it cost?",
        "It says what was wrong and who did it.",
        "The other thing",
    ],
)
def test_plain_english_is_left(text: str) -> None:
    assert found(text) == []


def test_a_phrase_over_two_lines_has_the_first_one_s_number() -> None:
    assert found("one\n    # It is\n    # no image.\n") == [(2, "is no image")]


def test_finding_names_the_place_and_what_to_write() -> None:
    assert list(phrases.find("page.rst", "made anew")) == [
        phrases.Finding("page.rst", 1, "anew", "again, from the start")
    ]


def test_words_are_counted_in_either_case_and_whole() -> None:
    counts = phrases.count(["Nobody, nobody's; held\nagainst his; this is whole"])
    assert {word: number for word, number in counts.items() if number} == {
        "nobody": 2,
        "he|his|him": 1,
        "held against": 1,
    }
