# SPDX-License-Identifier: Apache-2.0
"""The targets of the fuzzers: each takes any bytes, and lets nothing out but what its contract names.

A target checks more than that nothing crashes: what it says about good seeds, how much it reads, where it writes.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import dataclasses
import functools
import hashlib
import io
import json
import pathlib
import random
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from typing import Callable

import atheris

from fpga_nova import errors, formats
from fpga_nova.formats import window
from fpga_nova.ip_cores import archive, manifest, policy, signatures
from tests.support import bitstreams, signing

#: Most bytes of an archive here; small, so that a bomb shows as a breach of the memory limit or the time limit.
MAX_ARCHIVE = 1 << 20

#: No header's reader takes more of a file than this, see tests/unit/formats/test_formats.py.
MAX_HEADER_READ = (1 << 18) + 2 * window.HEAD_SIZE


@dataclasses.dataclass(frozen=True)
class Target:
    """A reader to fuzz.

    :param run: takes an input, and returns whether it was accepted; whatever it raises is a finding
    :param seeds: good inputs and known bad ones to start from
    :param words: what an input of this kind is made of, for the mutator's dictionary
    """

    run: Callable[[bytes], bool]
    seeds: Callable[[], Iterator[bytes]]
    words: tuple[bytes, ...] = ()


def _header(name: str, data: bytes) -> bool:
    for read in (formats.FORMATS[name].read, formats.identify):
        file = bitstreams.Meter(data)
        try:
            header = read(file)
        except errors.ArchiveInvalid:
            header = None
        if header is not None and not 0 <= header.payload_size <= len(data):
            raise AssertionError(f"payload of {header.payload_size} bytes in a file of {len(data)}")
        if file.total > MAX_HEADER_READ or file.largest > window.MAX_READ:
            raise AssertionError(f"{file.total} bytes read, {file.largest} at once")
    return header is not None


def _ice40_seeds() -> Iterator[bytes]:
    yield bitstreams.ice40()
    yield bitstreams.ice40(comment=None, size=(332, 144))
    yield bitstreams.ice40(crc=b"\x22\0\0")
    yield bitstreams.ice40(end=b"\x01\x05\x01\x06")


def _xilinx_bit_seeds() -> Iterator[bytes]:
    yield bitstreams.xilinx_bit()
    yield bitstreams.xilinx_bit(a=b"top.ncd;UserID=0XFFFFFFFF", data=b"\xff" * 16 + bytes.fromhex("aa995566"))


def _xclbin_seeds() -> Iterator[bytes]:
    yield bitstreams.xclbin()
    yield bitstreams.xclbin([(0, b"raw"), (20, bitstreams.PARTITION)], interface_id=b"0123456789abcdef")
    yield bitstreams.xclbin([(18, b"pdi")], build_id=bytes(16), time=0)
    yield bitstreams.xclbin([(0, b""), (20, b""), (8, b"layout")], extents={0: (1 << 60, 0), 1: (1 << 60, 0)})


def _gbs_seeds() -> Iterator[bytes]:
    yield bitstreams.gbs()
    yield bitstreams.gbs(bitstreams.gbs_metadata(accelerator_clusters=[]))


def _rbf_seeds() -> Iterator[bytes]:
    for family in ("agilex", "arria10", "arria10 core", "cyclone4", "cyclone5"):
        yield bitstreams.rbf(family)


def _manifest(data: bytes) -> bool:
    try:
        parsed = manifest.parse(data)
    except errors.ArchiveInvalid:
        return False
    for entry in (*parsed.bitstreams, *parsed.files):
        path = pathlib.PurePosixPath(entry.file)
        if path.is_absolute() or ".." in path.parts:
            raise AssertionError(f"the manifest names {entry.file!r}, a file outside of its archive")
    return True


def _manifest_data(**files: bytes) -> dict:
    return {
        "manifest_version": 1,
        "name": "core",
        "version": "1.0",
        "vendor": "sim",
        "description": "a core",
        "function": {"type": "test", "id": bitstreams.FUNCTION_ID},
        "bitstreams": [
            {
                "file": name,
                "sha256": hashlib.sha256(content).hexdigest(),
                "size": len(content),
                "board": "board1",
                "region_type": "stream",
                "interface_id": bitstreams.INTERFACE_ID,
            }
            for name, content in files.items()
        ],
    }


def _manifest_seeds() -> Iterator[bytes]:
    data = _manifest_data(**{"x.bin": b"bits"})
    yield json.dumps(data).encode()
    yield json.dumps({**data, "files": [{"file": "doc/a", "sha256": "0" * 64, "size": 0}]}, indent=1).encode()
    yield json.dumps({**data, "bitstreams": []}).encode()


def _archive(data: bytes) -> bool:
    """Open, verify and unpack; what is unpacked is what the manifest says, and a failure leaves nothing."""
    try:
        opened = archive.Archive(bitstreams.Meter(data), MAX_ARCHIVE)
    except errors.ArchiveInvalid:
        return False
    try:
        opened.verify()
        sound = True
    except errors.ArchiveInvalid:
        sound = False
    directory = pathlib.Path(tempfile.mkdtemp(prefix="fuzz-", dir=_scratch()))
    try:
        entries = {entry.sha256: entry for entry in (*opened.manifest.bitstreams, *opened.manifest.files)}
        unpacked = set()
        for entry in entries.values():
            try:
                path = opened.unpack(entry, directory)
            except errors.ArchiveInvalid:
                if sound:
                    raise AssertionError(f"{entry.file} is verified and cannot be unpacked") from None
                continue
            unpacked.add(path.name)
            if hashlib.sha256(path.read_bytes()).hexdigest() != entry.sha256:
                raise AssertionError(f"{entry.file} is not what was unpacked")
        if {path.name for path in directory.iterdir()} != unpacked:
            raise AssertionError("unpacking left something behind")
    finally:
        shutil.rmtree(directory)
    return sound


@functools.cache
def _scratch() -> str | None:
    # Memory where there is such a file system: a disk would be all that is measured.
    return "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None


def _archive_seeds() -> Iterator[bytes]:
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", compression) as made:
            made.writestr("manifest.json", json.dumps(_manifest_data(**{"x.bin": b"bits" * 20, "y/z.bin": b"z"})))
            made.writestr("x.bin", b"bits" * 20)
            made.writestr("y/", b"")
            made.writestr("y/z.bin", b"z")
        yield file.getvalue()


# Good names stand several times, so that some archives are good altogether, and are unpacked.
_NAMES = (
    *("a.bin", "b.bin", "c.bin", "d.bin", "e.bin", "d/a.bin", "d/b.bin", "d/e/c.bin") * 3,
    *("../x.bin", "/x.bin", "d/", "x.bin/", "a\\b", "c:x", "", ".", "manifest.json"),
)
_MODES = (0, *(stat.S_IFREG | 0o644,) * 12, stat.S_IFLNK | 0o777, stat.S_IFDIR | 0o755, stat.S_IFIFO, stat.S_IFCHR)
_METHODS = (*(zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) * 6, zipfile.ZIP_BZIP2)


def _members(data: bytes) -> bool:
    """Make an archive from what the input chooses, and open it.

    Flipped bits in a zip mostly end at its first CRC; so here the zip is well-formed, and what it says is not.
    """
    choose = atheris.FuzzedDataProvider(data)
    file = io.BytesIO()
    files = {}
    with zipfile.ZipFile(file, "w") as made:
        for _ in range(choose.ConsumeIntInRange(0, 5)):
            name = choose.PickValueInList(list(_NAMES)) or choose.ConsumeUnicodeNoSurrogates(20)
            info = zipfile.ZipInfo(name.replace("\0", ""))
            info.compress_type = choose.PickValueInList(list(_METHODS))
            info.external_attr = choose.PickValueInList(list(_MODES)) << 16
            content = (choose.ConsumeBytes(40) or b"x") * choose.PickValueInList([1, 1, 1, 2000])
            made.writestr(info, content)
            files[info.filename] = content
        text = _manifest_data(**files)
        for entry in text["bitstreams"]:
            if choose.ConsumeProbability() < 0.1:
                key = choose.PickValueInList(sorted(entry))
                entry[key] = choose.PickValueInList([0, -1, 1 << 62, "", "x.bin", "0" * 64, None])
        made.writestr("manifest.json", json.dumps(text))
    made_bytes = bytearray(file.getvalue())
    for _ in range(choose.ConsumeIntInRange(0, 2)):
        made_bytes[choose.ConsumeIntInRange(0, len(made_bytes) - 1)] = choose.ConsumeIntInRange(0, 255)
    return _archive(bytes(made_bytes))


def _members_seeds() -> Iterator[bytes]:
    chance = random.Random(7)
    for _ in range(200):
        yield chance.randbytes(300)


#: A core for rules to look at.
_CORE = manifest.build(_manifest_data(**{"x.bin": b"bits"}), "a target's")
_PROJECT = "6f70656e737461636b20342065766572"


def _policy(data: bytes) -> bool:
    """Read a policy file, and ask it: it must answer, and answer alike whatever is known only later."""
    try:
        rules = policy.parse(data, "/etc/policy.yaml")
    except errors.ConfigurationInvalid:
        return False
    for core in (None, _CORE):
        with contextlib.suppress(errors.RefusedByPolicy):
            rules.check(policy.Subject(_PROJECT, None, core))
            # A core that one project may have passes before the project is known.
            rules.check(policy.Subject(policy.ANY_PROJECT, None, core))
    return True


def _policy_seeds() -> Iterator[bytes]:
    rule = {"project": [_PROJECT], "image_owner": [_PROJECT], "vendor": ["sim"], "function": ["test"]}
    yield json.dumps({"rules": [rule, {"vendor": ["lattice", "sim"]}]}).encode()
    yield b"rules:\n  - project: [6f70656e-7374-6163-6b20-342065766572]\n    vendor: [lattice]\n  - function: [test]\n"
    yield b"rules: &a\n  - vendor: &b [sim]\n  - vendor: *b\n"
    yield b"rules: []\nrules: []\n"


@functools.cache
def _signer() -> tuple[pathlib.Path, dict[str, str]]:
    """Return a directory of certificates, and the properties of an image that is well signed."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="fuzz-certificates-", dir=_scratch()))
    atexit.register(shutil.rmtree, directory)
    private = signing.key("ECC_SECP384R1")
    return directory, signing.sign(private, _DATA, signing.certify(directory, private), "ECC_SECP384R1", "SHA-512")


