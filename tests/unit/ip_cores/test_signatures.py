# SPDX-License-Identifier: Apache-2.0
"""Signatures with real keys: which are good, and every way in which one is not."""

from __future__ import annotations

import hashlib
import re
import shlex
import subprocess
import uuid

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from fpga_nova import errors
from fpga_nova.ip_cores import signatures
from tests.support import ROOT, signing

DATA = b"an archive" * 1000


def verify(properties: dict, directory, data: bytes = DATA) -> None:
    signature = signatures.Signature(properties, directory)
    signature.verify(hashlib.new(signature.hash_name, data).digest())


@pytest.fixture
def signed(tmp_path):
    """Return a function that signs DATA; further arguments change the properties."""

    def signed(key_type: str = "RSA-PSS", method: str = "SHA-256", bits: int = 2048, **dates) -> dict:
        private = signing.key(key_type, bits)
        return signing.sign(private, DATA, signing.certify(tmp_path, private, **dates), key_type, method)

    return signed


@pytest.mark.parametrize("method", ["SHA-256", "SHA-384", "SHA-512"])
@pytest.mark.parametrize("key_type", ["RSA-PSS", "DSA", "ECC_SECP384R1"])
def test_good(signed, tmp_path, key_type, method):
    properties = signed(key_type, method)
    verify(properties, tmp_path)
    with pytest.raises(errors.RefusedByPolicy, match="the data, or the key that signed them, is another"):
        verify(properties, tmp_path, DATA[:-1] + b"?")


def test_good_in_the_spelling_of_others(signed, tmp_path):
    properties = signed()
    text = properties["img_signature"]
    properties["img_signature"] = "\n".join(text[at : at + 76] for at in range(0, len(text), 76)) + "\n"  # base64(1)
    properties["img_signature_certificate_uuid"] = properties["img_signature_certificate_uuid"].upper()
    verify(properties, tmp_path)


@pytest.mark.parametrize("name", signatures.PROPERTIES)
def test_signature_without_a_property_is_refused(signed, tmp_path, name):
    properties = signed()
    del properties[name]
    assert signatures.is_signed(properties)
    with pytest.raises(errors.RefusedByPolicy, match=f"the image has no property {name}"):
        verify(properties, tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("img_signature", "n\u00f6", "is not base64"),
        ("img_signature", "a", "is not base64"),
        ("img_signature", "AAAA", "the data, or the key"),
        ("img_signature_hash_method", "MD5", "'MD5', not one of SHA-256, SHA-384, SHA-512"),
        ("img_signature_hash_method", "SHA-1", "'SHA-1', not one of"),
        ("img_signature_hash_method", "SHA-512", "the data, or the key"),
        ("img_signature_key_type", "RSA-PKCS1", "'RSA-PKCS1', certificate .* has a key for 'RSA-PSS'"),
        ("img_signature_key_type", "ECC_SECP384R1", "has a key for 'RSA-PSS'"),
        ("img_signature_certificate_uuid", "../../../tmp/evil", "which is not a UUID"),
        ("img_signature_certificate_uuid", "8c5f1d2e-7b3a-4e60-9f41-d2a6c0b7e593", "there is no certificate /"),
    ],
)
def test_signature_with_a_wrong_property_is_refused(signed, tmp_path, name, value, said):
    with pytest.raises(errors.RefusedByPolicy, match=said):
        verify({**signed(), name: value}, tmp_path)


def test_weak_hash_is_refused_despite_a_right_signature(signed, tmp_path):
    with pytest.raises(errors.RefusedByPolicy, match="'SHA-224', not one of"):
        verify(signed(method="SHA-224"), tmp_path)


@pytest.mark.parametrize(
    ("key_type", "bits"), [("RSA-PSS", 1024), ("DSA", 1024), ("ECC_SECP256R1", 256), ("ED25519", 256)]
)
def test_weak_or_unknown_key_is_refused(signed, tmp_path, key_type, bits):
    with pytest.raises(errors.RefusedByPolicy, match="too weak or not known"):
        verify(signed(key_type, bits=bits), tmp_path)


def test_another_key(signed, tmp_path):
    good = signed()
    stranger = signing.sign(signing.key("RSA-PSS", 3072), DATA, good["img_signature_certificate_uuid"])
    with pytest.raises(errors.RefusedByPolicy, match="the data, or the key that signed them, is another"):
        verify(stranger, tmp_path)


def test_another_padding(signed, tmp_path):
    """RSA as old tools sign: the key is right, the form is not Glance's."""
    properties = signed()
    old = signing.key("RSA-PSS").sign(DATA, padding.PKCS1v15(), hashes.SHA256())
    properties["img_signature"] = signing.base64.b64encode(old).decode()
    with pytest.raises(errors.RefusedByPolicy, match="the data, or the key"):
        verify(properties, tmp_path)


@pytest.mark.parametrize(("begin", "end"), [(-3, -1), (1, 3)])
def test_certificate_outside_its_dates_is_refused(signed, tmp_path, begin, end):
    with pytest.raises(errors.RefusedByPolicy, match=r"is valid from \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d only"):
        verify(signed(begin=begin, end=end), tmp_path)


def test_file_that_is_not_a_certificate_is_refused(signed, tmp_path):
    properties = signed()
    (tmp_path / f"{properties['img_signature_certificate_uuid']}.pem").write_text("hello")
    with pytest.raises(errors.ConfigurationInvalid, match="cannot be used"):
        verify(properties, tmp_path)


def test_certificate_that_others_may_write_is_not_trusted(signed, tmp_path):
    properties = signed()
    (tmp_path / f"{properties['img_signature_certificate_uuid']}.pem").chmod(0o666)
    with pytest.raises(errors.ConfigurationInvalid, match=r"signature_certificates: .* can be changed by others"):
        verify(properties, tmp_path)


def test_directory_that_others_may_write(signed, tmp_path):
    properties = signed()
    tmp_path.chmod(0o777)
    with pytest.raises(errors.ConfigurationInvalid, match="can be changed by others than root"):
        verify(properties, tmp_path)


def test_commands_of_the_manual_make_a_good_signature(tmp_path):
    """The commands of docs/operator/admission.rst, with the real openssl."""
    page = (ROOT / "docs" / "operator" / "admission.rst").read_text()
    commands = [shlex.split(text) for text in re.findall(r"\$ (openssl [^\n\\]*)", page)]
    assert [command[1] for command in commands] == ["req", "dgst"]
    (tmp_path / "lzo.zip").write_bytes(DATA)
    _make, sign = (subprocess.run(each, cwd=tmp_path, capture_output=True, check=True) for each in commands)
    certificate_id = str(uuid.uuid4())
    (tmp_path / "certificate.pem").rename(tmp_path / f"{certificate_id}.pem")
    properties = {
        "img_signature": signing.base64.b64encode(sign.stdout).decode(),
        "img_signature_hash_method": "SHA-512",
        "img_signature_key_type": "RSA-PSS",
        "img_signature_certificate_uuid": certificate_id,
    }
    verify(properties, tmp_path)


def test_missing_directory_is_refused(signed, tmp_path):
    with pytest.raises(errors.RefusedByPolicy, match="there is no certificate"):
        verify(signed(), tmp_path / "nowhere")
