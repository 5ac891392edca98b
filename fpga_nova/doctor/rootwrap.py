# SPDX-License-Identifier: Apache-2.0
"""The rootwrap that nova-compute uses, and what it admits.

The answer is oslo.rootwrap's own: its matching (oslo_rootwrap.wrapper.match_filter) over the filters that it loads from
the very rootwrap.conf that nova-compute uses.
"""

from __future__ import annotations

import configparser
import dataclasses
import pathlib
from typing import Any

from oslo_rootwrap import wrapper

from fpga_nova.doctor.findings import FailureFound, NotApplicable, NotChecked, WarningFound
from fpga_nova.doctor.inspected_host import HostInspection


@dataclasses.dataclass(frozen=True)
class Rootwrap:
    """The content of rootwrap.conf.

    :param files: itself, the directories of filters that are there, and the files in them
    """

    path: pathlib.Path
    directories: list[str]
    exec_dirs: list[str]
    filters: list[Any]
    files: list[pathlib.Path]

    def admits(self, *words: str) -> str | None:
        """Return the name of the filter that admits this command line, or None."""
        try:
            match: Any = wrapper.match_filter(self.filters, list(words), exec_dirs=self.exec_dirs)
        except wrapper.NoFilterMatched:
            return None
        except wrapper.FilterMatchNotExecutable as error:
            match = error.match
        return f"{getattr(match, 'name', None) or match.exec_path} ({type(match).__name__})"


def not_between(host: HostInspection) -> NotApplicable | None:
    """Return why nova-compute needs no rootwrap here, or None if it does."""
    unused = host.without_fpga()
    if unused is None and host.nova_uid == 0:
        return NotApplicable("nova-compute runs as root, and rootwrap is not in between")
    return unused


def load(host: HostInspection) -> Rootwrap:
    """Read the rootwrap.conf that nova-compute uses, and its filters.

    :raises Finding: it cannot be used
    """
    if host.conf.workarounds.disable_rootwrap:
        raise WarningFound("[workarounds] disable_rootwrap is on, so sudo alone decides what Nova may do; turn it off")
    path = pathlib.Path(host.conf.rootwrap_config)
    parser = configparser.RawConfigParser()
    try:
        with path.open(encoding="utf-8") as file:
            parser.read_file(file)
        config = wrapper.RootwrapConfig(parser)
        directories = [directory for directory in config.filters_path if pathlib.Path(directory).is_dir()]
        filters = wrapper.load_filters(config.filters_path)
        below = [each for directory in directories for each in sorted(pathlib.Path(directory).iterdir())]
    except PermissionError as error:
        raise NotChecked(f"{error.filename} may not be read; run the doctor as root") from error
    except FileNotFoundError as error:
        raise FailureFound(f"{path} is not there; see [DEFAULT] rootwrap_config") from error
    except (OSError, configparser.Error, ValueError, TypeError) as error:
        raise FailureFound(f"{path} or a filter file that it leads to cannot be read: {error}") from error
    return Rootwrap(
        path, config.filters_path, config.exec_dirs, filters, [path, *map(pathlib.Path, directories), *below]
    )