_DATA = b"an archive"


def _signature(data: bytes) -> bool:
    """Verify an image's signature, its properties one a line; only the one that was made for the data may be good."""
    directory, good = _signer()
    values = data.decode(errors="replace").split("\n")
    # One input serves everywhere though each run has a certificate of its own: these words stand for the good values.
    properties = {
        name: value.replace("GOOD", good[name]) for name, value in zip(signatures.PROPERTIES, values) if value
    }
    try:
        signature = signatures.Signature(properties, directory)
        signature.verify(hashlib.new(signature.hash_name, _DATA).digest())
    except errors.RefusedByPolicy:
        return False
    if not signatures.is_signed(properties):
        raise AssertionError("a signature is good, and there is none")
    if base64.b64decode(properties[signatures.SIGNATURE]) != base64.b64decode(good[signatures.SIGNATURE]):
        raise AssertionError("two signatures are good, and one was made")
    with contextlib.suppress(errors.RefusedByPolicy):
        signature.verify(hashlib.new(signature.hash_name, _DATA + b"!").digest())
        raise AssertionError("the signature is good for other data, too")
    return True


def _signature_seeds() -> Iterator[bytes]:
    yield b"GOOD\nGOOD\nGOOD\nGOOD"
    yield b"GO OD\nSHA-256\nRSA-PSS\n8d1f6e9c-63a5-4b3e-9b3f-5f0e6d1c2b7a"
    yield b"AAAA\nSHA-512\nECC_SECP384R1\nGOOD"


