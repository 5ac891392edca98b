# SPDX-License-Identifier: Apache-2.0
"""The cache gives what it was given or nothing, keeps its bound, and never drops what a region holds."""

from __future__ import annotations

import hashlib
import os
import stat

import pytest

from fpga_nova.ip_cores.bitstream_cache import Cache
from tests.support.archives import manifest_data


@pytest.fixture
def scratch(tmp_path):
    made = tmp_path / "scratch"
    made.mkdir()
    return made


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache", 100)


def put(cache, scratch, content, held=()):
    sha256 = hashlib.sha256(content).hexdigest()
    path = scratch / sha256
    path.write_bytes(content)
    with cache.locked():
        cache.keep(sha256, path, {sha256, *held})
    path.unlink()
    return sha256


def test_kept_bitstream_can_be_taken(cache, scratch, tmp_path):
    sha256 = put(cache, scratch, b"bits")
    path = cache.take(sha256, scratch)
    assert path.read_bytes() == b"bits"
    assert path.parent == scratch
    assert cache.take(sha256, scratch) == path  # again, for another region
    assert cache.take(hashlib.sha256(b"other").hexdigest(), scratch) is None
    for place in (tmp_path / "cache").iterdir():
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        for kept in place.iterdir():
            assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_taken_bitstream_outlives_its_removal(cache, scratch):
    sha256 = put(cache, scratch, b"a" * 60)
    path = cache.take(sha256, scratch)
    put(cache, scratch, b"b" * 60)
    assert path.read_bytes() == b"a" * 60
    path.unlink()
    assert cache.take(sha256, scratch) is None


@pytest.mark.parametrize("content", [b"", b"bitz", b"bits and more"])
def test_damaged_bitstream_counts_as_missing(cache, scratch, tmp_path, content):
    sha256 = put(cache, scratch, b"bits")
    (tmp_path / "cache/bitstreams" / sha256).write_bytes(content)
    assert cache.take(sha256, scratch) is None
    assert not list((tmp_path / "cache/bitstreams").iterdir())
    assert not list(scratch.iterdir())
    assert put(cache, scratch, b"bits") == sha256
    assert cache.take(sha256, scratch)


def test_keeping_mends_what_is_damaged(cache, scratch, tmp_path):
    sha256 = put(cache, scratch, b"bits")
    (tmp_path / "cache/bitstreams" / sha256).write_bytes(b"")
    put(cache, scratch, b"bits")
    assert cache.take(sha256, scratch).read_bytes() == b"bits"


def test_least_recently_used_goes_first(cache, scratch, tmp_path):
    names = [put(cache, scratch, letter * 40) for letter in (b"a", b"b")]
    for age, name in enumerate(reversed(names)):
        os.utime(tmp_path / "cache/bitstreams" / name, ns=(age, age))
    cache.take(names[1], scratch).unlink()  # just used, although it was the oldest
    put(cache, scratch, b"c" * 40)
    assert cache.take(names[0], scratch) is None
    assert cache.take(names[1], scratch)


def test_held_bitstream_stays_beyond_the_bound(cache, scratch):
    held = put(cache, scratch, b"a" * 90)
    other = put(cache, scratch, b"b" * 90, held=[held])
    last = put(cache, scratch, b"c" * 90, held=[held])
    assert cache.take(held, scratch)
    assert cache.take(other, scratch) is None
    assert cache.take(last, scratch)


def test_manifests_by_the_hash_of_their_image(cache, tmp_path):
    import json

    cache.note("sha512:abc", json.dumps(manifest_data()).encode())
    assert cache.manifest("sha512:abc").name == "core"
    assert cache.manifest("sha512:abd") is None
    assert cache.manifest("sha256:abc") is None
    (kept,) = (tmp_path / "cache/manifests").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    assert cache.manifest("sha512:abc") is None
    assert not kept.exists()


def test_manifests_count(cache, scratch, tmp_path):
    import json

    cache.note("sha512:abc", json.dumps(manifest_data()).encode())
    assert sum(path.stat().st_size for path in (tmp_path / "cache/manifests").iterdir()) > 100
    put(cache, scratch, b"bits")
    assert cache.manifest("sha512:abc") is None
