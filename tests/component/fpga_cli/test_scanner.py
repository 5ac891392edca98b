# SPDX-License-Identifier: Apache-2.0
"""The operator's scanner, an executable of its own, refuses bitstreams before a region is claimed."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time

import pytest

from tests.support.archives import FUNCTION_ID
from tests.support.image_server import IMAGE
from tests.support.in_process import InProcessHost
from tests.support.policies import OWNER, PROJECT, allow_list, refused


@pytest.fixture
def host(tmp_path):
    """A host whose fpga-cli runs in this process; its scanner is a process."""
    made = InProcessHost(tmp_path)
    made.configure()
    return made


@pytest.fixture
def certificates(host):
    path = host.path / "certificates"
    path.mkdir(mode=0o700)
    return path


def test_cached_core_is_scanned_again(host, glance, scanner):
    host.configure_glance(glance)
    host.cli("erase", host.cli("burn", IMAGE).strip())
    host.configure_glance(glance, **scanner("echo not today; exit 1"))
    assert "not today" in refused(host, IMAGE)
    assert glance.downloads() == 1


def nothing_kept(host) -> bool:
    return not list((host.state_path / "cache/bitstreams").iterdir())


def test_prefetch_is_scanned(host, glance, scanner):
    seen = host.path / "seen"
    host.configure_glance(glance, **scanner(f'echo "<$FPGA_PROJECT>" > {seen}; echo a ring oscillator; exit 1'))
    assert "a ring oscillator" in host.cli("prefetch", IMAGE, code=68)
    assert seen.read_text() == "<>\n"
    assert nothing_kept(host)


def tightened(host, glance, certificates, scanner) -> dict:
    """Return options that each refuse the core that was prefetched without them."""
    return {
        "no rule of": allow_list(host, {"vendor": ["lattice"]}),
        "is not signed": {"signature_certificates": certificates, "require_signature": "always"},
        "not today": scanner("echo not today; exit 1"),
    }


def test_prefetched_core_is_judged_by_the_options_of_the_burn(host, glance, certificates, scanner):
    host.cli("prefetch", IMAGE)
    for words, policy in tightened(host, glance, certificates, scanner).items():
        host.configure_glance(glance, **policy)
        assert words in refused(host, IMAGE)
    host.configure_glance(glance)
    host.cli("burn", IMAGE)
    assert glance.downloads() == 1  # each judged the bitstream in the cache


@pytest.fixture
def scanner(host):
    """Return a function that writes a scanner in shell; it returns the option that names it."""

    def scanner(text: str, mode: int = 0o755) -> dict:
        path = host.path / "scan"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(mode)
        return {"scan_command": path}

    return scanner


def test_scanner_gets_the_bitstream_and_its_origin(host, glance, scanner):
    seen = host.path / "seen"
    glance.answer[1]["owner"] = OWNER
    host.configure_glance(glance, **scanner(f"exec > {seen}; cat \"$1\"; echo; env | grep '^FPGA_' | LC_ALL=C sort"))
    host.cli("burn", "--project", PROJECT, IMAGE)
    sha256 = hashlib.sha256(b"bits").hexdigest()
    assert seen.read_text().splitlines() == [
        "bits",
        "FPGA_BOARD=board1",
        "FPGA_FILE=x.bin",
        f"FPGA_FUNCTION_ID={FUNCTION_ID}",
        "FPGA_FUNCTION_TYPE=test",
        f"FPGA_IMAGE_ID={IMAGE}",
        f"FPGA_IMAGE_OWNER={OWNER}",
        "FPGA_INTERFACE_ID=",
        "FPGA_NAME=core",
        f"FPGA_PROJECT={PROJECT}",
        "FPGA_REGION_TYPE=stream",
        f"FPGA_SHA256={sha256}",
        "FPGA_VENDOR=sim",
        "FPGA_VERSION=1.0",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo 'it has a ring oscillator' >&2; exit 1", "scan refuses x.bin of IP core 'core': it has a ring osc"),
        ("echo no; exit 99", "scan refuses x.bin of IP core 'core': no"),
        ("exit 3", "scan refuses x.bin of IP core 'core': exit 3, without output"),
        ("printf 'Error: a\\nError: b\\033[2J'; exit 1", "core 'core': Error: a Error: b\n"),
        ("kill -9 $$", "was killed by signal 9"),
    ],
)
def test_refusal_repeats_the_scanners_message(host, core_archive, scanner, text, said):
    host.configure(**scanner(text))
    assert said in refused(host, "--file", core_archive)


def test_scanner_that_hangs_is_killed(host, core_archive, scanner):
    pid = host.path / "pid"
    host.configure(scan_timeout=1, **scanner(f"echo $$ > {pid}; exec sleep 60"))
    begun = time.monotonic()
    assert "did not end within 1 s and was killed" in refused(host, "--file", core_archive)
    assert time.monotonic() - begun < 20
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_scanner_runs_before_a_region_is_claimed(host, core_archive, scanner):
    """The scanner copies the store as it finds it."""
    seen = host.path / "seen"
    host.configure(**scanner(f"cp {host.state_path}/regions.sqlite* {host.path}; touch {seen}"))
    host.cli("burn", "--file", core_archive)
    assert seen.exists()
    with sqlite3.connect(host.path / "regions.sqlite") as store:
        assert {state for (state,) in store.execute("SELECT state FROM regions")} == {"free"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scan_command": "scan"}, "'scan' is not an absolute path"),
        ({"scan_command": "/nowhere/scan"}, "no executable '/nowhere/scan'"),
    ],
)
def test_scanner_that_cannot_be_run_is_named(host, core_archive, options, said):
    host.configure(**options)
    assert said in refused(host, "--file", core_archive, code=1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must not run what others may change")
def test_scanner_that_others_may_change_is_not_run(host, core_archive, scanner):
    host.configure(**scanner("exit 0", mode=0o777))
    assert "can be changed by others than root" in refused(host, "--file", core_archive, code=1)
