# SPDX-License-Identifier: Apache-2.0
"""`fpga-nova patch`: check, apply, status, revert, and the watch over Debian's packages."""

from __future__ import annotations

import argparse

from fpga_nova.patcher import locate, series, watch
from fpga_nova.patcher.tree import Tree


def check(arguments: argparse.Namespace) -> int:
    """Say whether the series would apply."""
    tree = _tree(arguments)
    print(f"{_name(tree)}: {tree.check()}")
    return 0


def apply(arguments: argparse.Namespace) -> int:
    """Apply the series, and list the files."""
    tree = _tree(arguments)
    done = tree.apply()
    _print_steps(done)
    print(f"{_name(tree)}: {'patched; now `nova-manage db sync`, then restart Nova' if done else 'already applied'}")
    return 0


def status(arguments: argparse.Namespace) -> int:
    """Say what this Nova is; return the state's exit code."""
    tree = _tree(arguments)
    found = tree.status()
    print(f"{_name(tree)}: {found.text}")
    return int(found.state.value)


def revert(arguments: argparse.Namespace) -> int:
    """Take the series back, and list the files."""
    tree = _tree(arguments)
    done = tree.revert(arguments.force)
    _print_steps(done)
    print(f"{_name(tree)}: {'as before the patch; restart Nova' if done else 'not patched'}")
    return 0


def set_watch(arguments: argparse.Namespace) -> int:
    """Set up the watch, if a mode is given; say which is set up."""
    if arguments.mode == watch.Mode.OFF.value:
        watch.remove()
    elif arguments.mode is not None:
        watch.install(watch.Mode(arguments.mode), locate.find(arguments.nova))
    print(f"watch: {watch.current().value}")
    return 0


def upgraded(arguments: argparse.Namespace) -> int:
    """Look at a Nova whose package was changed; return 1 where it is not as it should be."""
    return watch.upgraded(arguments.nova, arguments.reapply)


def _tree(arguments: argparse.Namespace) -> Tree:
    return Tree(locate.find(arguments.nova), series.load())


def _name(tree: Tree) -> str:
    return f"Nova {tree.nova.version} at {tree.nova.package}"


def _print_steps(done: list[str]) -> None:
    for line in done:
        print(f"  {line}")
