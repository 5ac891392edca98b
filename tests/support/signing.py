# SPDX-License-Identifier: Apache-2.0
"""Keys, certificates and signatures, made as Glance's documentation has its users make them."""

from __future__ import annotations

import base64
import datetime
import functools
import pathlib
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa

_HASHES = {
    "SHA-224": hashes.SHA224(),
    "SHA-256": hashes.SHA256(),
    "SHA-384": hashes.SHA384(),
    "SHA-512": hashes.SHA512(),
}
DAY = datetime.timedelta(days=1)


@functools.cache
def key(key_type: str, bits: int = 2048):
    """Return a private key; the same each time, for making one takes long."""
    if key_type == "RSA-PSS":
        return rsa.generate_private_key(public_exponent=65537, key_size=bits)
    if key_type == "DSA":
        return dsa.generate_private_key(key_size=bits)
    if key_type == "ED25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key({"ECC_SECP256R1": ec.SECP256R1, "ECC_SECP384R1": ec.SECP384R1}[key_type]())


def certify(directory: pathlib.Path, private, begin=-1, end=1) -> str:
    """Write a certificate that is valid from `begin` to `end`, in days from now; return its id."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "signer")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begin * DAY)
        .not_valid_after(now + end * DAY)
        .sign(private, None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    certificate_id = str(uuid.uuid4())
    directory.mkdir(mode=0o700, exist_ok=True)
    (directory / f"{certificate_id}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate_id


def sign(private, data: bytes, certificate_id: str, key_type: str = "RSA-PSS", method: str = "SHA-256") -> dict:
    """Return the image's properties of a signature over `data`."""
    algorithm = _HASHES[method]
    if isinstance(private, rsa.RSAPrivateKey):
        pss = padding.PSS(mgf=padding.MGF1(algorithm), salt_length=padding.PSS.MAX_LENGTH)
        signature = private.sign(data, pss, algorithm)
    elif isinstance(private, ec.EllipticCurvePrivateKey):
        signature = private.sign(data, ec.ECDSA(algorithm))
    elif isinstance(private, dsa.DSAPrivateKey):
        signature = private.sign(data, algorithm)
    else:
        signature = private.sign(data)
    return {
        "img_signature": base64.b64encode(signature).decode(),
        "img_signature_hash_method": method,
        "img_signature_key_type": key_type,
        "img_signature_certificate_uuid": certificate_id,
    }


def sign_image(glance, certificates: pathlib.Path, data: bytes | None = None, method: str = "SHA-256", **dates) -> None:
    """Sign the image of a test's Glance, or in its place `data`, with a new certificate; `dates` as of `certify`."""
    private = key("RSA-PSS")
    certificate_id = certify(certificates, private, **dates)
    glance.answer[1].update(sign(private, data or glance.content, certificate_id, "RSA-PSS", method))
