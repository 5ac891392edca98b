# SPDX-License-Identifier: Apache-2.0
"""What a region lost, with the host's power or its server's life, is seen, stays its holder's, and is loaded again."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import uuid

import pytest

from tests.support.archives import manifest_data, write_archive
from tests.support.image_server import IMAGE


def reboot(host, card_keeps=False):
    """Do to the host what a restart does, as far as files can tell: no processes are there, nor what they had."""
    with contextlib.closing(sqlite3.connect(host.state_path / "regions.sqlite")) as connection, connection:
        changed = connection.execute("UPDATE meta SET value = ? WHERE key = 'boot_id'", (str(uuid.uuid4()),))
        assert changed.rowcount == 1
    if not card_keeps:
        shutil.rmtree(host.path / "run")


def lost(host):
    return [
        region["id"]
        for region in host.regions()
        if region["state"] == "programmed" and (region["error"] or "").startswith("lost: ")
    ]


def fails(host, *arguments):
    """Run a command that prints and fails with 1; return (stdout, stderr)."""
    code, out, err = host.run(*arguments)
    assert code == 1, out + err
    assert err.startswith("Error: ") and err.count("\n") == 1
    return out, err


@pytest.fixture
def held(host, core_archive):
    owner = str(uuid.uuid4())
    region = host.cli("burn", "--owner", owner, "--file", core_archive).strip()
    core_archive.unlink()
    return region, owner


def test_a_reboot_is_recognised_and_recovered(host, held):
    region, owner = held
    reboot(host)
    assert host.cli("status") == "Used regions: 1/3\n"
    assert lost(host) == [region]
    assert "programmed, lost" in host.cli("list")
    assert host.regions()[0]["owner"] == owner
    assert region in host.cli("recover")
    assert lost(host) == []
    assert (host.path / "run/sim/a/0").read_bytes() == b"bits"
    assert host.regions()[0]["owner"] == owner
    assert host.cli("recover") == ""
    host.cli("erase", "--owner", owner)
    assert host.cli("status") == "Used regions: 0/3\n"


def test_a_lost_region_is_not_given_away(host, held, tmp_path):
    region, owner = held
    reboot(host)
    other = write_archive(tmp_path / "other.zip")
    assert host.cli("burn", "--file", other).strip() != region
    host.cli("burn", "--file", other, code=65)
    host.cli("erase", "--owner", owner, region)
    assert host.cli("burn", "--file", other).strip() == region


def test_a_card_that_keeps_its_bits_over_a_reboot_lost_nothing(host, held):
    reboot(host, card_keeps=True)
    assert host.cli("status") == "Used regions: 1/3\n"
    assert lost(host) == []


def test_a_card_that_is_away_after_a_reboot(host, held):
    """Nobody knows what it holds; when it is back, it is asked."""
    region, _ = held
    reboot(host, card_keeps=True)
    (host.state_path / "sim/a").rename(host.path / "pulled")
    assert lost(host) == [region]
    out, _ = fails(host, "recover")
    assert "is not there" in out
    (host.path / "pulled").rename(host.state_path / "sim/a")
    assert lost(host) == [region]
    host.cli("recover")
    assert lost(host) == []


def test_a_card_that_was_away_is_asked_when_it_is_back(host, held):
    region, _ = held
    (host.state_path / "sim/a").rename(host.path / "pulled")
    host.cli("list")
    (host.path / "run/sim/a/0").write_bytes(b"what it starts with")
    (host.path / "pulled").rename(host.state_path / "sim/a")
    assert lost(host) == [region]


def test_quick_status_takes_the_long_way_once(host, held):
    from fpga_nova.regions import quick_status

    def quick():
        return quick_status.stored_count(str(host.state_path), [str(host.config_file)])

    assert quick() == (1, 3)
    reboot(host)
    assert quick() is None
    host.cli("status")
    assert quick() == (1, 3)


def test_what_cannot_be_loaded_again_stays_lost_and_says_why(host, held):
    region, _ = held
    reboot(host)
    host.fault("program", "fail no current")
    out, err = fails(host, "recover")
    assert region in out
    assert f"1 region(s) could not be loaded again: {region} is lost: no current" in err
    host.fault("program", None)
    host.cli("recover")
    assert lost(host) == []


def test_without_its_bitstream_it_says_what_to_do(host, held):
    region, _ = held
    reboot(host)
    shutil.rmtree(host.state_path / "cache")
    _, err = fails(host, "recover")
    assert f"came from a local archive: `fpga-cli erase {region}`, then burn it again" in err
    assert lost(host) == [region]
    host.cli("erase", region)
    assert host.states() == ["free"] * 3


def test_a_damaged_cached_bitstream_is_not_loaded(host, held):
    region, _ = held
    reboot(host)
    (kept,) = (host.state_path / "cache/bitstreams").iterdir()
    kept.write_bytes(b"bitz")
    fails(host, "recover")
    assert lost(host) == [region]
    assert not (host.path / "run/sim/a/0").exists()


def test_it_is_fetched_again_from_its_image(host, glance):
    host.cli("burn", IMAGE)
    reboot(host)
    shutil.rmtree(host.state_path / "cache")
    glance.requests.clear()
    host.cli("recover")
    assert [path for path in glance.requests if path.endswith("/file")]
    assert (host.path / "run/sim/a/0").read_bytes() == b"bits"
    reboot(host)
    glance.answer = (404, "gone")
    host.cli("recover")  # the cache has it again
    reboot(host)
    shutil.rmtree(host.state_path / "cache")
    _, err = fails(host, "recover")
    assert "is not found in Glance" in err and "when that is mended, `fpga-cli recover`, else `fpga-cli erase" in err


def test_a_cached_core_moves_no_image_data(host, glance):
    host.cli("burn", IMAGE)
    glance.requests.clear()
    host.cli("burn", IMAGE)
    assert glance.requests
    assert not [path for path in glance.requests if path.endswith("/file")]
    assert host.cli("status") == "Used regions: 2/3\n"


def test_a_cached_core_is_told_by_the_images_hash_alone(host, glance, tmp_path):
    """Not by what its owner wrote into the image's properties: that could name another's core."""
    host.cli("burn", IMAGE)
    mine = write_archive(tmp_path / "mine.zip", manifest_data(b"mine!"), x_bin=b"mine!")
    import hashlib

    glance.content = glance.sent = mine.read_bytes()
    glance.answer[1].update(
        size=len(glance.content),
        os_hash_value=hashlib.sha512(glance.content).hexdigest(),
        manifest=json.dumps(manifest_data()),
    )
    host.cli("burn", IMAGE)
    assert (host.path / "run/sim/a/1").read_bytes() == b"mine!"


def test_a_cached_core_whose_bits_are_gone_is_fetched(host, glance):
    host.cli("burn", IMAGE)
    shutil.rmtree(host.state_path / "cache/bitstreams")
    glance.requests.clear()
    host.cli("burn", IMAGE)
    assert [path for path in glance.requests if path.endswith("/file")]


def test_what_is_held_outlives_a_cache_of_no_size(host, core_archive):
    host.configure(bitstream_cache_size="0")
    region = host.cli("burn", "--file", core_archive).strip()
    reboot(host)
    host.cli("recover")
    assert lost(host) == []
    host.cli("erase", region)
    other = write_archive(core_archive, manifest_data(b"other"), x_bin=b"other")
    host.cli("burn", "--file", other)
    assert len(list((host.state_path / "cache/bitstreams").iterdir())) == 1
