# SPDX-License-Identifier: Apache-2.0
"""Fuzz: `python -m tests.fuzz [--runs N] [--target NAME]...`; exit 1 if anything was found, its input saved."""

from __future__ import annotations

import argparse
import collections
import importlib.util
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from tqdm import tqdm

NAMES = ("archive", "members", "manifest", "policy", "signature", "gbs", "xilinx_bit", "xclbin", "ice40", "rbf")

#: Also findings: an execution of more seconds, a process of more MiB. Inputs have at most so many bytes.
LIMITS = ("-timeout=10", "-rss_limit_mb=1024", "-max_len=16384")

_PROGRESS = re.compile(r"#(\d+)\s")
_COVERAGE = re.compile(r" cov: (\d+) ")
_EXECUTED = re.compile(r"stat::number_of_executed_units: +(\d+)")


def fuzz(name: str, runs: int, crashes: pathlib.Path) -> tuple[int, bool]:
    """Run one target; return how many executions there were, and whether they all went well."""
    last = collections.deque[str](maxlen=40)
    executed = coverage = 0
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-") as scratch,
        tqdm(total=runs, desc=name, unit="", leave=False, disable=None) as progress,
    ):
        arguments = [f"-runs={runs}", "-print_final_stats=1", f"-artifact_prefix={crashes}/{name}-", *LIMITS]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker", name, scratch, *arguments],
            # atheris prints the exception on the one, libFuzzer all else on the other.
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdout is not None
        for line in process.stdout:
            last.append(line)
            if match := _PROGRESS.match(line):
                progress.update(int(match.group(1)) - progress.n)
            if match := _COVERAGE.search(line):
                coverage = int(match.group(1))
            if match := _EXECUTED.match(line):
                executed = int(match.group(1))
        good = process.wait() == 0
    seconds = time.monotonic() - started
    print(
        f"{name:10}  {executed:9,} executions  {executed / seconds:8,.0f}/s  {seconds:6.1f} s  coverage {coverage:4}"
        f"  {'ok' if good else 'FAILED'}",
        flush=True,
    )
    if not good:
        sys.stderr.writelines(last)
    return executed, good


def replay(name: str, path: pathlib.Path) -> int:
    """Run a target on one input, and let out what it raises."""
    from tests.fuzz import targets  # imported here: the runner itself needs no atheris

    accepted = targets.TARGETS[name].run(path.read_bytes())
    print(f"{name}: {path} is {'accepted' if accepted else 'refused as it should be'}")
    return 0


def main() -> int:
    """Share the executions out over the targets, and run one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="executions in all (default: %(default)s)")
    parser.add_argument("--target", action="append", choices=NAMES, help="fuzz this one alone; may be repeated")
    parser.add_argument(
        "--crashes",
        type=pathlib.Path,
        default=pathlib.Path(tempfile.gettempdir()) / "fpga-nova-fuzz",
        help="directory for the inputs of what was found (default: %(default)s)",
    )
    parser.add_argument("--replay", type=pathlib.Path, metavar="FILE", help="run the one --target on a saved input")
    arguments = parser.parse_args()
    names = arguments.target or NAMES
    if arguments.runs < len(names):
        parser.error(f"--runs is less than one for each of {len(names)} targets")
    if importlib.util.find_spec("atheris") is None:
        parser.error("atheris is not installed: pip install -r tests/fuzz/requirements.txt")
    if arguments.replay:
        if len(names) != 1:
            parser.error("--replay needs one --target")
        return replay(names[0], arguments.replay)
    arguments.crashes.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    total = 0
    failed = []
    for index, name in enumerate(names):
        share = arguments.runs // len(names) + (index < arguments.runs % len(names))
        executed, good = fuzz(name, share, arguments.crashes)
        total += executed
        if not good:
            failed.append(name)
    seconds = time.monotonic() - started
    print(f"{'all':10}  {total:9,} executions  {total / seconds:8,.0f}/s  {seconds:6.1f} s")
    if failed:
        print(f"found something in {', '.join(failed)}; the inputs are in {arguments.crashes}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
