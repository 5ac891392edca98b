# SPDX-License-Identifier: Apache-2.0
"""Runs Nova's own tests without the patch and with it; prints what the patch makes worse."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from build_scripts.lib import paths
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State
from build_scripts.nova_tests import environment, judge, suite
from fpga_nova.patcher import series

_RECORD_HEAD = """\
# SPDX-License-Identifier: Apache-2.0
# The tests of the selection `touched` that do not pass without the patch, by series of Nova. Written with --record,
# believed by `make nova-tests-touched`, checked by `make nova-tests`.
"""

#: The selection that unpatched.yaml is about.
_RECORDED = "touched"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 1 where the patch makes a test worse."""
    arguments = _parser().parse_args(argv)
    try:
        state = State(paths.state_path())
        # The cloud may be built or be up meanwhile, but not another run in the same trees.
        with State(state.path / "nova-tests").lock():
            return _run(state, arguments)
    except CloudError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nova_tests", description=__doc__)
    parser.add_argument("--nova", type=int, default=34, metavar="SERIES", help="series of Nova (default: 34)")
    parser.add_argument("--select", help="a selection of selections.yaml (default: what it says for the series)")
    parser.add_argument("--suite", choices=suite.SUITES, help="only this part of the selection")
    record = parser.add_mutually_exclusive_group()
    record.add_argument(
        "--patched-only",
        action="store_true",
        help=f"run them only patched; what comes of them unpatched is recorded for the selection `{_RECORDED}`",
    )
    record.add_argument("--record", action="store_true", help="record it")
    return parser


def _run(state: State, arguments: argparse.Namespace) -> int:
    data = _load("selections.yaml")
    try:
        release = data["releases"][arguments.nova]
        version = series.load().releases[arguments.nova].tried[0]
        select = arguments.select or release["select"]
        selection = data["selections"][select]
        if arguments.suite:
            selection = {arguments.suite: selection[arguments.suite]}
    except KeyError as error:
        raise CloudError(f"there is no {error}: see tests/nova/selections.yaml and patches/series.yaml") from error
    records = _load("unpatched.yaml")
    recorded = records.get(arguments.nova)
    if arguments.patched_only and (recorded is None or select != _RECORDED):
        raise CloudError(f"nothing is recorded for Nova {arguments.nova}, {select}")
    made = environment.Environment(state, version, release["native_threads"], release["needs"])
    judged = judge.Judge(f"Nova {version}, {select}", made.unpatched(), made.patched())
    verdict = judged.judge(selection, recorded if arguments.patched_only else None)
    lines = [str(difference) for difference in verdict.worse]
    touched = _touched(verdict.unpatched, data["selections"][_RECORDED]["unit"])
    if arguments.record:
        records[arguments.nova] = judge.not_passing(touched)
        text = _RECORD_HEAD + yaml.safe_dump(records, width=200)
        (environment.DATA / "unpatched.yaml").write_text(text, encoding="utf-8")
    elif recorded is not None:
        lines += judge.against_record(recorded, touched)
    for test in verdict.flaky:
        print(f"  flaky, passed when run again: {test}")
    for line in lines:
        print(f"  {line}")
    print(f"Nova {version}, {select}: {len(lines)} differences, {len(verdict.flaky)} flaky")
    return 1 if lines else 0


def _touched(results: Mapping[str, str], patterns: Sequence[str]) -> dict[str, str]:
    return {test: status for test, status in results.items() if any(re.search(one, test) for one in patterns)}


def _load(name: str) -> dict[Any, Any]:
    return dict(yaml.safe_load((environment.DATA / name).read_text(encoding="utf-8")) or {})


if __name__ == "__main__":
    sys.exit(main())
