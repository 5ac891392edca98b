# SPDX-License-Identifier: Apache-2.0
"""fpga-cli's entry: a status that costs little, and the way to everything else.

`fpga-cli status` is asked at every audit of nova-compute; so it is answered here with nothing imported but sqlite3,
as long as the region store alone can tell. All other commands are in `fpga_nova.fpga_cli.dispatch`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fpga_nova import errors, paths


def main(argv: Sequence[str] | None = None) -> int:
    """Run fpga-cli with `argv` (without the program's name); return its exit code. Never shows a traceback."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        config_files = _plain_status(arguments)
        if config_files is not None and _quick_status(config_files):
            return 0
        from fpga_nova.fpga_cli import dispatch

        return dispatch.run(arguments)
    except errors.FpgaError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Error: interrupted", file=sys.stderr)
        return 130  # 128 + SIGINT, as shells have it
    except Exception as error:
        if "--debug" in arguments:
            raise
        text = errors.one_line(f"{type(error).__name__}: {error}")
        print(f"Error: unexpected {text} (--debug shows where)", file=sys.stderr)
        return 1


def _plain_status(arguments: list[str]) -> list[str] | None:
    """Return the configuration files if `arguments` ask for the contract's status and nothing else, else None."""
    if arguments == ["status"]:
        return [paths.CONFIG_FILE]
    if len(arguments) == 3 and arguments[0] == "--config-file" and arguments[2] == "status":
        return [arguments[1]]
    return None


def _quick_status(config_files: list[str]) -> bool:
    from fpga_nova.fpga_cli import quick
    from fpga_nova.regions import quick_status

    state_path = quick.state_path(config_files)
    counts = state_path and quick_status.quick_status(state_path, config_files)
    if not counts:
        return False
    print("Used regions: {}/{}".format(*counts))
    return True
