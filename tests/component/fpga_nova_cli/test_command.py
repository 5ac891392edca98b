# SPDX-License-Identifier: Apache-2.0
"""fpga-nova as a process: without Nova, into a closed pipe, and the entry of the dpkg trigger."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]

#: Runs a module in an interpreter that finds neither Nova nor anything that only Nova brings.
WITHOUT_NOVA = """\
import importlib.abc, runpy, sys
ABSENT = {"nova", "oslo_rootwrap", "sqlalchemy", "alembic", "oslo_config", "oslo_upgradecheck", "keystoneauth1"}
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in ABSENT else found(name, package)
module, *words = sys.argv[1:]
sys.argv = [module, *words]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def run(*words: object, without_nova: bool = False, **options) -> subprocess.CompletedProcess[str]:
    start = ["-c", WITHOUT_NOVA] if without_nova else ["-m"]
    return subprocess.run(
        [sys.executable, *start, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, check=False, stderr=subprocess.PIPE, cwd="/",
        **{"stdout": subprocess.PIPE, **options},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["doctor"], 2, "has no Nova; install fpga-nova into the Python that runs Nova"),
        (["patch", "apply"], 1, "this interpreter has no Nova"),
        (["patch", "status"], 1, "this interpreter has no Nova"),
        (["patch", "drop-columns"], 1, "this interpreter has no Nova"),
    ],
)
def test_without_nova_one_line_says_so(words, code, said):
    done = run("fpga_nova.fpga_nova_cli", *words, without_nova=True)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    assert said in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["doctor", "--help"], ["patch", "status"]])
def test_closed_pipe_is_silent(words):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = run("fpga_nova.fpga_nova_cli", *words, stdout=closed)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("options", [[], ["--reapply"]])
def test_trigger_entry_leads_nowhere_upward(options, tmp_path):
    """Hosts have packages installed that call it; PyYAML and the standard library are all that it may need."""
    done = run("fpga_nova.patcher.cli", "patch", "upgraded", f"--nova={tmp_path / 'gone'}", *options, without_nova=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_trigger_entry_imports_nothing_above_the_patcher():
    program = "import fpga_nova.patcher.cli, sys; print(*[m for m in sys.modules if m.startswith('fpga_nova.')])"
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    rooms = {name.split(".")[1] for name in done.stdout.split()}
    assert rooms <= {"patcher", "errors", "system"}
