# SPDX-License-Identifier: Apache-2.0
"""fpga-nova's command line: what it offers, and how it answers wrong usage."""

from __future__ import annotations

import argparse
import importlib

import pytest

from fpga_nova.fpga_nova_cli import main, parser


def commands(of: argparse.ArgumentParser, words: tuple[str, ...] = ()):
    """Yield each innermost command, as words, with its parser."""
    below = [action for action in of._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield words, of
    for action in below:
        for name, each in action.choices.items():
            yield from commands(each, (*words, name))


COMMANDS = dict(commands(parser.build()))


def test_commands():
    assert sorted(COMMANDS) == [
        ("doctor",),
        ("patch", "apply"),
        ("patch", "check"),
        ("patch", "drop-columns"),
        ("patch", "revert"),
        ("patch", "status"),
        ("patch", "upgraded"),
        ("patch", "watch"),
    ]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_command_names_a_function_that_exists(words):
    module, _, function = parser.parse(words).function.partition(":")
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_shows_exit_codes_and_nothing_else_runs(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main.main([*words, "--help"])
    assert ended.value.code == 0
    assert "exit codes" in capsys.readouterr().out


def test_help_teaches_by_examples(capsys):
    with pytest.raises(SystemExit):
        main.main(["--help"])
    out = capsys.readouterr().out
    for word in ("patch", "doctor", "fpga-nova patch apply", "fpga-nova doctor --help"):
        assert word in out


def test_doctor_help_lists_its_checks_and_options(capsys):
    with pytest.raises(SystemExit):
        main.main(["doctor", "--help"])
    out = capsys.readouterr().out
    for word in ("--config-file", "--role", "255", "examples:", "what it looks at"):
        assert word in out


@pytest.mark.parametrize("words", [["--role=king"], ["--nova-user=no-such-user"], ["extra"], ["--extra"]])
def test_wrong_usage_of_the_doctor_has_a_code_that_no_check_has(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main.main(["doctor", *words])
    assert ended.value.code == 64
    err = capsys.readouterr().err
    assert err.startswith("usage: fpga-nova doctor") and "fpga-nova doctor: error: " in err


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        ([], "fpga-nova ["),
        (["frobnicate"], "fpga-nova ["),
        (["patch"], "fpga-nova patch ["),
        (["patch", "frobnicate"], "fpga-nova patch ["),
        (["patch", "apply", "--frobnicate"], "fpga-nova patch apply ["),
        (["patch", "watch", "never"], "fpga-nova patch watch ["),
    ],
)
def test_wrong_usage_shows_the_usage_of_its_command(words, usage, capsys):
    with pytest.raises(SystemExit) as ended:
        main.main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"usage: {usage}")
