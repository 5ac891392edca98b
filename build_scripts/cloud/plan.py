# SPDX-License-Identifier: Apache-2.0
"""The order of the work: tasks that wait for others, as many at once as are ready."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import graphlib
import time
import traceback
from collections.abc import Callable, Sequence

from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State

# Most of a task's time is waiting for a program; what is ready at one time are a handful.
_WORKERS = 24
# A step that takes no longer is not worth a line.
_QUIET = 0.5


@dataclasses.dataclass(frozen=True)
class Task:
    """One piece of work.

    :param after: names of the tasks that must be done before
    """

    name: str
    work: Callable[[], None]
    after: tuple[str, ...] = ()


def run(tasks: Sequence[Task], state: State, say: Callable[[str], None] = print) -> None:
    """Do all tasks, telling of each that takes a while how long it took.

    :raises CloudError: a task failed (those that ran are waited for, no other is begun), or they wait in a circle
    """
    by_name = {task.name: task for task in tasks}
    order: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter({task.name: task.after for task in tasks})
    try:
        order.prepare()
    except graphlib.CycleError as error:
        raise CloudError(f"modules wait for each other: {' <- '.join(error.args[1])}") from None
    clock = time.monotonic()
    failures: list[BaseException] = []
    running: dict[concurrent.futures.Future[float], str] = {}
    with concurrent.futures.ThreadPoolExecutor(_WORKERS) as pool:
        while order.is_active():
            if not failures:
                for name in order.get_ready():
                    running[pool.submit(_timed, by_name[name], state)] = name
            if not running:
                break
            done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                name = running.pop(future)
                failure = future.exception()
                if failure:
                    failures.append(failure)
                    say(f"{time.monotonic() - clock:6.1f} s  {name}: failed")
                    continue
                if future.result() > _QUIET:
                    say(f"{time.monotonic() - clock:6.1f} s  {name}: done in {future.result():.1f} s")
                order.done(name)
    if failures:
        raise CloudError("; ".join(str(failure) for failure in failures))


def _timed(task: Task, state: State) -> float:
    clock = time.monotonic()
    with state.timed(task.name):
        try:
            task.work()
        except CloudError:
            raise
        except Exception as error:
            log = state.log("build")
            with log.open("a", encoding="utf-8") as output:
                traceback.print_exc(file=output)
            reason = " ".join(str(error).split())[:300]
            raise CloudError(f"{task.name}: {type(error).__name__}: {reason}; see {log}") from error
    return time.monotonic() - clock
