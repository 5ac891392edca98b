# SPDX-License-Identifier: Apache-2.0
"""The real filter file in oslo.rootwrap's own matching, without its process."""

from __future__ import annotations

import pytest
from oslo_rootwrap import wrapper

from tests.support import ROOT

U = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"
V = "3f2c3f6a-33f4-4d59-8f0b-4b2e6a3e9a10"
P = "6f70656e737461636b20342065766572"


@pytest.fixture(scope="module")
def filters():
    return wrapper.load_filters([str(ROOT / "etc" / "nova" / "rootwrap.d")])


@pytest.fixture
def match(filters, tmp_path):
    """Return a function that says what rootwrap would run for a command line; an executable fpga-cli is there."""
    command = tmp_path / "fpga-cli"
    command.touch(mode=0o755)

    def match(*arguments):
        found = wrapper.match_filter(filters, list(arguments), [str(tmp_path)])
        return found.get_command(list(arguments), [str(tmp_path)])

    return match


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["list", "-f", "json"],
        ["burn", U],
        ["burn", "--owner", V, "--project", P, U],
        ["burn", "--owner", V, "--project", P, "--token-stdin", U],
        ["erase", U],
        ["erase", "--owner", V],
        ["erase", "--owner", V, U],
    ],
)
def test_what_nova_calls_is_admitted(match, tmp_path, arguments):
    assert match("fpga-cli", *arguments) == [str(tmp_path / "fpga-cli"), *arguments]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["status", "-f"],
        ["status\n"],
        ["list"],
        ["list", "-f", "json\n"],
        ["list", "-f", "value"],
        ["recover"],
        ["show", U],
        ["burn"],
        ["burn", U + "\n"],
        ["burn", U, U],
        ["burn", U + "x"],
        ["burn", " " + U],
        ["burn", U.upper()],
        ["burn", U.replace("-", "")],
        ["burn", "{" + U + "}"],
        ["burn", "--file", U],
        ["burn", "--file=/etc/shadow"],
        ["burn", "--owner=" + V, U],
        ["burn", "--owner", V + "\n", U],
        ["burn", "--owner", "--file", U],
        ["burn", "--owner\n", V, U],
        ["burn", "--owner", V, "--config-file", U],
        ["burn", "--project", P, U],
        ["burn", "--project", P, "--owner", V, U],
        ["burn", "--owner", V, "--project=" + P, U],
        ["burn", "--owner", V, "--project\n", P, U],
        ["burn", "--owner", V, "--project", P + "\n", U],
        ["burn", "--owner", V, "--project", P + "0", U],
        ["burn", "--owner", V, "--project", P[1:], U],
        ["burn", "--owner", V, "--project", P.upper(), U],
        ["burn", "--owner", V, "--project", V, U],
        ["burn", "--owner", V, "--project", "admin", U],
        ["burn", "--owner", V, "--project", "--file", U],
        ["burn", "--owner", V, "--project", P],
        ["burn", "--owner", V, "--project", P, U, U],
        ["burn", "--owner", V, "--project", P, "--file", U],
        ["burn", "--owner", V, "--file", P, U],
        ["burn", "--token-stdin", U],
        ["burn", "--owner", V, "--project", P, "--token-stdin"],
        ["burn", "--owner", V, "--project", P, "--token-stdin\n", U],
        ["burn", "--owner", V, "--project", P, "--token-stdin=x", U],
        ["burn", "--owner", V, "--project", P, "--token-stdin", "--file", U],
        ["burn\n", U],
        ["erase"],
        ["erase", "--all"],
        ["erase", "--owner"],
        ["erase", "--owner", V, U, U],
        ["erase", "--owner", V, U + "\n"],
        ["erase", "../../etc"],
        ["--config-file", "/tmp/evil.conf", "status"],
        ["--config-file=/tmp/evil.conf", "status"],
        ["status", "--config-file", "/tmp/evil.conf"],
        ["burn", "--config-file", "/tmp/evil.conf", U],
    ],
)
def test_any_other_argument_is_refused(match, arguments):
    with pytest.raises(wrapper.NoFilterMatched):
        match("fpga-cli", *arguments)


@pytest.mark.parametrize("name", ["sh", "/bin/sh", "fpga-cli\n", "fpga-cli2", "/tmp/fpga-cli", "fpga-nova", "env"])
def test_any_other_command_is_refused(match, name):
    with pytest.raises(wrapper.NoFilterMatched):
        match(name, "status")
