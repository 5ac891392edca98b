# SPDX-License-Identifier: Apache-2.0
"""Metrics as Prometheus's own parser reads them, and as its conventions want them."""

from __future__ import annotations

import os
import re
import stat
import threading

from fpga_nova.regions import counters
from tests.support.metrics import families, values

# https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
SAMPLE = re.compile(r'[a-z][a-z0-9_]*(\{([a-z_]+="([^"\\\n]|\\[\\"n])*"(,|(?=\})))*\})? (NaN|[+-]?(Inf|[0-9.e+-]+))')


def test_metrics_count_regions_cards_and_operations(host, core_archive):
    region = host.cli("burn", "--file", core_archive).strip()
    host.cli("burn", "--file", core_archive)
    host.cli("burn", "--file", core_archive, code=65)
    host.cli("erase", region)
    (host.state_path / "sim" / "b").rename(host.path / "b")
    text = host.cli("metrics")
    found = families(text)
    regions = values(found["fpga_nova_regions"])
    assert sum(regions.values()) == 3
    assert regions[("board", "board1"), ("state", "programmed"), ("vendor", "sim")] == 1
    assert regions[("board", "board1"), ("state", "quarantined"), ("vendor", "sim")] == 0
    cards = values(found["fpga_nova_card_present"])
    assert {dict(labels)["card"]: value for labels, value in cards.items()} == {"sim:a": 1, "sim:b": 0}
    done = values(found["fpga_nova_operations"], "_total")
    assert done == {
        (("exit_code", "0"), ("operation", "burn")): 2,
        (("exit_code", "65"), ("operation", "burn")): 1,
        (("exit_code", "0"), ("operation", "erase")): 1,
        (("exit_code", "0"), ("operation", "recover")): 3,
    }
    took = found["fpga_nova_operation_duration_seconds"]
    assert values(took, "_count")[(("operation", "burn"),)] == 3
    assert 0 < values(took, "_sum")[(("operation", "burn"),)] < 60
    buckets = [s.value for s in took.samples if s.name.endswith("_bucket") and s.labels["operation"] == "burn"]
    assert buckets == sorted(buckets) and buckets[-1] == 3 and len(buckets) == len(counters.BOUNDS)


def test_metrics_follow_the_text_format(host):
    text = host.cli("metrics")
    said = {}
    for line in text.splitlines():
        if line.startswith("#"):
            _, kind, name, _ = line.split(" ", 3)
            said.setdefault(name, []).append(kind)
        else:
            assert SAMPLE.fullmatch(line), line
            name = re.sub(r"_(bucket|sum|count)$", "", re.split(r"[{ ]", line)[0])
            assert said[name] == ["HELP", "TYPE"]
    assert text.endswith("\n") and all(name.startswith("fpga_nova_") for name in said)


def test_metrics_file_is_replaced_whole_and_readable_for_all(host, tmp_path):
    path = tmp_path / "collector" / "fpga.prom"
    assert "cannot be written" in host.cli("metrics", "--output", path, code=1)
    path.parent.mkdir()
    old = os.umask(0o077)
    try:
        assert host.cli("metrics", "--output", path) == ""
    finally:
        os.umask(old)
    inode = path.stat().st_ino
    with path.open() as reader:  # who reads the old one reads it to its end
        host.cli("metrics", "--output", path)
        assert families(reader.read())
    assert path.stat().st_ino != inode
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in path.parent.iterdir()] == ["fpga.prom"]


def test_concurrent_counts_are_all_counted(tmp_path):
    def count():
        for _ in range(50):
            counters.add(tmp_path, [("burn", 0, 0.3), ("burn", 65, 1e9)])

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters.operations(tmp_path) == [("burn", 0, 200), ("burn", 65, 200)]
    counts, seconds = counters.durations(tmp_path)["burn"]
    assert counts == [0, 0] + [200] * (len(counters.BOUNDS) - 3) + [400]
    assert round(seconds) == 200 * 10**9 + 60
