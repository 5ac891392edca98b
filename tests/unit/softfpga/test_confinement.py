# SPDX-License-Identifier: Apache-2.0
"""The account that a tenant's bitstream runs as."""

from __future__ import annotations

import os
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
