# SPDX-License-Identifier: Apache-2.0
"""The audit log has what was done, cannot be forged by what it quotes, and never fails what succeeded."""

from __future__ import annotations

import json
import os
import pathlib
import stat
import uuid

import pytest

from fpga_nova.regions import audit_log
from tests.support.archives import manifest_data


def history(host, *arguments):
    return json.loads(host.cli("history", "-f", "json", *arguments))


def log(host):
    return host.state_path / audit_log.FILE


def test_entries_have_caller_region_and_result(host, core_archive):
    owner = str(uuid.uuid4())
    region = host.cli("burn", "--owner", owner, "--file", core_archive).strip()
    host.cli("erase", "--owner", owner)
    erase, burn, *first = history(host)
    sha256 = manifest_data()["bitstreams"][0]["sha256"]
    parent = pathlib.Path(f"/proc/{os.getppid()}/cmdline").read_text().split("\0")[0]
    for entry in (erase, burn):
        assert entry["region_id"] == region and entry["card_id"] == "sim:a"
        assert (entry["owner"], entry["core"], entry["bitstream_sha256"]) == (owner, "core", sha256)
        assert (entry["exit_code"], entry["error"]) == (0, None)
        assert entry["uid"] == os.getuid() and entry["pid"] > 0 and 0 < entry["seconds"] < 60
        assert parent and entry["parent"].startswith(parent)
    assert (burn["command"], burn["archive"]) == ("burn", str(core_archive))
    assert burn["steps"] == ["free", "programming", "programmed"]
    assert (erase["command"], erase["steps"]) == ("erase", ["programmed", "erasing", "free"])
    assert [entry["command"] for entry in first] == ["recover"] * 3  # seen for the first time, so wiped
    assert history(host, region) == [entry for entry in (erase, burn, *first) if entry["region_id"] == region]
    assert history(host, "--limit", "1") == [erase]


def test_failures_are_logged_with_code_and_reason(host, core_archive, tmp_path):
    host.cli("status")
    host.fault("program", "fail CRC error")
    host.cli("burn", "--file", core_archive, code=69)
    host.cli("burn", "--file", tmp_path / "none.zip", code=66)
    host.cli("erase", "none", code=33)
    unknown, missing, failed, *_ = history(host)
    assert (failed["exit_code"], failed["error"]) == (69, "CRC error")
    assert failed["steps"] == ["free", "programming", "dirty", "erasing", "free"]
    assert missing["exit_code"] == 66 and missing["region_id"] is None and "none.zip" in missing["error"]
    assert (unknown["exit_code"], unknown["region_id"]) == (33, "none")


def test_reading_commands_write_no_entry(host):
    host.cli("status")
    before = log(host).read_bytes()
    for command in (["status"], ["list"], ["history"], ["metrics"]):
        host.cli(*command)
    assert log(host).read_bytes() == before


def test_quoted_text_cannot_begin_a_line(host, core_archive):
    forged = json.dumps(dict.fromkeys(audit_log.KEYS, "forged"))
    words = f"x\n{forged}\r\n\x1b[2J\u2028\x85{forged}"
    region = host.cli("burn", "--file", core_archive).strip()
    host.fault("verify", f"fail {words}")
    host.cli("erase", f"none\n{words}", code=33)
    host.cli("quarantine", region, "--reason", words)
    host.fault("erase", f"fail {words}")
    host.cli("release", region, code=31)
    raw = log(host).read_bytes()
    assert raw.endswith(b"\n") and all(0x20 <= byte < 0x7F for byte in raw.replace(b"\n", b""))
    entries = history(host)
    assert len(raw.splitlines()) == len(entries) == 7
    assert {entry["command"] for entry in entries} == {"release", "quarantine", "erase", "burn", "recover"}


def test_log_and_counters_are_private(host):
    old = os.umask(0)
    try:
        host.cli("status")
    finally:
        os.umask(old)
    for name in ("audit.log", "counters.sqlite"):
        assert stat.S_IMODE((host.state_path / name).stat().st_mode) == 0o600


def test_unwritable_log_is_a_warning(host, core_archive):
    host.cli("status")
    log(host).unlink()
    log(host).symlink_to("/etc/passwd")  # not followed
    (host.state_path / "counters.sqlite").write_bytes(b"junk" * 2048)
    for path in host.state_path.glob("counters.sqlite-*"):
        path.unlink()
    code, out, err = host.run("burn", "--file", core_archive)
    assert code == 0 and len(out) == 37
    assert err.count("\n") == 2
    assert "Warning: audit log" in err and "Warning: counters" in err
    assert host.cli("status") == "Used regions: 1/3\n"
    assert "cannot be read" in host.cli("metrics", code=1)


def test_torn_line_spoils_only_itself(host, core_archive):
    """A full disk cuts a line; the next one is whole."""
    host.cli("status")
    with log(host).open("ab") as file:
        file.write(b'{"time": "20')
    region = host.cli("burn", "--file", core_archive).strip()
    burn, torn, *rest = history(host)
    assert burn["region_id"] == region and burn["command"] == "burn"
    assert torn["command"] is None and "a damaged line" in torn["error"]
    assert len(rest) == 3


def test_rotated_logs_are_read(host, core_archive):
    region = host.cli("burn", "--file", core_archive).strip()
    log(host).rename(host.state_path / "audit.log.1")
    assert [entry["command"] for entry in history(host, region)] == ["burn", "recover"]
    host.cli("erase", region)
    assert [entry["command"] for entry in history(host, region)] == ["erase", "burn", "recover"]


def test_full_disk_raises(tmp_path):
    """/dev/full takes nothing: what a full disk does to a write."""
    (tmp_path / audit_log.FILE).symlink_to("/dev/full")
    with pytest.raises(OSError):
        audit_log.append(tmp_path, [audit_log.Entry()])


def test_very_long_line_is_read_as_damaged(tmp_path):
    (tmp_path / audit_log.FILE).write_bytes(b'{"time"' + b"x" * (8 << 20) + b"\n" + b'{"command": "burn"}\n')
    first, second = audit_log.read(tmp_path)
    assert first.command == "burn"
    assert "a damaged line" in second.error
