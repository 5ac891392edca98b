# SPDX-License-Identifier: Apache-2.0
"""A patched Nova, in memory, before a test module of this directory imports Nova."""

from __future__ import annotations

from tests.support import patched_nova

patched_nova.import_patched()
