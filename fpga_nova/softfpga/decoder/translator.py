# SPDX-License-Identifier: Apache-2.0
"""The translator: a confined process that turns a bitstream into a shared object.

`python -m fpga_nova.softfpga.decoder.translator BOARD UID GID` runs in a directory of its own with the file
`bitstream`. It leaves `fabric.so` there and exits 0, or prints one line with the reason on stderr and exits 1.
"""

from __future__ import annotations

import pathlib
import resource
import shutil
import subprocess
import sys

from fpga_nova import errors
from fpga_nova.softfpga import confinement
from fpga_nova.softfpga.decoder import asc_parser, c_emitter, chip_database, netlist_extractor
from fpga_nova.softfpga.decoder.boards import BOARDS

BITSTREAM = "bitstream"
FABRIC = "fabric.so"

#: The bytes that a part waits for in a bitstream before it takes a command (Project IceStorm, "Bitstream File Format").
PREAMBLE = bytes.fromhex("7eaa997e")

#: Processor time of the translator and of each tool, seconds; address space, and size of a file, bytes.
#: A full HX8K takes about 3 s, 200 MB and 5 MB.
LIMITS = {
    resource.RLIMIT_CPU: 60,
    resource.RLIMIT_AS: 1 << 30,
    resource.RLIMIT_FSIZE: 64 << 20,
    resource.RLIMIT_CORE: 0,
}

#: C compilers, best first. tcc takes 5 to 50 ms for a fabric where gcc takes 0.1 to 3 s.
COMPILERS = (("tcc",), ("gcc", "-O1", "-fPIC"))


def translate(board_name: str) -> None:
    """Translate `bitstream` in the current directory.

    :raises fpga_nova.errors.ProgrammingFailed: with the tool's own words
    """
    configuration = pathlib.Path(BITSTREAM).read_bytes()
    # Without the comment before it: iceunpack copies a comment into its text unchanged, statements and all.
    stream = configuration[max(configuration.find(PREAMBLE), 0) :]
    pathlib.Path("stream").write_bytes(stream)
    _run(["iceunpack", "stream", "fabric.asc"])
    bits = asc_parser.parse(pathlib.Path("fabric.asc").read_text(encoding="latin-1"))
    fabric = netlist_extractor.extract(bits, BOARDS[board_name])
    pathlib.Path("fabric.c").write_text(c_emitter.emit(fabric, configuration), encoding="ascii")
    compiler = next((argv for argv in COMPILERS if shutil.which(argv[0])), None)
    if compiler is None:
        raise errors.ProgrammingFailed("the soft FPGA needs a C compiler, tcc or gcc, and finds none")
    _run([*compiler, "-shared", "-nostdlib", "-nostdinc", "-o", FABRIC, "fabric.c"])


def _run(argv: list[str]) -> None:
    """Run a tool; it inherits this process's limits."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as exc:
        raise errors.ProgrammingFailed(f"{argv[0]} cannot be run: {exc.strerror}") from exc
    if done.returncode != 0:
        words = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        how = f"was ended by signal {-done.returncode}" if done.returncode < 0 else f"failed with {done.returncode}"
        raise errors.ProgrammingFailed(f"{argv[0]}: {words}" if words else f"{argv[0]} {how}")


def main() -> int:
    """Run as a process."""
    board_name, uid, gid = sys.argv[1:]
    try:
        # The steps that need this process's privileges come first: reading icestorm's tables and the board's pins.
        chip_database.icebox()
        BOARDS[board_name].pins()
        confinement.confine(confinement.Account(int(uid), int(gid)), LIMITS)
        translate(board_name)
    except (errors.FpgaError, OSError) as exc:
        print(errors.one_line(str(exc)), file=sys.stderr)
        return 1
    except (MemoryError, RecursionError):
        print("the soft FPGA cannot run this bitstream: decoding it takes too much memory", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
