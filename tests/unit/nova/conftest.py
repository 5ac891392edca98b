# SPDX-License-Identifier: Apache-2.0
"""Puts a patched copy of Nova first on the path, before a test module of this directory imports Nova."""

from __future__ import annotations

from tests.support import patched_nova

patched_nova.first_on_path()
