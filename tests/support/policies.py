# SPDX-License-Identifier: Apache-2.0
"""Policy files, and the burns that they refuse."""

from __future__ import annotations

import json
import pathlib

from tests.support.process_host import Host

PROJECT = "6f70656e737461636b20342065766572"
OWNER = "0b1d7c0a5d3e4f6a8b9c0d1e2f3a4b5c"
SERVER = "3f2c3f6a-33f4-4d59-8f0b-4b2e6a3e9a10"


def allow_list(host: Host, *rules: dict) -> dict[str, pathlib.Path]:
    """Write a host's policy file with `rules`; return the option that names it."""
    path = host.path / "policy.yaml"
    path.write_text(json.dumps({"rules": rules}))  # JSON is YAML, too
    path.chmod(0o600)
    return {"policy_file": path}


def refused(host: Host, *arguments: str | pathlib.Path, code: int = 68) -> str:
    """Require that a burn is refused, touches no region and leaves no file; return its error."""
    said = host.cli("burn", *arguments, code=code)
    assert host.states() == ["free"] * 3
    assert list(host.state_path.glob("tmp/*")) == []
    return said
