# SPDX-License-Identifier: Apache-2.0
"""The look at the configuration that `fpga-cli status` can afford: without oslo.config, typing and pathlib."""

from __future__ import annotations

from collections.abc import Sequence

from fpga_nova import errors, paths


def state_path(config_files: Sequence[str]) -> str | None:
    """Return state_path as `status` needs it, without oslo.config (150 ms); None where only that can tell.

    :raises fpga_nova.errors.ConfigurationInvalid: a file cannot be read
    """
    value = paths.STATE_PATH
    for path in config_files:
        in_group = False
        for line in read(path).splitlines():
            if line[:1].isspace() and in_group:
                return None  # it may go on a value of ours over several lines
            if line.startswith("["):
                in_group = line.strip() == "[fpga]"
            elif in_group and line.startswith("state_path"):
                text = line.removeprefix("state_path").lstrip()
                if text.startswith(("=", ":")):
                    value = text[1:].strip().strip("\"'")
    return None if "$" in value or not value else value


def read(path: str) -> str:
    """Return the text of a configuration file; the default one need not be there.

    :raises fpga_nova.errors.ConfigurationInvalid: it cannot be read
    """
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs 4 ms of the 20 that a status takes
            return file.read()
    except FileNotFoundError:
        if path == paths.CONFIG_FILE:
            return ""
        raise errors.ConfigurationInvalid(f"configuration file {path} is not there") from None
    except (OSError, ValueError) as error:
        raise errors.ConfigurationInvalid(f"configuration file {path} cannot be read: {error}") from error
