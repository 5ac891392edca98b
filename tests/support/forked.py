# SPDX-License-Identifier: Apache-2.0
"""Runs a function in a fork of this process: another user, other namespaces, and no imports to wait for."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable


def call(function: Callable[[], str]) -> str:
    """Return what `function` returns in a fork; the traceback where it raises."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            text = function()
        except BaseException:
            text = traceback.format_exc()
        with os.fdopen(writing, "w") as pipe:
            pipe.write(text)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return text
