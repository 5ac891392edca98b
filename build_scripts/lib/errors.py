# SPDX-License-Identifier: Apache-2.0
"""The one error that build_scripts raises on purpose."""

from __future__ import annotations


class CloudError(Exception):
    """The cloud cannot be built as asked; the text is one line for the terminal."""
