# SPDX-License-Identifier: Apache-2.0
"""Policy files for tests of admission."""

from __future__ import annotations

import json
import pathlib

from tests.support.process_host import Host


def allow_list(host: Host, *rules: dict) -> dict[str, pathlib.Path]:
    """Write a host's policy file with `rules`; return the option that names it."""
    path = host.path / "policy.yaml"
    path.write_text(json.dumps({"rules": rules}))  # JSON is YAML, too
    path.chmod(0o600)
    return {"policy_file": path}
