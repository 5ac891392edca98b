# SPDX-License-Identifier: Apache-2.0
"""The manual page and the completions are those of the parser, and work."""

from __future__ import annotations

import argparse
import importlib
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from build_scripts import share
from fpga_nova.fpga_cli import parser
from tests.support import ROOT

MANUAL = ROOT / "share" / "man" / "man8" / "fpga-cli.8"
BASH = ROOT / "share" / "bash-completion" / "completions" / "fpga-cli"


def commands_of(made):
    action = next(each for each in made._actions if isinstance(each, argparse._SubParsersAction))
    return action.choices


@pytest.mark.parametrize(("path", "text"), share.files().items(), ids=lambda value: getattr(value, "name", ""))
def test_in_step_with_the_parser(path, text):
    assert (ROOT / "share" / path).read_text() == text, "run: make share"


def test_each_is_installed():
    text = (ROOT / "setup.py").read_text()
    for path in share.files():
        assert f'("share/{path.parent}", ["share/{path}"])' in text


def test_every_command_has_its_function():
    for command in commands_of(parser.build()).values():
        module, _, name = command.get_default("function").partition(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_the_manual_has_every_command_option_and_exit_code():
    text = MANUAL.read_text().replace("\\-", "-")
    for name, command in commands_of(parser.build()).items():
        section = text.partition(f".SS \\fBfpga-cli {name}\\fR")[2].partition(".SS")[0]
        for action in command._actions:
            if action.dest != "help":
                assert action.help and (action.option_strings or [action.metavar])[-1] in section
    for line in parser.EPILOG.splitlines():
        assert line in text or line.rstrip(":") in ("exit codes", "examples")


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_manual_is_good_roff():
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", MANUAL], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "fpga-cli quarantine" in done.stdout


def complete(*words, path=os.environ["PATH"]):
    """Return what bash would offer for the last of `words`."""
    script = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '_shtab_fpga_cli fpga-cli "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    command = ["bash", "-c", script, "bash", str(BASH), "fpga-cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": path})
    return set(done.stdout.split())


def test_bash_completes_commands_options_and_choices():
    assert complete("ver") == {"verify"}
    assert complete("re") == {"release", "recover"}
    assert complete("list", "--") == {"--help", "--format", "--column"}
    assert complete("list", "-f", "") == {"table", "json", "yaml", "value"}


def test_bash_completes_files(tmp_path):
    (tmp_path / "crc32.zip").touch()
    assert complete("inspect", f"{tmp_path}/crc") == {f"{tmp_path}/crc32.zip"}


def test_bash_completes_regions(host, tmp_path):
    host.cli("status")
    ids = {region["id"] for region in host.regions()}
    stand_in = tmp_path / "bin" / "fpga-cli"
    stand_in.parent.mkdir()
    stand_in.write_text(
        f'#!/bin/sh\ncd "{ROOT}" && '
        f'exec "{sys.executable}" -m fpga_nova.fpga_cli --config-file "{host.config_file}" "$@"\n'
    )
    stand_in.chmod(0o755)
    path = f"{stand_in.parent}{os.pathsep}{os.environ['PATH']}"
    assert complete("show", "", path=path) >= ids
    one = min(ids)
    assert complete("quarantine", one[:20], path=path) == {one}
    assert pathlib.Path(BASH).stat().st_mode & 0o111 == 0
