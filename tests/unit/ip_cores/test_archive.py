# SPDX-License-Identifier: Apache-2.0
"""Archives: what is taken, and every way in which one can lie."""

from __future__ import annotations

import hashlib
import io
import json
import pathlib
import stat
import struct
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fpga_nova import errors
from fpga_nova.ip_cores import archive
from tests.support.archives import manifest_data, write_archive

LIMIT = 1 << 20


def opened(path: pathlib.Path, limit: int = LIMIT) -> archive.Archive:
    return archive.Archive(path.open("rb"), limit)


def refused(path: pathlib.Path, text: str, limit: int = LIMIT) -> None:
    with pytest.raises(errors.ArchiveInvalid, match=text):
        opened(path, limit)


def test_unpacks_what_the_manifest_names(tmp_path):
    core = opened(write_archive(tmp_path / "a.zip"))
    path = core.unpack(core.manifest.bitstreams[0], tmp_path)
    assert path.read_bytes() == b"bits"
    core.verify()


def test_pack_can_be_opened_and_is_reproducible(tmp_path):
    data = manifest_data(files=[{"file": "doc/readme.txt"}])
    del data["bitstreams"][0]["sha256"], data["bitstreams"][0]["size"]
    (tmp_path / "doc").mkdir()
    (tmp_path / "doc" / "readme.txt").write_text("hello")
    (tmp_path / "x.bin").write_bytes(b"b" * 3000000)
    (tmp_path / "core.json").write_text(json.dumps(data))
    manifest = archive.pack(tmp_path, tmp_path / "1.zip")
    archive.pack(tmp_path, tmp_path / "2.zip")
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    core = opened(tmp_path / "1.zip", 4 << 20)
    assert core.manifest == manifest
    assert manifest.bitstreams[0].sha256 == hashlib.sha256(b"b" * 3000000).hexdigest()
    core.verify()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.zip", "2.zip", "core.json", "doc", "x.bin"]


def test_pack_names_what_is_missing(tmp_path):
    with pytest.raises(errors.ArchiveInvalid, match=r"core\.json is not readable"):
        archive.pack(tmp_path, tmp_path / "1.zip")
    (tmp_path / "core.json").write_text(json.dumps(manifest_data()))
    with pytest.raises(errors.ArchiveInvalid, match=r"x\.bin: No such file"):
        archive.pack(tmp_path, tmp_path / "1.zip")
    assert not (tmp_path / "1.zip").exists()


def test_not_a_zip(tmp_path):
    path = tmp_path / "a.zip"
    for content in (b"", b"junk" * 100, b"PK\3\4" + b"\0" * 100):
        path.write_bytes(content)
        refused(path, "not a zip file")


def test_no_manifest(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("x.bin", b"bits")
    refused(tmp_path / "a.zip", r"no manifest\.json")


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"x_bin": b"bits", "extra_bin": b"?"}, "does not name: 'extra.bin'"),
        ({"y_bin": b"bits"}, "does not name: 'y.bin'"),
        ({"x_bin": b"bit"}, "has 3 bytes, manifest.json says 4"),
    ],
)
def test_files_and_manifest_agree(tmp_path, files, text):
    refused(write_archive(tmp_path / "a.zip", **files), text)


def test_missing_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("manifest.json", json.dumps(manifest_data()))
    refused(tmp_path / "a.zip", r"has no 'x\.bin'")


