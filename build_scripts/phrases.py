# SPDX-License-Identifier: Apache-2.0
"""Finds phrases that are not plain technical English: ``python -m build_scripts.phrases [--count]``.

It judges phrases, not words: `nobody` is a Unix user, and "there is no such region" is English. ``--count`` counts the
words that were once the most frequent of the kind.
"""

from __future__ import annotations

import argparse
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]

#: Which files are read, as git's patterns.
FILES = ("*.py", "*.rst", "*.yaml", "Makefile")

#: Words that were counted when the house was put in order; some of their uses are right.
WORDS = ("nobody", "who", "whoever", "somebody", "whom", "he|his|him", "anew", "held against")

#: These two have the phrases in them.
_EXEMPT = {"build_scripts/phrases.py", "tests/unit/test_phrases.py"}

# The beginning of a sentence: of a line, after another sentence, or in quotes.
_START = r"""(?:^|(?<=[.;:(]\s)|(?<=["']))"""

#: What to write instead, and the phrases; a space in a phrase is a line's end, too.
PHRASES: Mapping[str, re.Pattern[str]] = {
    advice: re.compile(pattern.replace(" ", r"\s+"), re.MULTILINE)
    for advice, pattern in (
        ("name the actor: operator, caller, tenant, process", r"(?i:\b(?:whoever|whom|somebody)\b)"),
        ("no process, no user; nothing", r"(?:(?i:\bnobody) (?:else|who|ever|can|may|would|will|has|[a-z]+s)\b)"),
        ("the caller, the process that", r"\b(?:he|one|as|if|in case|where|when|for|of|to|by|from) who\b"),
        ("it, its; or name the actor", r"(?i:\b(?:he|his|him|himself)\b)"),
        ("again, from the start", r"(?i:\banew\b)"),
        ("compared with, checked against", r"(?i:\b(?:held|hold|holds|holding))(?: [\w`.:/-]+){0,5} against\b"),
        (
            "if it dies",
            r"(?i:\bshould) (?:it|he|they|one|who|(?:the|a|an|its|his|that) \w+)"
            r" (?:die|be|end|fail|have|go|come|crash|vanish|not)\b",
        ),
        ("if it were", r"(?:^|[.,:;] )(?i:were) (?:it|they|there|nobody|nothing|this|that)\b"),
        (
            "is not a",
            r"(?<!\bthere\s)(?<!\bThere\s)\b(?:is|are|was|were|be) no (?!longer\b|more\b|less\b|\w+er than\b)[a-z]+",
        ),
        ("does not any more", r"(?<!is\s)(?<!are\s)\bno more(?=[.,;:)])"),
        ("begin with the subject", _START + r"Who (?![^.]*\?)"),
        ("begin with the subject, not with What", _START + r"What (?=[a-z`])(?![^.]*\?)"),
        ("anything that", r"(?i:\bwhatever) (?!is\b|was\b|becomes\b|happens\b|its\b|this\b)[a-z]+s\b"),
        ("bypass", r"\bgo(?:es|ing)? round\b"),
        ("check, take care of", r"\b(?:sees?|saw|seen) to (?=the|its?\b|that)"),
    )
}

# The beginning of a line that is not text.
_MARKER = re.compile(r"(?:#:?|\.\.)\s+")


class Finding(NamedTuple):
    """One phrase in a file, by its line, and what to write instead."""

    path: str
    line: int
    phrase: str
    advice: str


def find(path: str, text: str) -> Iterator[Finding]:
    """Give the phrases of a text, also those that a line's end divides."""
    lines = [_MARKER.sub("", line.strip(), count=1) for line in text.splitlines()]
    for number, line in enumerate(lines):
        if not line or re.fullmatch(r"([=~^-])\1{2,}", line):
            lines[number] = "\N{PILCROW SIGN}"  # a paragraph ends
            if line and number:
                lines[number - 1] = "\N{PILCROW SIGN}"  # a title is not a sentence
    prose = "\n".join(lines)
    for advice, pattern in PHRASES.items():
        for match in pattern.finditer(prose):
            phrase = " ".join(match[0].split())
            yield Finding(path, prose.count("\n", 0, match.start()) + 1, phrase, advice)


def count(texts: Sequence[str]) -> dict[str, int]:
    """Return how often each of WORDS stands in the texts, in upper or lower case."""
    patterns = {word: re.compile(rf"\b(?:{word})\b".replace(" ", r"\s+"), re.IGNORECASE) for word in WORDS}
    return {word: sum(len(pattern.findall(text)) for text in texts) for word, pattern in patterns.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="phrases", description="Find phrases that are not plain technical English.")
    parser.add_argument("--count", action="store_true", help="count words instead; their number is not judged")
    parser.add_argument("paths", nargs="*", help="files to look at (default: all of the tree)")
    arguments = parser.parse_args(argv)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *(arguments.paths or FILES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    texts = {
        path: (ROOT / path).read_text(encoding="utf-8")
        for path in listed.stdout.split("\0")
        if path and path not in _EXEMPT and (ROOT / path).is_file()
    }
    if arguments.count:
        for word, number in count(list(texts.values())).items():
            print(f"{number:4} {word.replace('|', '/')}")
        return 0
    findings = [finding for path, text in texts.items() for finding in find(path, text)]
    for each in findings:
        print(f"{each.path}:{each.line}: {each.phrase!r}: write: {each.advice}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
