# SPDX-License-Identifier: Apache-2.0
"""The manual pages and the completions are those of the parsers, are whole, and are installed."""

from __future__ import annotations

import argparse
import importlib

import pytest

from build_scripts import share
from tests.support import ROOT

COMMANDS = {command.name: command for command in share.commands()}
FILES = {str(path): text for command in COMMANDS.values() for path, text in share.files(command).items()}
PARSERS = {words: parser for command in COMMANDS.values() for words, parser in share.parsers(command.build()).items()}


def has_commands(parser: argparse.ArgumentParser) -> bool:
    return any(isinstance(action, argparse._SubParsersAction) for action in parser._actions)


@pytest.mark.parametrize("path", FILES)
def test_file_is_what_the_parser_gives(path: str) -> None:
    assert (ROOT / "share" / path).read_text() == FILES[path], "run: make share"


@pytest.mark.parametrize("path", FILES)
def test_file_is_installed(path: str) -> None:
    directory = path.rpartition("/")[0]
    setup = (ROOT / "setup.py").read_text().split()
    assert f'"share/{path}"' in "".join(setup) and f'("share/{directory}",[' in "".join(setup)


@pytest.mark.parametrize("words", [words for words, parser in PARSERS.items() if not has_commands(parser)])
def test_command_has_its_function(words: str) -> None:
    module, _, name = PARSERS[words].get_default("function").partition(":")
    assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize("words", [words for words in PARSERS if " " in words])
def test_manual_has_the_command_and_its_options(words: str) -> None:
    text = FILES[f"man/man8/{words.split()[0]}.8"].replace("\\-", "-")
    section = text.partition(f".SS \\fB{words}\\fR")[2].partition(".SS")[0]
    assert section
    for action in PARSERS[words]._actions:
        if action.dest != "help" and not isinstance(action, argparse._SubParsersAction):
            assert (
                action.help and (action.option_strings or [action.metavar or next(iter(action.choices))])[-1] in section
            )


@pytest.mark.parametrize("name", COMMANDS)
def test_manual_has_exit_codes_and_examples(name: str) -> None:
    text = FILES[f"man/man8/{name}.8"].replace("\\-", "-").replace("\\e", "\\")
    for title, lines in COMMANDS[name].sections.items():
        assert f"\n.SH {title.upper()}\n" in text
        assert all(line in text for line in lines.splitlines())
    assert "130 interrupted" in text if name == "fpga-cli" else "255  a check broke" in text
