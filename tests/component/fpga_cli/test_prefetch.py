# SPDX-License-Identifier: Apache-2.0
"""A burn of a cached core writes its bytes into the card and little besides, by the kernel's count."""

from __future__ import annotations

import os
import pathlib
import random

from tests.support.archives import manifest_data, write_archive
from tests.support.image_server import IMAGE

SIZE = 8 << 20

#: Bytes for the region store, the audit log, and what an interpreter writes.
LITTLE = 1 << 20


def written(host, *arguments) -> tuple[int, str]:
    """Run fpga-cli; return how many bytes it wrote, to files, pipes and sockets alike, and what it printed."""
    process = host.start(*arguments)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, but its account is still open: proc(5), io
    account = dict(line.split(": ") for line in pathlib.Path(f"/proc/{process.pid}/io").read_text().splitlines())
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return int(account["wchar"]), out.strip()


def test_cached_bitstream_is_not_copied(host, glance, tmp_path):
    bitstream = random.Random(1).randbytes(SIZE)
    glance.store(write_archive(tmp_path / "large.zip", manifest_data(bitstream), x_bin=bitstream).read_bytes())
    first, region = written(host, "burn", IMAGE)
    assert first > 3 * SIZE  # fetched, unpacked, programmed
    host.cli("erase", region)
    glance.served = 0
    again, _ = written(host, "burn", IMAGE)
    assert SIZE <= again < SIZE + LITTLE
    assert glance.served == 0
    assert (host.path / "run/sim/a/0").read_bytes() == bitstream