_JSON = (b'"', b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"-1", b"1e999", b"NaN", b"\\u0000", b"\\ud800")

TARGETS = {
    "archive": Target(_archive, _archive_seeds, (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\7", b"manifest.json", b"../")),
    "members": Target(_members, _members_seeds),
    "manifest": Target(
        _manifest, _manifest_seeds, (*_JSON, b'"files"', b'"bitstreams"', b'"interface_id"', b'"../x"', b'"size"')
    ),
    "policy": Target(
        _policy, _policy_seeds, (b"rules:", b"project:", b"vendor:", b"- ", b"&a ", b"*a", b"!!", b"<<: ")
    ),
    "signature": Target(
        _signature,
        _signature_seeds,
        (b"GOOD", b"SHA-256", b"SHA-512", b"RSA-PSS", b"DSA", b"ECC_SECP384R1", b"=", b"/"),
    ),
    "gbs": Target(
        functools.partial(_header, "gbs"), _gbs_seeds, (*_JSON, b'"magic-no"', b'"interface-uuid"', b'"afu-image"')
    ),
    "xilinx_bit": Target(
        functools.partial(_header, "xilinx_bit"),
        _xilinx_bit_seeds,
        (b";UserID=", b";FUNCTION=", b"\xaa\x99\x55\x66", b"\x30\x01\x80\x01", b"b\0", b"c\0", b"d\0", b"e\0"),
    ),
    "xclbin": Target(functools.partial(_header, "xclbin"), _xclbin_seeds, (b"interface_uuid\0", b"\xd0\x0d\xfe\xed")),
    "ice40": Target(
        functools.partial(_header, "ice40"),
        _ice40_seeds,
        (
            b"\x7e\xaa\x99\x7e",
            b"\x01\x01",
            b"\x01\x03",
            b"\x01\x05",
            b"\x01\x06",
            b"\x62\0\xb5",
            b"\x72\0\x50",
            b"\x22",
        ),
    ),
    "rbf": Target(functools.partial(_header, "rbf"), _rbf_seeds),
}
