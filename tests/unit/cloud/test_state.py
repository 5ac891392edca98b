# SPDX-License-Identifier: Apache-2.0
"""The state directory: free ports, passwords that only root reads, work that is not done twice."""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import stat

import pytest

from build_scripts.lib import paths, state
from build_scripts.lib.errors import CloudError


@pytest.fixture
def one(tmp_path):
    return state.State(tmp_path / "state")


def test_ports_stay_as_first_chosen(one):
    first = {name: one.port(name) for name in state.PORTS}
    again = state.State(one.path)
    assert {name: again.port(name) for name in state.PORTS} == first
    assert len(set(first.values())) == len(state.PORTS)


def test_taken_port_moves_the_base():
    base = state.choose_base("seed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", base + len(state.PORTS) - 1))
        taken.listen()
        other = state.choose_base("seed")
    assert not set(range(other, other + len(state.PORTS))) & set(range(base, base + len(state.PORTS)))
    assert state.choose_base("seed") == base


def test_no_free_ports_is_an_error(monkeypatch):
    monkeypatch.setattr(state, "_LAST_BASE", state._FIRST_BASE + state._STEP)
    with contextlib.ExitStack() as stack:
        taken = stack.enter_context(socket.socket())
        taken.bind(("127.0.0.1", state._FIRST_BASE))
        taken.listen()
        with pytest.raises(CloudError, match=f"no {len(state.PORTS)} free ports"):
            state.choose_base("seed")


def test_passwords_are_random_kept_and_private(one, tmp_path):
    password = one.secret("keystone")
    assert len(password) >= 32
    assert state.State(one.path).secret("keystone") == password
    assert one.secret("glance") != password
    assert state.State(tmp_path / "other").secret("keystone") != password
    assert stat.S_IMODE((one.path / "secrets.json").stat().st_mode) == 0o600


def test_step_is_done_only_for_its_input(one):
    assert not one.done("tables", state.digest("a"))
    one.mark_done("tables", state.digest("a"))
    assert state.State(one.path).done("tables", state.digest("a"))
    assert not one.done("tables", state.digest("b"))
    assert state.digest("ab", "c") != state.digest("a", "bc")


def test_interrupted_write_leaves_the_old_file(one, monkeypatch):
    one.write("x.json", {"a": 1})
    monkeypatch.setattr(os, "fchmod", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        one.write("x.json", {"a": 2})
    assert one.read("x.json") == {"a": 1}
    assert [path.name for path in one.path.iterdir()] == ["x.json"]


def test_second_build_of_the_same_state_is_refused(one):
    with one.lock(), pytest.raises(CloudError, match="another build"), state.State(one.path).lock():
        pass
    with state.State(one.path).lock():
        pass


def test_only_long_steps_are_recorded(one, monkeypatch):
    with one.timed("short"):
        pass
    monkeypatch.setattr(state, "_NOTABLE", 0)
    with one.timed("long"):
        pass
    assert [step["step"] for step in one.read("timings.json")["steps"]] == ["long"]


def test_state_of_a_clone_closed_to_others_is_elsewhere(tmp_path, monkeypatch):
    monkeypatch.delenv("STATE", raising=False)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    path = paths.state_path(closed)
    assert path.parent == pathlib.Path("/var/tmp")
    assert path != paths.state_path(tmp_path)


@pytest.mark.parametrize("path", ["/var/lib/x", "/etc/x", "/run/x", "/tmp/a:b", "/tmp/a b", "/tmp/a,b"])
def test_state_directory_hidden_in_nodes_is_refused(path, monkeypatch):
    monkeypatch.setenv("STATE", path)
    with pytest.raises(CloudError, match="state directory"):
        paths.state_path()


def test_state_directory_of_the_environment_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("STATE", str(tmp_path))
    assert paths.state_path() == tmp_path
