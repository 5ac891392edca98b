# SPDX-License-Identifier: Apache-2.0
"""Makes the commands' manual pages and shell completions from their parsers: ``python -m build_scripts.share``.

They are committed, below share/ as they are installed, so that an installation needs none of the tools that make them.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
import sys
from collections.abc import Callable, Mapping

import shtab
from argparse_manpage.manpage import Manpage

from fpga_nova.fpga_cli import parser as fpga_cli
from fpga_nova.fpga_nova_cli import parser as fpga_nova_cli

SHARE = pathlib.Path(__file__).resolve().parents[1] / "share"

_REGIONS = "_fpga_cli_regions"


@dataclasses.dataclass(frozen=True)
class Command:
    """A command that is installed.

    :param build: makes its parser
    :param sections: the further sections of its manual page, their title to a text that is printed as it stands
    :param hooks: shell to functions for shtab's completions
    """

    name: str
    description: str
    build: Callable[[], argparse.ArgumentParser]
    sections: Mapping[str, str]
    hooks: Mapping[str, str] = dataclasses.field(default_factory=dict)


def commands() -> list[Command]:
    """Return the commands that have a manual page and completions."""
    codes, _, examples = fpga_cli.EPILOG.partition("examples:\n")
    return [
        Command(
            fpga_cli.PROGRAM,
            fpga_cli.DESCRIPTION,
            fpga_cli.build,
            {"exit status": codes.partition("exit codes:\n")[2], "examples": examples},
            # Only the host knows the ids of its regions, so the shell asks fpga-cli itself.
            {
                "bash": f'{_REGIONS}() {{ compgen -W "$(fpga-cli list -f value -c id 2>/dev/null)" -- "$1"; }}\n',
                "zsh": f'{_REGIONS}() {{ compadd -- ${{(f)"$(fpga-cli list -f value -c id 2>/dev/null)"}}; }}\n',
            },
        ),
        Command(
            fpga_nova_cli.PROGRAM,
            fpga_nova_cli.DESCRIPTION,
            fpga_nova_cli.build,
            {
                "patch": fpga_nova_cli.PATCH_EPILOG,
                "doctor": fpga_nova_cli.DOCTOR_EPILOG,
                "examples": fpga_nova_cli.EPILOG.partition("examples:\n")[2].partition("\n\n")[0],
            },
        ),
    ]


def files(command: Command) -> dict[pathlib.Path, str]:
    """Return the files of a command by their path below share/."""
    os.environ["COLUMNS"] = "80"  # argparse makes its lines as long as the terminal is wide
    return {
        pathlib.Path("man/man8") / f"{command.name}.8": _manual(command),
        pathlib.Path("bash-completion/completions") / command.name: _completion(command, "bash"),
        pathlib.Path("zsh/site-functions") / f"_{command.name}": _completion(command, "zsh"),
    }


def parsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return a parser and those of its commands and their actions, by the words that lead to each."""
    found = {parser.prog: parser}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                found.update(parsers(each))
    return found


def _manual(command: Command) -> str:
    parser = command.build()
    for each in parsers(parser).values():
        each.epilog = None  # those are sections of their own here
    page = Manpage(parser, format="single-commands-section")
    page.section = 8
    page.date = ""  # the page is as old as the parser, which has no date
    page.source = "fpga-nova"
    page.manual = "Operator's Manual"
    description = command.description.rstrip(".")
    page.description = description if description[1].isupper() else description[0].lower() + description[1:]
    for title, text in command.sections.items():
        page.add_section(title, "=", _verbatim(text))
    # groff takes a line that begins with an apostrophe as a request.
    return "\n".join("\\&" + line if line.startswith("'") else line for line in str(page).splitlines()) + "\n"


def _verbatim(text: str) -> str:
    return ".nf\n" + text.rstrip().replace("\\", "\\e").replace("-", "\\-") + "\n.fi"


def _completion(command: Command, shell: str) -> str:
    parser = command.build()
    for each in parsers(parser).values():
        for action in each._actions:
            if action.type is pathlib.Path or action.metavar in ("FILE", "PATH"):
                action.complete = shtab.DIRECTORY if action.metavar == "DIRECTORY" else shtab.FILE  # type: ignore[attr-defined]
            elif action.metavar == "REGION_ID":
                action.complete = {shell: _REGIONS}  # type: ignore[attr-defined]
    return shtab.complete(parser, shell, preamble=dict(command.hooks)) + "\n"


def main() -> int:
    """Write the files."""
    for command in commands():
        for path, text in files(command).items():
            (SHARE / path).parent.mkdir(parents=True, exist_ok=True)
            (SHARE / path).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
