# SPDX-License-Identifier: Apache-2.0
"""Fixtures of fpga-cli's tests: a host whose fpga-cli runs in this process, an archive, a Glance that has it."""

from __future__ import annotations

import json
import pathlib

import pytest

from tests.support.archives import write_archive
from tests.support.image_server import serving
from tests.support.in_process_host import InProcessHost


@pytest.fixture
def host(tmp_path: pathlib.Path) -> InProcessHost:
    made = InProcessHost(tmp_path)
    made.configure()
    return made


@pytest.fixture
def core_archive(tmp_path: pathlib.Path) -> pathlib.Path:
    return write_archive(tmp_path / "core.zip")


@pytest.fixture
def glance(host: InProcessHost, core_archive: pathlib.Path):
    """A Glance with the archive, served by a thread of this process, which `host` is configured for."""
    with serving(core_archive.read_bytes()) as server:
        host.configure_glance(server)
        yield server


@pytest.fixture
def allow(host):
    """Return a function that writes the policy file; it returns the option that names it."""

    def allow(*rules: dict) -> dict:
        path = host.path / "policy.yaml"
        path.write_text(json.dumps({"rules": rules}))  # JSON is YAML, too
        path.chmod(0o600)
        return {"policy_file": path}

    return allow
