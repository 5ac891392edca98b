# SPDX-License-Identifier: Apache-2.0
"""A process is known by its number and its start: no other is taken for it, or signalled in its place."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from build_scripts.cloud import process
from tests.support.waiting import wait_until


@pytest.fixture
def sleeper():
    child = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"], stdout=-1)
    child.stdout.readline()
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def test_running_process_is_alive(sleeper):
    assert process.identify(sleeper.pid).alive()


def test_number_given_to_another_process_is_not_the_same(sleeper):
    known = process.identify(sleeper.pid)
    earlier = dataclasses.replace(known, started=known.started - 1)
    before_reboot = dataclasses.replace(known, boot="another")
    for other in (earlier, before_reboot):
        assert not other.alive()
        assert other.signal(signal.SIGKILL) is False
        process.stop([other], timeout=0.1)
    assert sleeper.poll() is None


def test_dead_process_is_not_alive_before_it_is_reaped(sleeper):
    known = process.identify(sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not known.alive()
    assert process.identify(sleeper.pid) is None


def test_name_with_blanks_and_parentheses_is_read_past(tmp_path):
    odd = tmp_path / "a) S 1 (b"
    odd.symlink_to("/bin/sleep")
    child = subprocess.Popen([str(odd), "60"])
    try:
        wait_until(lambda: "a) S 1 (b" in pathlib.Path(f"/proc/{child.pid}/stat").read_text(), 5)
        found = process.identify(child.pid)
        ticks = found.started / os.sysconf("SC_CLK_TCK")
        assert abs(time.clock_gettime(time.CLOCK_BOOTTIME) - ticks) < 10
    finally:
        child.kill()
        child.wait()


def test_stop_asks_first_and_then_kills(tmp_path):
    polite = process.spawn([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "polite.log", os.environ)
    deaf_program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    deaf = process.spawn([sys.executable, "-c", deaf_program], tmp_path / "deaf.log", os.environ)
    wait_until(lambda: "deaf" in (tmp_path / "deaf.log").read_text(), 10)
    start = time.monotonic()
    process.stop([polite, deaf], timeout=0.2)
    assert 0.2 <= time.monotonic() - start < 5
    assert not polite.alive()
    assert not deaf.alive()


def test_stop_asks_by_the_chosen_signal(tmp_path):
    program = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(print('asked', flush=True))); "
        "print('ready', flush=True); time.sleep(60)"
    )
    daemon = process.spawn([sys.executable, "-c", program], tmp_path / "one.log", os.environ)
    wait_until(lambda: "ready" in (tmp_path / "one.log").read_text(), 10)
    process.stop([daemon], 10, signal.SIGINT)
    assert (tmp_path / "one.log").read_text() == "ready\nasked\n"


def test_daemon_has_its_own_session_and_logs_its_output(tmp_path):
    log = tmp_path / "logs/one.log"
    program = "import os, time; print(os.getsid(0) == os.getpid(), os.getcwd(), flush=True); time.sleep(60)"
    daemon = process.spawn([sys.executable, "-c", program], log, os.environ)
    try:
        wait_until(lambda: "\n" in log.read_text(), 10)
        assert log.read_text() == "True /\n"
    finally:
        process.stop([daemon], timeout=1)


def test_daemon_that_ends_at_once_is_not_alive(tmp_path):
    daemon = process.spawn(["/bin/true"], tmp_path / "true.log", os.environ)
    wait_until(lambda: process.reap() or not daemon.alive(), 5)
