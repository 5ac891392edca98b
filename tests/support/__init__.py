# SPDX-License-Identifier: Apache-2.0
"""The part that tests of several kinds share; nothing here is a test."""

from __future__ import annotations

import pathlib

#: The clone.
ROOT = pathlib.Path(__file__).resolve().parents[2]
