# SPDX-License-Identifier: Apache-2.0
"""The account that a tenant's bitstream runs as."""

from __future__ import annotations

import os
import pathlib
import pwd

import pytest

from fpga_nova import errors
from fpga_nova.softfpga import confinement


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_others_than_root_stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 1001)
    assert confinement.account_of("root") == confinement.Account(1000, 1001)


@pytest.mark.usefixtures("as_root")
def test_root_becomes_the_configured_user() -> None:
    entry = pwd.getpwnam("nobody")
    assert confinement.account_of("nobody") == confinement.Account(entry.pw_uid, entry.pw_gid)


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize(("user", "reason"), [("root", "never runs as root"), ("no-such-user", "there is no user")])
def test_user_that_cannot_be_is_refused(user: str, reason: str) -> None:
    with pytest.raises(errors.ConfigurationInvalid, match=f"soft_user: .*{reason}"):
        confinement.account_of(user)


def test_python_that_the_user_cannot_read_is_named_with_what_closes_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "root"
    module = closed / "lib/python3.11/os.py"
    open_to_all = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: closed not in (path, *path.parents) and open_to_all(path, mode)
    )
    monkeypatch.setattr(os, "getuid", lambda: pwd.getpwnam("nobody").pw_uid)
    with pytest.raises(errors.ConfigurationInvalid) as caught:
        confinement.check_python(module)
    assert str(caught.value).startswith(
        f"soft_user nobody cannot read the Python of fpga-cli, {module.parent}, as {closed} is closed to other users; "
    )


def test_python_that_the_user_can_read_is_accepted() -> None:
    confinement.check_python(pathlib.Path(os.__file__))
