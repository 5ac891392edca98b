# SPDX-License-Identifier: Apache-2.0
"""The entry of fpga-cli: exit codes, error lines, and the quick status.

nova-compute runs `fpga-cli status` at every audit, so :mod:`fpga_nova.regions.quick_status` answers it wherever the
region store alone can tell. Every other command goes to :mod:`fpga_nova.fpga_cli.dispatch`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from fpga_nova import errors, paths


def main(argv: Sequence[str] | None = None) -> int:
    """Run fpga-cli and return its exit code; never show a traceback, except with --debug.

    :param argv: the arguments without the program's name; by default those of this process
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(arguments)
    except SystemExit as end:  # argparse, after --help and wrong usage
        if not _flush_stdout() and not end.code:
            return errors.OUTPUT_CLOSED
        raise
    except errors.FpgaError as error:
        code = _fail(str(error), error)
    except KeyboardInterrupt as error:
        code = _fail("interrupted", error)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _stdout_has_no_reader():
            _discard(sys.stdout.fileno())
            return errors.OUTPUT_CLOSED
        if "--debug" in arguments:
            raise
        text = errors.one_line(f"{type(error).__name__}: {error}")
        code = _fail(f"unexpected {text} (--debug shows where)", error)
    return code if _flush_stdout() else code or errors.OUTPUT_CLOSED


def _run(arguments: list[str]) -> int:
    config_files = _config_files_of_plain_status(arguments)
    if config_files is not None:
        from fpga_nova.regions import quick_status

        counts = quick_status.used_regions(config_files)
        if counts is not None:
            print("Used regions: {}/{}".format(*counts))
            return 0
    from fpga_nova.fpga_cli import dispatch

    return dispatch.run(arguments)


def _config_files_of_plain_status(arguments: list[str]) -> list[str] | None:
    """Return the configuration files if `arguments` are the contract's status and nothing else, else None."""
    if arguments == ["status"]:
        return [paths.CONFIG_FILE]
    if len(arguments) == 3 and arguments[0] == "--config-file" and arguments[2] == "status":
        return [arguments[1]]
    return None


def _fail(text: str, error: BaseException) -> int:
    try:
        print(f"Error: {text}", file=sys.stderr, flush=True)
    except BrokenPipeError:
        _discard(sys.stderr.fileno())
    return errors.exit_code(error)


def _flush_stdout() -> bool:
    """Flush stdout; return False if its reader has gone, as `head` does, and discard what is left to print.

    The interpreter would report the closed pipe on stderr at its exit.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout.fileno())
        return False
    return True


def _stdout_has_no_reader() -> bool:
    import select

    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))  # poll(2): the reading end of the pipe is closed


def _discard(descriptor: int) -> None:
    """Point a descriptor at /dev/null, where the interpreter's own last flush succeeds."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)
