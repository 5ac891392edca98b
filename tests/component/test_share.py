# SPDX-License-Identifier: Apache-2.0
"""The manual pages in groff and the completions in bash."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from build_scripts import share
from tests.support import ROOT

NAMES = [command.name for command in share.commands()]
COMPLETIONS = ROOT / "share" / "bash-completion" / "completions"


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_groff_formats_the_manual_without_a_warning(name):
    page = ROOT / "share" / "man" / "man8" / f"{name}.8"
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", page], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert name in done.stdout


def complete(name, *words, path=os.environ["PATH"]):
    """Return what bash would offer for the last of `words` after the command `name`."""
    script = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        f'_shtab_{name.replace("-", "_")} {name} "${{COMP_WORDS[-1]}}" "${{COMP_WORDS[-2]}}"; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    command = ["bash", "-c", script, "bash", str(COMPLETIONS / name), name, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": path})
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("name", "words", "offered"),
    [
        ("fpga-cli", ["ver"], {"verify"}),
        ("fpga-cli", ["re"], {"release", "recover"}),
        ("fpga-cli", ["list", "--"], {"--help", "--format", "--column"}),
        ("fpga-cli", ["list", "-f", ""], {"table", "json", "yaml", "value"}),
        ("fpga-nova", [""], {"patch", "doctor"}),
        ("fpga-nova", ["patch", "re"], {"revert"}),
        ("fpga-nova", ["patch", "watch", ""], {"reapply", "warn", "off"}),
        ("fpga-nova", ["patch", "revert", "--"], {"--help", "--nova", "--force"}),
        ("fpga-nova", ["doctor", "--role", "c"], {"compute", "conductor"}),
    ],
)
def test_bash_completes_commands_options_and_choices(name, words, offered):
    assert complete(name, *words) == offered


@pytest.mark.parametrize("words", [["fpga-cli", "inspect"], ["fpga-nova", "doctor", "--config-file"]])
def test_bash_completes_files(words, tmp_path):
    (tmp_path / "crc32.zip").touch()
    assert complete(*words, f"{tmp_path}/crc") == {f"{tmp_path}/crc32.zip"}


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
    assert complete("fpga-cli", "show", "", path=path) >= ids
    one = min(ids)
    assert complete("fpga-cli", "quarantine", one[:20], path=path) == {one}


@pytest.mark.parametrize("name", NAMES)
def test_completions_are_not_executable(name):
    assert pathlib.Path(COMPLETIONS / name).stat().st_mode & 0o111 == 0
