# SPDX-License-Identifier: Apache-2.0
"""How a vendor's executable is run: its environment, its bounds, its end."""

from __future__ import annotations

import os
import pathlib
import signal
import time

import pytest

from fpga_nova import errors
from fpga_nova.system import bounded_output, locks
from fpga_nova.system.tool import SEARCH_PATH, Tool
from tests.support.vendor_tools import alive
from tests.support.waiting import wait_until

FAILURE = errors.ProgrammingFailed


@pytest.fixture
def make(tmp_path):
    def make(body: str, timeout: float = 20, mode: int = 0o755, **environment: str) -> Tool:
        path = tmp_path / "vendor-tool"
        path.write_text(f"#!/usr/bin/python3 -I\nimport os, sys, time\n{body}\n")
        path.chmod(mode)
        return Tool("an_option", str(path), timeout, tmp_path / "state", environment)

    return make


def test_arguments_reach_the_tool_unchanged(make):
    words = ["$(reboot)", "a b", "; true", "-x", "\u00e9", "*"]
    assert make("print(sys.argv[1:])").call(words, FAILURE).stdout == f"{words}\n"


def test_argument_with_a_null_byte_is_refused(make):
    with pytest.raises(errors.ConfigurationInvalid, match="null byte"):
        make("").call(["a\0b"], FAILURE)


def test_environment_of_a_tool_is_clean(tmp_path, monkeypatch):
    monkeypatch.setenv("OS_PASSWORD", "secret")
    out = Tool("an_option", "env", 20, tmp_path, {"XILINX_XRT": "/opt/x"}).call([], FAILURE).stdout
    variables = dict(line.split("=", 1) for line in out.splitlines())
    home = pathlib.Path(variables.pop("HOME"))
    assert variables == {"PATH": SEARCH_PATH, "LANG": "C", "XILINX_XRT": "/opt/x"}
    assert tmp_path in home.parents
    assert not home.exists()


def test_working_directory_of_a_tool_is_private_and_empty(make):
    assert make("print(oct(os.stat('.').st_mode), os.listdir('.'))").call([], FAILURE).stdout == "0o40700 []\n"


def test_tool_inherits_no_input_and_no_descriptors_but_locks(make, tmp_path):
    body = "print(sys.stdin.read() == '', sorted(int(fd) for fd in os.listdir('/proc/self/fd') if int(fd) > 2)[:-1])"
    secret = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(secret, True)
    with locks.hold(tmp_path / "lock"):
        expected = list(locks.descriptors())
        result = make(body).call([], FAILURE)
    os.close(secret)
    given = result.stdout.split(" ", 1)
    assert given[0] == "True"
    assert set(expected) < set(eval(given[1]))
    assert secret not in eval(given[1])


def test_last_words_reach_the_error_as_one_printable_line(make):
    body = "sys.stderr.write('\\x1b[31mno\\x1b[0m\\r\\n power\\x07\\u202e'); sys.exit(3)"
    with pytest.raises(FAILURE) as caught:
        make(body).call(["load", "x"], FAILURE)
    assert str(caught.value) == "vendor-tool load failed (exit 3): no power"


def test_stdout_gives_the_last_words_where_stderr_is_empty(make):
    with pytest.raises(FAILURE, match=r"failed \(exit 1\): said here"):
        make("print('said here'); sys.exit(1)").call([], FAILURE)


def test_signal_that_killed_the_tool_is_named(make):
    with pytest.raises(FAILURE, match="was killed by signal 9"):
        make("os.kill(os.getpid(), 9)").call([], FAILURE)


def test_accepted_exit_code_is_not_a_failure(make):
    assert make("sys.exit(33)").call([], FAILURE, accept=(0, 33)).code == 33


def test_endless_output_is_bounded(make):
    body = (
        "block = b'x' * 65536\nfor _ in range(1024): os.write(1, block); os.write(2, block)\nos.write(2, b' THE END')"
    )
    result = make(body).call([], FAILURE)
    assert len(result.stdout) == bounded_output.MAX_HEAD
    assert result.last_words.endswith("THE END")
    assert len(result.last_words) < 1000


def test_tool_that_hangs_is_killed_with_its_children(make, tmp_path):
    body = f"""
child = os.fork()
if child: open({str(tmp_path / "pid")!r}, 'w').write(str(child))
time.sleep(600)
"""
    began = time.monotonic()
    with pytest.raises(FAILURE, match=r"did not end within 0\.5 s and was killed"):
        make(body, timeout=0.5).call(["load"], FAILURE)
    assert time.monotonic() - began < 5
    child = int((tmp_path / "pid").read_text())
    wait_until(lambda: not alive(child))


def test_child_that_keeps_the_pipe_does_not_delay_the_result(make, tmp_path, monkeypatch):
    monkeypatch.setattr(bounded_output, "_AFTER_END", 0.2)
    body = f"""
child = os.fork()
if not child: time.sleep(600)
open({str(tmp_path / "pid")!r}, 'w').write(str(child))
print('done', flush=True)
"""
    began = time.monotonic()
    with locks.hold(tmp_path / "lock"):
        assert make(body).call([], FAILURE).stdout == "done\n"
    assert time.monotonic() - began < 10
    with locks.hold(tmp_path / "lock"):  # nor the lock, which that child inherited
        pass
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("tool", "no executable 'tool'"),
        ("../bin/tool", "not an absolute path"),
        ("/nowhere/tool", "no executable"),
        ("/etc/passwd", "no executable"),
        ("/usr/bin", "no executable"),
    ],
)
def test_command_that_is_not_an_executable_is_refused(tmp_path, command, words):
    with pytest.raises(errors.ConfigurationInvalid, match=rf"\[fpga\] an_option: .*{words}"):
        Tool("an_option", command, 1, tmp_path).call([], FAILURE)


def test_file_that_is_not_a_program_is_refused(tmp_path):
    path = tmp_path / "tool"
    path.write_bytes(b"\x7fELF junk")
    path.chmod(0o755)
    with pytest.raises(errors.ConfigurationInvalid, match="cannot be run"):
        Tool("an_option", str(path), 1, tmp_path).call([], FAILURE)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has so much to lose")
@pytest.mark.parametrize("mode", [0o757, 0o775])
def test_root_does_not_run_what_others_can_change(make, mode):
    with pytest.raises(errors.ConfigurationInvalid, match="can be changed by others than root"):
        make("", mode=mode).call([], FAILURE)