def test_wrong_bytes_are_not_unpacked(tmp_path):
    core = opened(write_archive(tmp_path / "a.zip", x_bin=b"stib"))
    with pytest.raises(errors.ArchiveInvalid, match="SHA-256"):
        core.unpack(core.manifest.bitstreams[0], tmp_path)
    with pytest.raises(errors.ArchiveInvalid, match="SHA-256"):
        core.verify()
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../x", "a/../../x", "a\\..\\x", "c:x", "a//b", "./a", "a\nb", "\x1b[0m", "n" * 300]
)
def test_names_that_climb_or_forge(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("manifest.json", json.dumps(manifest_data()))
        file.writestr(name, b"")
    refused(tmp_path / "a.zip", "outside its root|unusable name")


def test_links_and_devices(tmp_path):
    for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
            info = zipfile.ZipInfo("x.bin")
            info.external_attr = (kind | 0o777) << 16
            file.writestr("manifest.json", json.dumps(manifest_data()))
            file.writestr(info, b"/etc/shadow")
        refused(tmp_path / "a.zip", "not a regular file")


def test_duplicates(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("manifest.json", json.dumps(manifest_data()))
        file.writestr("x.bin", b"bits")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("x.bin", b"bits")
    refused(tmp_path / "a.zip", "twice")


def test_overlapping_entries(tmp_path):
    """Two directory entries over the same bytes: how small archives unpack to much."""
    path = write_archive(tmp_path / "a.zip")
    raw = bytearray(path.read_bytes())
    at = raw.rfind(b"PK\1\2")
    struct.pack_into("<L", raw, at + 42, 0)  # the last entry's offset of its local header
    path.write_bytes(raw)
    refused(path, "overlap")


def test_bombs(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("manifest.json", json.dumps(manifest_data(b"0" * 50000)))
        file.writestr("x.bin", b"0" * 50000)
    refused(path, "unpacks to 50[0-9]+ bytes, more than 50000", limit=50000)
    refused(path, "has [0-9]+ bytes, more than 100", limit=100)
    with zipfile.ZipFile(path, "w") as file:
        for number in range(archive.MAX_ENTRIES + 1):
            file.writestr(str(number), b"")
    refused(path, "257 entries")


def test_entry_larger_than_declared_is_refused(tmp_path):
    """The directory says 4 bytes; deflate gives more."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("manifest.json", json.dumps(manifest_data(b"bits")))
        file.writestr("x.bin", b"bits" * 1000)
    raw = bytearray(path.read_bytes())
    struct.pack_into("<L", raw, raw.rfind(b"PK\1\2") + 24, 4)
    path.write_bytes(raw)
    core = opened(path)
    with pytest.raises(errors.ArchiveInvalid):
        core.unpack(core.manifest.bitstreams[0], tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zip"]


def test_encrypted_and_odd_compression(tmp_path):
    path = write_archive(tmp_path / "a.zip")
    raw = bytearray(path.read_bytes())
    at = raw.rfind(b"PK\1\2")
    encrypted = bytearray(raw)
    encrypted[at + 8] |= 1
    path.write_bytes(encrypted)
    refused(path, "encrypted")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as file:
        file.writestr("manifest.json", json.dumps(manifest_data()))
    refused(path, "neither stored nor deflated")


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_cleanly(content):
    with pytest.raises(errors.ArchiveInvalid):
        archive.Archive(io.BytesIO(content), LIMIT)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(data=st.data())
def test_damaged_archive_is_refused_or_right(tmp_path, data):
    """Whatever a few changed bytes do, what is unpacked has the hash that the manifest says."""
    raw = bytearray(write_archive(tmp_path / "a.zip").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        core = archive.Archive(io.BytesIO(bytes(raw)), LIMIT)
        path = core.unpack(core.manifest.bitstreams[0], tmp_path)
    except errors.ArchiveInvalid:
        return
    content = path.read_bytes()
    path.unlink()
    assert hashlib.sha256(content).hexdigest() == core.manifest.bitstreams[0].sha256


def with_end_record(data: bytes, at: int, value: int) -> bytes:
    """Overwrite a 32-bit field of the end record."""
    end = data.rfind(b"PK\5\6") + at
    return data[:end] + struct.pack("<I", value) + data[end + 4 :]


@pytest.mark.parametrize("change", [1, 40, 1000000, 2**31])
def test_directory_that_moves_its_entries_before_the_file(tmp_path, change):
    # zipfile takes the difference for something put before the archive, and subtracts it from each entry's offset.
    path = write_archive(tmp_path / "a.zip")
    data = path.read_bytes()
    offset = struct.unpack_from("<I", data, data.rfind(b"PK\5\6") + 16)[0]
    path.write_bytes(with_end_record(data, 16, offset + change))
    refused(path, "begins outside of it")


def test_directory_larger_than_what_is_before_it(tmp_path):
    path = write_archive(tmp_path / "a.zip")
    data = path.read_bytes()
    path.write_bytes(with_end_record(data, 12, data.rfind(b"PK\5\6") + 1))
    refused(path, "the archive's directory begins outside of it")


@pytest.mark.parametrize("offset", [1 << 40, 1 << 62, (1 << 63) - 1])
def test_entry_beyond_what_the_file_system_can_hold(tmp_path, offset):
    path = write_archive(tmp_path / "a.zip")
    data = bytearray(path.read_bytes())
    entry = data.find(b"PK\1\2")
    name_length, extra_length = struct.unpack_from("<2H", data, entry + 28)
    extra = struct.pack("<2HQ", 1, 8, offset)  # APPNOTE 4.5.3: the offset that did not fit
    struct.pack_into("<H", data, entry + 30, extra_length + len(extra))
    struct.pack_into("<I", data, entry + 42, 0xFFFFFFFF)
    data[entry + 46 + name_length : entry + 46 + name_length] = extra
    size = struct.unpack_from("<I", data, data.rfind(b"PK\5\6") + 12)[0]
    path.write_bytes(with_end_record(bytes(data), 12, size + len(extra)))
    refused(path, "begins outside of it")
