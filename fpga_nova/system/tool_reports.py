# SPDX-License-Identifier: Apache-2.0
"""Reports that a tool wrote, read as input from a stranger: bounded, and refused in words if they are broken."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

from fpga_nova import errors

#: Most bytes of a report.
MAX_SIZE = 1 << 20


def parse_json(text: str, failure: type[errors.FpgaError], source: str) -> Any:
    """Return the JSON value in `text`.

    :param source: name of the tool, for messages
    :raises fpga_nova.errors.FpgaError: of the class `failure`: it is not JSON, or nested too deeply
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise failure(f"{source} gave no usable JSON: {type(error).__name__}: {error}") from error


def read_file(path: pathlib.Path, failure: type[errors.FpgaError], source: str) -> str:
    """Return the text of a file that a tool wrote into its directory.

    :param source: name of the tool, for messages
    :raises fpga_nova.errors.FpgaError: of the class `failure`: there is no such file, or it is larger than MAX_SIZE
    """
    try:
        with open(path, "rb", opener=_open_without_links) as file:
            content = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise failure(f"{source} left no readable report: {error.strerror}") from error
    if len(content) > MAX_SIZE:
        raise failure(f"{source} left a report of more than {MAX_SIZE} bytes")
    return content.decode(errors="replace")


def _open_without_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
