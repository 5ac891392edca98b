# SPDX-License-Identifier: Apache-2.0
"""A region that lost its core, with the host's power or its server, is seen, keeps its owner, and is loaded again."""

from __future__ import annotations

import json
import shutil

from tests.support.archives import manifest_data, write_archive
from tests.support.image_server import IMAGE


def fails(host, *arguments):
    """Run a command that prints and fails with 1; return (stdout, stderr)."""
    code, out, err = host.run(*arguments)
    assert code == 1, out + err
    assert err.startswith("Error: ") and err.count("\n") == 1
    return out, err


def test_recover_after_a_restart_loads_the_region_again(host, held):
    region, owner = held
    host.reboot()
    assert host.cli("status") == "Used regions: 1/3\n"
    assert host.lost() == [region]
    assert "programmed, lost" in host.cli("list")
    assert host.regions()[0]["owner"] == owner
    assert region in host.cli("recover")
    assert host.lost() == []
    assert (host.path / "run/sim/a/0").read_bytes() == b"bits"
    assert host.regions()[0]["owner"] == owner
    assert host.cli("recover") == ""
    host.cli("erase", "--owner", owner)
    assert host.cli("status") == "Used regions: 0/3\n"


def test_lost_region_is_not_given_away(host, held, tmp_path):
    region, owner = held
    host.reboot()
    other = write_archive(tmp_path / "other.zip")
    assert host.cli("burn", "--file", other).strip() != region
    host.cli("burn", "--file", other, code=65)
    host.cli("erase", "--owner", owner, region)
    assert host.cli("burn", "--file", other).strip() == region


def test_card_that_keeps_its_bits_over_a_restart_lost_nothing(host, held):
    host.reboot(card_keeps=True)
    assert host.cli("status") == "Used regions: 1/3\n"
    assert host.lost() == []


def test_region_of_a_card_that_is_away_after_a_restart_is_lost(host, held):
    """Its content is not known; the card is asked when it is back."""
    region, _ = held
    host.reboot(card_keeps=True)
    (host.state_path / "sim/a").rename(host.path / "pulled")
    assert host.lost() == [region]
    out, _ = fails(host, "recover")
    assert "is not there" in out
    (host.path / "pulled").rename(host.state_path / "sim/a")
    assert host.lost() == [region]
    host.cli("recover")
    assert host.lost() == []


def test_card_is_asked_when_it_is_back(host, held):
    region, _ = held
    (host.state_path / "sim/a").rename(host.path / "pulled")
    host.cli("list")
    (host.path / "run/sim/a/0").write_bytes(b"what it starts with")
    (host.path / "pulled").rename(host.state_path / "sim/a")
    assert host.lost() == [region]


def test_quick_status_gives_up_once_after_a_restart(host, held):
    from fpga_nova.regions import quick_status

    def quick():
        return quick_status.stored_count(str(host.state_path), [str(host.config_file)])

    assert quick() == (1, 3)
    host.reboot()
    assert quick() is None
    host.cli("status")
    assert quick() == (1, 3)


def test_region_that_cannot_be_loaded_again_stays_lost_with_the_reason(host, held):
    region, _ = held
    host.reboot()
    host.fault("program", "fail no current")
    out, err = fails(host, "recover")
    assert region in out
    assert f"1 region(s) could not be loaded again: {region} is lost: no current" in err
    host.fault("program", None)
    host.cli("recover")
    assert host.lost() == []


def test_recover_without_the_bitstream_says_what_to_do(host, held):
    region, _ = held
    host.reboot()
    shutil.rmtree(host.state_path / "cache")
    _, err = fails(host, "recover")
    assert f"came from a local archive: `fpga-cli erase {region}`, then burn it again" in err
    assert host.lost() == [region]
    host.cli("erase", region)
    assert host.states() == ["free"] * 3


def test_damaged_cached_bitstream_is_not_loaded(host, held):
    region, _ = held
    host.reboot()
    (kept,) = (host.state_path / "cache/bitstreams").iterdir()
    kept.write_bytes(b"bitz")
    fails(host, "recover")
    assert host.lost() == [region]
    assert not (host.path / "run/sim/a/0").exists()


def test_recover_fetches_the_image_again(host, glance):
    host.cli("burn", IMAGE)
    host.reboot()
    shutil.rmtree(host.state_path / "cache")
    glance.requests.clear()
    host.cli("recover")
    assert [path for path in glance.requests if path.endswith("/file")]
    assert (host.path / "run/sim/a/0").read_bytes() == b"bits"
    host.reboot()
    glance.answer = (404, "gone")
    host.cli("recover")  # the cache has it again
    host.reboot()
    shutil.rmtree(host.state_path / "cache")
    _, err = fails(host, "recover")
    assert "is not found in Glance" in err and "when that is mended, `fpga-cli recover`, else `fpga-cli erase" in err


def test_burn_of_a_cached_core_fetches_no_image_data(host, glance):
    host.cli("burn", IMAGE)
    glance.requests.clear()
    host.cli("burn", IMAGE)
    assert glance.requests
    assert not [path for path in glance.requests if path.endswith("/file")]
    assert host.cli("status") == "Used regions: 2/3\n"


def test_cached_core_is_found_by_the_hash_of_the_image_alone(host, glance, tmp_path):
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


def test_image_is_fetched_if_its_cached_bitstream_is_gone(host, glance):
    host.cli("burn", IMAGE)
    shutil.rmtree(host.state_path / "cache/bitstreams")
    glance.requests.clear()
    host.cli("burn", IMAGE)
    assert [path for path in glance.requests if path.endswith("/file")]


def test_held_bitstream_outlives_a_cache_of_no_size(host, core_archive):
    host.configure(bitstream_cache_size="0")
    region = host.cli("burn", "--file", core_archive).strip()
    host.reboot()
    host.cli("recover")
    assert host.lost() == []
    host.cli("erase", region)
    other = write_archive(core_archive, manifest_data(b"other"), x_bin=b"other")
    host.cli("burn", "--file", other)
    assert len(list((host.state_path / "cache/bitstreams").iterdir())) == 1
