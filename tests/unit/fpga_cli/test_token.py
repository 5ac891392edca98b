# SPDX-License-Identifier: Apache-2.0
"""A burn with a user's token: the rights of that user count."""

from __future__ import annotations

import pytest

from tests.support.image_server import IMAGE

TOKEN = "gAAAAABn-a_users-token"


@pytest.fixture
def private(glance):
    """An image that only the token's owner sees."""
    glance.readers = {TOKEN}
    return glance


def test_token_opens_an_image_that_the_own_credentials_do_not(host, private):
    said = host.cli("burn", IMAGE, code=66)
    assert "fpga-cli's user may not see it" in said
    private.tokens.clear()
    host.cli("burn", "--token-stdin", IMAGE, said=f"{TOKEN}\n")
    assert host.states().count("programmed") == 1
    assert set(private.tokens) == {TOKEN}


def test_token_of_another_user_does_not_open_the_image(host, private):
    said = host.cli("burn", "--token-stdin", IMAGE, said="another-token\n", code=66)
    assert said == f"Error: image {IMAGE} is not found in Glance, or the user whose token was given may not see it\n"
    assert host.states() == ["free"] * 3


def test_image_is_fetched_again_for_each_token(host, private):
    """Glance decides for each user, also where the host has the data already."""
    host.cli("burn", "--token-stdin", IMAGE, said=TOKEN)
    assert private.downloads() == 1
    host.cli("burn", "--token-stdin", IMAGE, said=TOKEN)
    assert private.downloads() == 2


@pytest.mark.parametrize("said", ["", "\n", "two words\n", "t\x1bken\n", "tok\u00e9n\n", "x" * 8193, "\n" + TOKEN])
def test_invalid_token_is_not_repeated_in_the_error(host, private, said):
    error = host.cli("burn", "--token-stdin", IMAGE, said=said, code=66)
    assert error == "Error: standard input has no Keystone token in its first line\n"
    assert private.requests == []


def test_token_with_a_local_archive_is_wrong_usage(host, core_archive):
    assert "--token-stdin goes with an IMAGE_ID" in host.cli("burn", "--token-stdin", "--file", core_archive, code=2)
