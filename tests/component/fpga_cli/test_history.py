# SPDX-License-Identifier: Apache-2.0
"""The audit log after a kill, under concurrent writers, and at a size that memory must not follow."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid

from fpga_nova.regions import audit_log
from tests.support import ROOT


def history(host, *arguments):
    return json.loads(host.cli("history", "-f", "json", *arguments))


def log(host):
    return host.state_path / audit_log.FILE


def test_wipe_of_a_region_that_a_killed_burn_left_is_logged(host, core_archive):
    host.cli("status")
    host.fault("program", "kill-after")
    owner = str(uuid.uuid4())
    host.cli("burn", "--owner", owner, "--file", core_archive, code=-9)
    host.cli("list")
    cleared = history(host)[0]
    assert (cleared["command"], cleared["owner"], cleared["core"]) == ("recover", owner, "core")
    assert cleared["steps"] == ["programming", "dirty", "erasing", "free"]


def test_lines_written_at_once_are_whole(tmp_path):
    script = (
        "import pathlib, sys; from fpga_nova.regions import audit_log as audit\n"
        "for number in range(200): audit.append(pathlib.Path(sys.argv[1]),"
        " [audit.Entry(pid=number, error=sys.argv[2] * 3000)])"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path), letter], cwd=ROOT) for letter in "abcd"]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    entries = list(audit_log.read(tmp_path))
    assert len(entries) == 800
    assert {(entry.pid, entry.error[:1]) for entry in entries} == {(n, letter) for n in range(200) for letter in "abcd"}


def test_large_log_is_read_in_little_memory(tmp_path):
    line = json.dumps({**dict.fromkeys(audit_log.KEYS), "region_id": "a", "error": "x" * 400}) + "\n"
    with (tmp_path / audit_log.FILE).open("w") as file:
        for _ in range(50):
            file.write(line * 1000)
        file.write(line.replace('"a"', '"b"'))
    script = (
        "import pathlib, resource, sys; from fpga_nova.regions import audit_log as audit\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert sum(1 for _ in audit.read(pathlib.Path(sys.argv[1]))) == 50001\n"
        "assert next(audit.read(pathlib.Path(sys.argv[1]))).region_id == 'b'\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert int(done.stdout) * 1024 < 8 << 20 < (tmp_path / audit_log.FILE).stat().st_size, done.stderr
