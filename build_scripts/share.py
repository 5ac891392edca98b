# SPDX-License-Identifier: Apache-2.0
"""Makes fpga-cli's manual page and shell completions from its parser: `python -m build_scripts.share`.

They are committed, below share/ as they are installed, so that installing needs none of what makes them.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import sys

import shtab
from argparse_manpage.manpage import Manpage

from fpga_nova.fpga_cli import parser as cli

SHARE = pathlib.Path(__file__).resolve().parents[1] / "share"

_REGIONS = "_fpga_cli_regions"

#: shtab's hooks for what only the host knows: the ids of its regions, from fpga-cli itself.
_PREAMBLE = {
    "bash": f'{_REGIONS}() {{ compgen -W "$(fpga-cli list -f value -c id 2>/dev/null)" -- "$1"; }}\n',
    "zsh": f'{_REGIONS}() {{ compadd -- ${{(f)"$(fpga-cli list -f value -c id 2>/dev/null)"}}; }}\n',
}


def files() -> dict[pathlib.Path, str]:
    """Return the files by their path below share/."""
    os.environ["COLUMNS"] = "80"  # argparse makes its lines as long as the terminal is wide
    return {
        pathlib.Path("man/man8/fpga-cli.8"): _manual(),
        pathlib.Path("bash-completion/completions/fpga-cli"): _completion("bash"),
        pathlib.Path("zsh/site-functions/_fpga-cli"): _completion("zsh"),
    }


def _manual() -> str:
    parser = cli.build()
    epilog, parser.epilog = parser.epilog or "", None
    page = Manpage(parser, format="single-commands-section")
    page.section = 8
    page.date = ""  # the page is as old as the parser; its maker's clock says nothing
    page.source = "fpga-nova"
    page.manual = "Operator's Manual"
    page.description = cli.DESCRIPTION[0].lower() + cli.DESCRIPTION[1:].rstrip(".")
    codes, _, examples = epilog.partition("examples:\n")
    page.add_section("exit status", "=", _verbatim(codes.partition("exit codes:\n")[2]))
    page.add_section("examples", "=", _verbatim(examples))
    # groff takes a line that begins with an apostrophe as a request.
    return "\n".join("\\&" + line if line.startswith("'") else line for line in str(page).splitlines()) + "\n"


def _verbatim(text: str) -> str:
    return ".nf\n" + text.rstrip().replace("\\", "\\e").replace("-", "\\-") + "\n.fi"


def _completion(shell: str) -> str:
    parser = cli.build()
    for each in _parsers(parser):
        for action in each._actions:
            if action.type is pathlib.Path or action.metavar == "FILE":
                action.complete = shtab.DIRECTORY if action.metavar == "DIRECTORY" else shtab.FILE  # type: ignore[attr-defined]
            elif action.metavar == "REGION_ID":
                action.complete = {shell: _REGIONS}  # type: ignore[attr-defined]
    return shtab.complete(parser, shell, preamble=_PREAMBLE) + "\n"


def _parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    found = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += action.choices.values()
    return found


def main() -> int:
    """Write the files."""
    for path, text in files().items():
        (SHARE / path).parent.mkdir(parents=True, exist_ok=True)
        (SHARE / path).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
