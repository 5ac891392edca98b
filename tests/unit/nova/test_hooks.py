# SPDX-License-Identifier: Apache-2.0
"""Hooks found by entry point, as an installed package has them."""

from __future__ import annotations

import sys
import uuid

import pytest
from stevedore import extension

from fpga_nova.nova import hooks

MODULE = """
from fpga_nova.nova.hooks import FatalHookException

calls = []
trouble = {}

class Base:
    def pre(self, *args, **kwargs):
        calls.append((type(self).__name__, "pre", args, kwargs))
        if (type(self).__name__, "pre") in trouble:
            raise trouble[type(self).__name__, "pre"]

    def post(self, rv, *args, **kwargs):
        calls.append((type(self).__name__, "post", rv, args, kwargs))
        if (type(self).__name__, "post") in trouble:
            raise trouble[type(self).__name__, "post"]

class First(Base): pass
class Second(Base): pass
class OnlyPost:
    def post(self, rv, *args, **kwargs):
        calls.append(("OnlyPost", "post", rv, args, kwargs))
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A package that is installed with three hooks of one name and one that cannot be loaded."""
    name = f"hooks_{uuid.uuid4().hex}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    info = tmp_path / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    lines = [f"{name} = {name}:{each}" for each in ("First", "Second", "OnlyPost")]
    # One package gives a name once; three of a name come from three packages, and one of them is broken.
    for number, line in enumerate([*lines, f"{name} = {name}_gone:Lost"]):
        each = tmp_path / f"{name}.{number}-1.dist-info"
        each.mkdir()
        (each / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}.{number}\nVersion: 1\n")
        (each / "entry_points.txt").write_text(f"[{hooks.NAMESPACE}]\n{line}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    extension.ExtensionManager.ENTRY_POINT_CACHE.clear()  # stevedore reads the entry points of a namespace once
    yield __import__(name)
    hooks._hooks.cache_clear()
    extension.ExtensionManager.ENTRY_POINT_CACHE.clear()
    sys.modules.pop(name)


def names(module):
    return [call[:2] for call in module.calls]


def test_pre_and_post_run_around_a_call(module):
    @hooks.add_hook(module.__name__)
    def add(a, b, c=0):
        return a + b + c

    assert add(1, 2, c=3) == 6
    assert add.__name__ == "add"
    assert sorted(names(module)[:2]) == [("First", "pre"), ("Second", "pre")]
    assert sorted(names(module)[2:]) == [("First", "post"), ("OnlyPost", "post"), ("Second", "post")]
    assert [call[1] for call in module.calls] == ["pre"] * 2 + ["post"] * 3
    assert all(call[2:] == ((1, 2), {"c": 3}) for call in module.calls[:2])
    assert all(call[2:] == (6, (1, 2), {"c": 3}) for call in module.calls[2:])


def test_post_gets_the_exception_that_ended_the_block(module):
    error = ValueError("boom")
    with pytest.raises(ValueError, match="boom"), hooks.around(module.__name__, 1):
        raise error
    assert [call[2] for call in module.calls if call[1] == "post"] == [error] * 3


def test_post_gets_none_after_a_block_without_result(module):
    with hooks.around(module.__name__, 1):
        pass
    assert [call[2] for call in module.calls if call[1] == "post"] == [None] * 3


def test_exception_of_a_hook_is_ignored_and_logged(module, caplog):
    module.trouble["First", "pre"] = KeyError("mine alone")
    module.trouble["Second", "post"] = KeyError("mine too")
    entered = False
    with hooks.around(module.__name__):
        entered = True
    assert entered
    assert ("First", "post") not in names(module), "post runs for those whose pre returned"
    assert "mine alone" in caplog.text
    assert "mine too" in caplog.text


def test_fatal_exception_of_pre_stops_the_block_and_earlier_hooks_clean_up(module):
    module.trouble["Second", "pre"] = hooks.FatalHookException("no FPGA")
    entered = False
    with pytest.raises(hooks.FatalHookException, match="no FPGA"), hooks.around(module.__name__):
        entered = True
    assert not entered
    before = [name for name, method in names(module) if method == "pre" and name != "Second"]
    cleaned = [name for name, method in names(module) if method == "post" and name != "OnlyPost"]
    assert cleaned == list(reversed(before))


def test_fatal_exception_of_post_is_ignored(module):
    module.trouble["First", "post"] = hooks.FatalHookException("too late")
    with hooks.around(module.__name__):
        pass
    assert ("Second", "post") in names(module)


def test_hook_that_cannot_be_loaded_is_logged(module, caplog):
    with hooks.around(module.__name__):
        pass
    assert f"{module.__name__}_gone" in caplog.text


def test_block_without_hooks_runs():
    with hooks.around(f"nothing_{uuid.uuid4().hex}"):
        pass


def test_our_hooks_have_pre():
    import fpga_hooks

    for each in (fpga_hooks.FpgaBuildInstanceHook(), fpga_hooks.FpgaDeleteInstanceHook()):
        assert callable(each.pre)
