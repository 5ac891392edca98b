# SPDX-License-Identifier: Apache-2.0
"""Private temporary directories that do not outlive a killed process for long."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

from fpga_nova.system import locks


@contextlib.contextmanager
def directory(state_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Give a new directory (mode 0700) below `state_path`, removed at the end.

    Its lock is held while it is in use; directories whose holder died are removed on the way.
    """
    parent = state_path / "tmp"
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The sweep and the making of a directory exclude each other, or a sweep could remove a directory that is made but
    # not yet locked.
    with contextlib.ExitStack() as stack:
        with locks.hold(parent, timeout=10):
            _sweep(parent)
            path = pathlib.Path(tempfile.mkdtemp(dir=parent))
            stack.callback(shutil.rmtree, path, ignore_errors=True)
            stack.enter_context(locks.hold(path, make=False))
        yield path


def _sweep(parent: pathlib.Path) -> None:
    for path in parent.iterdir():
        # Its user may be removing it at this moment.
        with contextlib.suppress(locks.Busy, FileNotFoundError), locks.hold(path, make=False):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
