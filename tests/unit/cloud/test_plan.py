# SPDX-License-Identifier: Apache-2.0
"""The order of the work: each task after those that it waits for, others beside it, none after a failure."""

from __future__ import annotations

import threading

import pytest

from build_scripts.cloud import plan
from build_scripts.cloud.ini import ini
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State


@pytest.fixture
def state(tmp_path):
    return State(tmp_path)


def test_task_runs_once_after_those_it_waits_for(state):
    done = []
    tasks = [
        plan.Task("c", lambda: done.append("c"), ("a", "b")),
        plan.Task("b", lambda: done.append("b"), ("a",)),
        plan.Task("a", lambda: done.append("a")),
    ]
    plan.run(tasks, state)
    assert done == ["a", "b", "c"]


def test_independent_tasks_run_side_by_side(state):
    meeting = threading.Barrier(2, timeout=10)
    plan.run([plan.Task(name, meeting.wait) for name in "ab"], state)


def test_failure_begins_nothing_and_waits_for_running_tasks(state):
    done = []
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise CloudError("glance ended; see its log")

    def slow() -> None:
        failed.wait(10)
        done.append("slow")

    tasks = [
        plan.Task("bad", fail),
        plan.Task("slow", slow),
        plan.Task("next", lambda: done.append("next"), ("bad", "slow")),
    ]
    with pytest.raises(CloudError, match=r"^glance ended; see its log$"):
        plan.run(tasks, state, say=lambda text: None)
    assert done == ["slow"]


def test_unexpected_error_is_one_line_with_its_traceback_in_a_log(state):
    with pytest.raises(CloudError, match=r"^bad: ZeroDivisionError: .*; see .*build\.log$"):
        plan.run([plan.Task("bad", lambda: print(1 // 0))], state, say=lambda text: None)
    assert "Traceback" in state.log("build").read_text()


def test_tasks_that_wait_for_each_other_are_an_error(state):
    tasks = [plan.Task("a", print, ("b",)), plan.Task("b", print, ("a",))]
    with pytest.raises(CloudError, match="wait for each other"):
        plan.run(tasks, state)


def test_ini_repeats_an_option_with_several_values():
    text = ini({"a": {"yes": True, "number": 3, "several": ["x", "y"]}, "b": {}})
    assert text == "[a]\nyes = true\nnumber = 3\nseveral = x\nseveral = y\n\n[b]\n"
