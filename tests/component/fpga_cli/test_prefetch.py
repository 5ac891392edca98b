# SPDX-License-Identifier: Apache-2.0
"""What was prefetched is burned without a byte of image data moved."""

from __future__ import annotations

import json
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


def data_requests(glance):
    return [path for path in glance.requests if path.endswith("/file")]


def test_a_prefetched_core(host, glance):
    (brought,) = json.loads(host.cli("prefetch", IMAGE, "-f", "json"))
    assert brought["sha256"] == manifest_data()["bitstreams"][0]["sha256"]
    assert len(data_requests(glance)) == 1
    assert host.cli("status") == "Used regions: 0/3\n"
    host.cli("prefetch", IMAGE)
    host.cli("burn", IMAGE)
    assert len(data_requests(glance)) == 1
    assert (host.path / "run/sim/a/0").read_bytes() == b"bits"


def test_what_is_cached_is_not_copied_either(host, glance, tmp_path):
    """Bytes that fpga-cli writes, by the kernel's count: what goes into the card, and little besides."""
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


def test_also_while_all_regions_are_used(host, glance, core_archive):
    for _ in range(2):
        host.cli("burn", "--file", core_archive)
    host.cli("burn", IMAGE, code=65)
    assert host.cli("prefetch", IMAGE, "-f", "value", "-c", "board") == "board1\n"


def test_what_fits_no_region_is_not_brought(host, glance):
    host.config_file.write_text(host.config_file.read_text().replace(":board1:", ":board9:"))
    assert "no matching hardware" in host.cli("prefetch", IMAGE, code=64)
    assert not list((host.state_path / "cache/bitstreams").iterdir())
