# SPDX-License-Identifier: Apache-2.0
"""Reading bytes as a format, and having them refused."""

from __future__ import annotations

import io
import re

import pytest

from fpga_nova import errors, formats


def header(name: str, data: bytes) -> formats.Header:
    """Return what the format's reader says of `data`."""
    return formats.FORMATS[name].read(io.BytesIO(data))


def refusal(name: str, data: bytes) -> str:
    """Require that the format's reader refuses `data` by one line of the agreed form; return the line."""
    with pytest.raises(errors.ArchiveInvalid) as caught:
        header(name, data)
    text = str(caught.value)
    assert re.fullmatch(rf"{name}('s [a-z_]+)? bitstream, offset [0-9]+: expected [^\n]+", text)
    return text
