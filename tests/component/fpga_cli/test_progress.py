# SPDX-License-Identifier: Apache-2.0
"""On a terminal fpga-cli shows that a card is at work; elsewhere it says nothing, and stdout stays the contract's."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios

from tests.support import ROOT, device_benches, xvc


def on_a_terminal(host, *arguments):
    """Run fpga-cli with stderr on a terminal; return its exit code, stdout, and what the terminal got."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    command = [sys.executable, "-m", "fpga_nova.fpga_cli", "--config-file", str(host.config_file), *map(str, arguments)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave, text=True
    )
    os.close(slave)
    shown = b""
    try:
        while select.select([master], [], [], 60)[0]:
            try:
                piece = os.read(master, 4096)
            except OSError:  # EIO: no process has the terminal open any more
                break
            if not piece:
                break
            shown += piece
    finally:
        os.close(master)
    out, _ = process.communicate(timeout=60)
    return process.returncode, out, shown.decode()


def test_programming(host, core_archive):
    host.cli("status")
    host.fault("program", "slow 2")
    code, out, shown = on_a_terminal(host, "burn", "--file", core_archive)
    assert code == 0 and re.fullmatch(r"[0-9a-f-]{36}\n", out)
    frames = [frame for frame in shown.split("\r") if frame.startswith("programming core: 00:0")]
    assert len(set(frames)) > 5 and any("00:01" in frame for frame in frames)
    assert shown.split("\r")[-1].strip() == ""  # the line is given back


def test_how_far_it_is_where_the_driver_can_tell(tmp_path):
    """The real openFPGALoader tells, at an emulated cable that is slow."""
    bench = device_benches.OpenFpgaLoaderBench(tmp_path)
    try:
        archive = bench.archive(bench.core(xvc.bitstream(0x12345678, bytes(range(256)) * 1200)))
        bench.host.cli("status")
        bench.cable.delay = 0.02
        code, _, shown = on_a_terminal(bench.host, "burn", "--file", archive)
    finally:
        bench.clean_up()
    assert code == 0
    told = [int(percent) for percent in re.findall(r"programming core: \d\d:\d\d +(\d+)%", shown)]
    assert told == sorted(told) and any(0 < percent < 100 for percent in told)
    assert re.search(r"programming core: \d\d:\d\d [^\d%]*\r", shown)  # before the first word of it


def test_error_stands_on_its_own_line(host, core_archive):
    host.cli("status")
    host.fault("program", "fail CRC error")
    code, out, shown = on_a_terminal(host, "burn", "--file", core_archive)
    assert (code, out) == (69, "")
    assert re.split(r"[\r\n]+", shown.strip())[-1].strip() == "Error: CRC error"


def test_nothing_where_nobody_looks_on(host, core_archive):
    process = host.start("burn", "--file", core_archive)
    _, err = process.communicate(timeout=60)
    assert err == ""
