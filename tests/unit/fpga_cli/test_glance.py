# SPDX-License-Identifier: Apache-2.0
"""Fetching from Glance over HTTP: all the ways in which it goes wrong.

The real Glance is in the functional suite; here a small server speaks as much of the Image API v2 as is needed to cut
downloads off, damage them, and refuse. fpga-cli, keystoneauth and glanceclient are the real ones.
"""

from __future__ import annotations

import hashlib
import json
import socket

import pytest

from tests.support.archives import manifest_data, write_archive
from tests.support.image_server import IMAGE


def test_burn_from_glance(host, glance):
    region = host.cli("burn", IMAGE).strip()
    held = next(entry for entry in host.regions() if entry["id"] == region)
    assert (held["image_id"], held["core"], held["state"]) == (IMAGE, "core", "programmed")


def test_unknown_image_is_not_available(host, glance):
    glance.answer = (404, "<html><body>No image found</body></html>")
    assert f"image {IMAGE} is not found" in host.cli("burn", IMAGE, code=66)


@pytest.mark.parametrize("status", [401, 403])
def test_unreadable_image_is_not_available(host, glance, status):
    glance.answer = (status, "<html><title>no</title></html>")
    assert "does not let fpga-cli's user read" in host.cli("burn", IMAGE, code=66)


def test_error_of_glance_makes_the_image_not_available(host, glance):
    glance.answer = (500, "<html>boom</html>")
    assert "cannot be had from Glance" in host.cli("burn", IMAGE, code=66)


@pytest.mark.parametrize("answer", [(500, {"message": "a proxy's own error"}), (200, {}), (200, "<html>hello</html>")])
def test_answer_that_is_not_of_glance_makes_the_image_not_available(host, glance, answer):
    glance.answer = answer
    assert "cannot be had from Glance" in host.cli("burn", IMAGE, code=66)


def test_glance_that_is_down_makes_the_image_not_available(host, glance):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host.configure(
            auth_type="none", endpoint_override=f"http://127.0.0.1:{free.getsockname()[1]}", connect_retries=0
        )
        assert "cannot be had from Glance" in host.cli("burn", IMAGE, code=66)
    assert host.states() == ["free"] * 3


def test_download_that_is_cut_off_is_refused(host, glance):
    glance.sent = glance.content[:-10]
    host.cli("burn", IMAGE, code=66)
    assert host.states() == ["free"] * 3


def test_download_that_is_damaged_is_refused(host, glance):
    glance.sent = glance.content[:-1] + b"?"
    assert "arrived damaged" in host.cli("burn", IMAGE, code=66)
    assert host.states() == ["free"] * 3


@pytest.mark.parametrize(
    ("field", "value", "code", "text"),
    [
        ("status", "queued", 66, "is queued, not active"),
        ("container_format", "bare", 67, "is not an IP core"),
        ("size", 1 << 40, 67, "more than"),
        ("size", 5, 66, "more than the 5 bytes"),
        ("os_hash_algo", "md5", 66, "no secure hash"),
        ("os_hash_algo", None, 66, "no secure hash"),
        ("manifest", "{", 67, f"property 'manifest' of image {IMAGE} is not valid JSON"),
    ],
)
def test_unusable_metadata_is_refused(host, glance, field, value, code, text):
    glance.answer[1][field] = value
    assert text in host.cli("burn", IMAGE, code=code)
    assert host.states() == ["free"] * 3


def test_core_that_fits_no_region_costs_no_download(host, glance):
    glance.answer[1]["manifest"] = json.dumps(manifest_data(board="board9"))
    host.cli("burn", IMAGE, code=64)
    assert not [path for path in glance.requests if path.endswith("/file")]


def test_manifest_in_the_archive_counts_and_not_the_image_property(host, glance, tmp_path):
    """The property only saves work; what is loaded is what the archive says."""
    glance.content = glance.sent = write_archive(tmp_path / "other.zip", manifest_data(board="board9")).read_bytes()
    answer = glance.answer[1]
    answer["size"] = len(glance.content)
    answer["os_hash_value"] = hashlib.sha512(glance.content).hexdigest()
    answer["manifest"] = json.dumps(manifest_data())
    host.cli("burn", IMAGE, code=64)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"auth_type": "nonsense"}, "cannot be used"),
        ({"auth_type": "password", "auth_url": "http://127.0.0.1:1", "username": "u"}, "cannot be"),
        ({}, "set auth_type"),
    ],
)
def test_unusable_credentials_are_named(host, options, text):
    host.configure(**options)
    message = host.cli("burn", IMAGE, code=66)
    assert text in message
