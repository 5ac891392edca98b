# SPDX-License-Identifier: Apache-2.0
"""The one error that build_scripts raises on purpose."""

from __future__ import annotations


class CloudError(Exception):
    """The cloud cannot be built as asked. Its text is a line for the person at the terminal."""
