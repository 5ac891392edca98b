# SPDX-License-Identifier: Apache-2.0
"""How a vendor's executable is run: its environment, its bounds, its end."""

from __future__ import annotations

import os
import pathlib
import signal
import time

import pytest

from fpga_nova import errors
from fpga_nova.system import bounded_output, locks, tool_reports
from fpga_nova.system.tool import SEARCH_PATH, Tool
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


def alive(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_arguments_reach_it_as_they_are(make):
    words = ["$(reboot)", "a b", "; true", "-x", "\u00e9", "*"]
    assert make("print(sys.argv[1:])").call(words, FAILURE).stdout == f"{words}\n"


def test_a_word_that_cannot_be_an_argument(make):
    with pytest.raises(errors.ConfigurationInvalid, match="null byte"):
        make("").call(["a\0b"], FAILURE)


def test_its_environment_is_clean(tmp_path, monkeypatch):
    monkeypatch.setenv("OS_PASSWORD", "secret")
    out = Tool("an_option", "env", 20, tmp_path, {"XILINX_XRT": "/opt/x"}).call([], FAILURE).stdout
    variables = dict(line.split("=", 1) for line in out.splitlines())
    home = pathlib.Path(variables.pop("HOME"))
    assert variables == {"PATH": SEARCH_PATH, "LANG": "C", "XILINX_XRT": "/opt/x"}
    assert tmp_path in home.parents
    assert not home.exists()


def test_its_directory_is_private(make):
    assert make("print(oct(os.stat('.').st_mode), os.listdir('.'))").call([], FAILURE).stdout == "0o40700 []\n"


def test_it_has_no_input_and_no_descriptors_but_locks(make, tmp_path):
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


def test_what_it_says_reaches_the_error_as_one_clean_line(make):
    body = "sys.stderr.write('\\x1b[31mno\\x1b[0m\\r\\n power\\x07\\u202e'); sys.exit(3)"
    with pytest.raises(FAILURE) as caught:
        make(body).call(["load", "x"], FAILURE)
    assert str(caught.value) == "vendor-tool load failed (exit 3): no power"


def test_words_on_stdout_serve_where_stderr_has_none(make):
    with pytest.raises(FAILURE, match=r"failed \(exit 1\): said here"):
        make("print('said here'); sys.exit(1)").call([], FAILURE)


def test_the_signal_that_killed_it(make):
    with pytest.raises(FAILURE, match="was killed by signal 9"):
        make("os.kill(os.getpid(), 9)").call([], FAILURE)


def test_an_expected_code(make):
    assert make("sys.exit(33)").call([], FAILURE, accept=(0, 33)).code == 33


def test_endless_output_is_bounded(make):
    body = (
        "block = b'x' * 65536\nfor _ in range(1024): os.write(1, block); os.write(2, block)\nos.write(2, b' THE END')"
    )
    result = make(body).call([], FAILURE)
    assert len(result.stdout) == bounded_output.MAX_HEAD
    assert result.last_words.endswith("THE END")
    assert len(result.last_words) < 1000


def test_a_tool_that_hangs_dies_with_its_children(make, tmp_path):
    body = f"""
child = os.fork()
if child: open({str(tmp_path / "pid")!r}, 'w').write(str(child))
time.sleep(600)
"""
    began = time.monotonic()
    with pytest.raises(FAILURE, match="did not end within 1 s and was killed"):
        make(body, timeout=1).call(["load"], FAILURE)
    assert time.monotonic() - began < 5
    child = int((tmp_path / "pid").read_text())
    wait_until(lambda: not alive(child))


def test_a_child_that_keeps_the_pipe_does_not_keep_us(make, tmp_path):
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
def test_what_is_no_executable(tmp_path, command, words):
    with pytest.raises(errors.ConfigurationInvalid, match=rf"\[fpga\] an_option: .*{words}"):
        Tool("an_option", command, 1, tmp_path).call([], FAILURE)


def test_what_is_no_program(tmp_path):
    path = tmp_path / "tool"
    path.write_bytes(b"\x7fELF junk")
    path.chmod(0o755)
    with pytest.raises(errors.ConfigurationInvalid, match="cannot be run"):
        Tool("an_option", str(path), 1, tmp_path).call([], FAILURE)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has so much to lose")
@pytest.mark.parametrize("mode", [0o757, 0o775])
def test_root_runs_nothing_that_others_can_change(make, mode):
    with pytest.raises(errors.ConfigurationInvalid, match="can be changed by others than root"):
        make("", mode=mode).call([], FAILURE)


@pytest.mark.parametrize("text", ["", "{", "[" * 200_000, "9" * 10_000, '{"a": NaN', "\0"])
def test_json_bombs(text):
    with pytest.raises(FAILURE, match="xbutil gave no usable JSON") as caught:
        tool_reports.parse_json(text, FAILURE, "xbutil")
    assert len(str(caught.value)) < 1000


def test_reports(tmp_path):
    path = tmp_path / "report"
    with pytest.raises(FAILURE, match="left no readable report"):
        tool_reports.read_file(path, FAILURE, "xbutil")
    path.write_bytes(b"x" * (tool_reports.MAX_SIZE + 1))
    with pytest.raises(FAILURE, match="more than 1048576 bytes"):
        tool_reports.read_file(path, FAILURE, "xbutil")
    path.unlink()
    path.symlink_to("/etc/shadow")
    with pytest.raises(FAILURE, match="left no readable report"):
        tool_reports.read_file(path, FAILURE, "xbutil")
    path.unlink()
    os.mkfifo(path)
    assert tool_reports.read_file(path, FAILURE, "xbutil") == ""
