# SPDX-License-Identifier: Apache-2.0
"""The command `fpga-nova`: patch a Nova, see what it is, take the patch back; and the way to its doctor."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence

from fpga_nova import errors
from fpga_nova.patcher import locate, series, watch
from fpga_nova.patcher.tree import Tree

_EPILOG = """\
exit codes:
  0  done, or there was nothing to do
  1  refused or failed: one line says why, and nothing was touched
  2  the command line is wrong
  and for status: 0 patched, 3 not patched, 4 cut short, 5 changed since, 6 patched by another version of fpga-nova

what to do after an apply, once per cloud:
  nova-manage db sync              adds the columns; harmless when repeated
  [filter_scheduler]               enabled_filters must have FpgaFilter
  restart every Nova service       conductor first, then the others

what may follow on the last revert, once per cloud, when every service was restarted unpatched:
  fpga-nova patch drop-columns     drops the columns of every cell; they may as well stay

where Nova is of Debian's packages:
  fpga-nova patch watch reapply    whenever they are upgraded, the patch is applied again
  fpga-nova patch watch warn       ... or you are told that it is gone

The record of what was done lies in the directory .fpga-nova inside Nova's package.
"""

#: A file that every patched Nova has, and no other.
_ADDED = "compute/fpga.py"

_COMMANDS = {
    "check": "say whether the series would apply; changes nothing",
    "apply": "apply it, all or nothing; completes one that was cut short",
    "status": "say what this Nova is; changes nothing",
    "revert": "put back the very bytes from before",
    "drop-columns": "drop the columns in the database of every cell, when no Nova of the cloud is patched any more",
    "watch": "say what is done after an upgrade of Debian's packages of Nova, or choose it",
    "upgraded": "look at a Nova whose package was just changed; what `watch` sets up calls this",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["doctor"]:
        # Imported only here: to patch a Nova takes nothing of what the doctor needs.
        from fpga_nova.doctor import command

        return command.main(words[1:])
    arguments = _parser().parse_args(words)
    try:
        if arguments.action == "watch":
            return _watch(arguments)
        if arguments.action == "drop-columns":
            return _drop_columns(arguments)
        if arguments.action == "upgraded":
            return watch.upgraded(arguments.nova, arguments.reapply)
        tree = Tree(locate.find(arguments.nova), series.load())
        return _run(tree, arguments)
    except errors.FpgaError as error:
        print(f"Error: {error}", file=sys.stderr)
    except OSError as error:
        print(f"Error: {errors.one_line(str(error))}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fpga-nova", description="FPGAs as a resource of OpenStack Nova.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    patch = commands.add_parser(
        "patch",
        help="patch a Nova, or take the patch back",
        description="Patch the Nova that this interpreter would import, or the one at PATH. Nova is not imported.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands.add_parser("doctor", help="look for what is missing or unsafe on this host", add_help=False)
    actions = patch.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in _COMMANDS.items():
        action = actions.add_parser(
            name, help=text, description=text, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name == "drop-columns":
            _add_drop_options(action)
            continue
        action.add_argument(
            "--nova",
            type=pathlib.Path,
            metavar="PATH",
            help="Nova's package directory, or what contains it: a site-packages, a source checkout",
        )
        if name == "revert":
            action.add_argument(
                "--force",
                action="store_true",
                help="also put back files that were changed since; their changes are lost",
            )
        elif name == "watch":
            action.add_argument(
                "mode",
                nargs="?",
                choices=[mode.value for mode in watch.Mode],
                help="reapply: apply the patch again, or warn where it does not fit; warn: only warn; off: do nothing",
            )
        elif name == "upgraded":
            action.add_argument("--reapply", action="store_true", help="apply the patch again where it was taken away")
    return parser


def _add_drop_options(action: argparse.ArgumentParser) -> None:
    for name, what in (
        ("file", "of Nova; by default what Nova finds, /etc/nova/nova.conf"),
        ("dir", "the same, a directory"),
    ):
        action.add_argument(
            f"--config-{name}", action="append", default=[], metavar="PATH", help=f"{what}; may be repeated"
        )
    action.add_argument("--dry-run", action="store_true", help="say what would be dropped, and drop nothing")
    action.add_argument(
        "--force", action="store_true", help="also where servers hold regions, which nobody then knows of"
    )


def _drop_columns(arguments: argparse.Namespace) -> int:
    nova = locate.find(None)
    # Of any release, also one that is too new for the series, and one whose own files are of no release.
    if (nova.package / _ADDED).exists():
        raise errors.ConfigurationInvalid(
            f"Nova at {nova.package} has {_ADDED}; a patched Nova does not work without the columns, so `fpga-nova "
            "patch revert` every Nova of the cloud first, and restart its services"
        )
    # Imported only here: to patch a Nova takes nothing of what a database takes.
    from fpga_nova.nova_db import drop_columns

    done = drop_columns.drop(arguments.config_file, arguments.config_dir, arguments.force, arguments.dry_run)
    for line in done:
        print(f"  {'would drop' if arguments.dry_run else 'dropped'} {line}")
    if not done:
        print("no cell has any of the columns")
    return 0


def _run(tree: Tree, arguments: argparse.Namespace) -> int:
    nova = f"Nova {tree.nova.version} at {tree.nova.package}"
    if arguments.action == "status":
        status = tree.status()
        print(f"{nova}: {status.text}")
        return int(status.state.value)
    if arguments.action == "check":
        print(f"{nova}: {tree.check()}")
        return 0
    done = tree.apply() if arguments.action == "apply" else tree.revert(arguments.force)
    for line in done:
        print(f"  {line}")
    if arguments.action == "apply":
        print(f"{nova}: {'patched; now `nova-manage db sync`, then restart Nova' if done else 'already applied'}")
    else:
        print(f"{nova}: {'as before the patch; restart Nova' if done else 'not patched'}")
    return 0


def _watch(arguments: argparse.Namespace) -> int:
    if arguments.mode == watch.Mode.OFF.value:
        watch.remove()
    elif arguments.mode is not None:
        watch.install(watch.Mode(arguments.mode), locate.find(arguments.nova))
    print(f"watch: {watch.current().value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
