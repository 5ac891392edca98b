# SPDX-License-Identifier: Apache-2.0
"""Finds what another user than root could change."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable

from fpga_nova.doctor.findings import FailureFound, NotChecked
from fpga_nova.system import trusted_paths


def require(paths: Iterable[pathlib.Path], consequence: str) -> None:
    """Check that only root can change each of `paths`.

    :param consequence: end of the sentence that names the other user
    :raises FailureFound: another user can
    :raises NotChecked: one may not be looked at
    """
    for path in paths:
        try:
            reason = trusted_paths.changeable(path)
        except OSError as error:
            raise NotChecked(f"{error.filename or path}: {error.strerror}; run the doctor as root") from error
        if reason:
            raise FailureFound(f"{reason}, {consequence}; chown root, chmod go-w")
