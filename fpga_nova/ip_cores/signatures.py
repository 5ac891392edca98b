# SPDX-License-Identifier: Apache-2.0
"""Signatures of images, verified with certificates in a directory that only root can write.

The form is Glance's properties `img_signature*` (its documentation, "Image Signature Verification"), so IP cores are
signed as other images for Glance and Nova are: a base64 signature over the image's data; RSA-PSS with MGF1 over the
same hash and the longest salt, ECDSA over a curve of 384 bits or more, or DSA. Glance's SHA-224 is not taken, nor are
RSA or DSA keys of less than 2048 bits.

Glance and Nova ask a key manager for the certificate (cursive over castellan over Barbican). Not so here: root on a
compute host would load what an API on the network calls trusted, a burn would need one more service to be up, and
castellan and cursive read a global configuration that fpga-cli does not have. So the certificates lie in a directory
that only root can write, `<certificate uuid>.pem`, and each of them is trusted for itself, whatever its issuer. The
arithmetic is done by the library `cryptography`, as it is in cursive.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import pathlib
from collections.abc import Mapping
from typing import Any

from cryptography import exceptions, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa, utils

from fpga_nova import errors
from fpga_nova.system import trusted_paths, uuids

SIGNATURE = "img_signature"
HASH_METHOD = "img_signature_hash_method"
KEY_TYPE = "img_signature_key_type"
CERTIFICATE = "img_signature_certificate_uuid"

#: The properties that make up a signature.
PROPERTIES = (SIGNATURE, HASH_METHOD, KEY_TYPE, CERTIFICATE)

#: Glance's names of hashes to `cryptography`'s; those of the latter are hashlib's and os_hash_algo's too.
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA-256": hashes.SHA256(),
    "SHA-384": hashes.SHA384(),
    "SHA-512": hashes.SHA512(),
}

#: Glance's names of curves; `cryptography` 47 dropped those over binary fields.
_CURVES = ("sect571k1", "sect409k1", "sect571r1", "sect409r1", "secp521r1", "secp384r1")

_LEAST_BITS = 2048


class Signature:
    """An image's signature, with the key that it is to be verified with.

    :param properties: the image's
    :param directory: where the certificates are
    :raises fpga_nova.errors.RefusedByPolicy: it cannot be a good one: a property is missing or not known, or there is
        no valid certificate for it
    :raises fpga_nova.errors.ConfigurationInvalid: others than root may change the certificates
    """

    def __init__(self, properties: Mapping[str, str], directory: pathlib.Path) -> None:
        missing = [name for name in PROPERTIES if not properties.get(name)]
        if missing:
            raise _refused(f"the image has no property {missing[0]}")
        self._hash = _HASHES.get(properties[HASH_METHOD])
        if self._hash is None:
            raise _refused(f"{HASH_METHOD} is {properties[HASH_METHOD]!r}, not one of {', '.join(_HASHES)}")
        try:
            self._signature = base64.b64decode("".join(properties[SIGNATURE].split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise _refused(f"{SIGNATURE} is not base64") from error
        self._certificate_id = uuids.canonical(properties[CERTIFICATE])
        if self._certificate_id is None:
            raise _refused(f"{CERTIFICATE} is {properties[CERTIFICATE]!r}, which is not a UUID")
        self._key = _public_key(directory, self._certificate_id)
        _check_key(self._key, properties[KEY_TYPE], self._certificate_id)

    @property
    def hash_name(self) -> str:
        """The hash that is signed, as hashlib names it."""
        assert self._hash is not None  # noqa: S101 - for mypy
        return self._hash.name

    def verify(self, digest: bytes) -> None:
        """Verify the signature over the hash of the image's data.

        :raises fpga_nova.errors.RefusedByPolicy: it is not of these data, or not made with that certificate's key
        """
        assert self._hash is not None  # noqa: S101 - for mypy
        prehashed: Any = utils.Prehashed(self._hash)
        try:
            if isinstance(self._key, rsa.RSAPublicKey):
                pss = padding.PSS(mgf=padding.MGF1(self._hash), salt_length=padding.PSS.MAX_LENGTH)
                self._key.verify(self._signature, digest, pss, prehashed)
            elif isinstance(self._key, ec.EllipticCurvePublicKey):
                self._key.verify(self._signature, digest, ec.ECDSA(prehashed))
            else:
                self._key.verify(self._signature, digest, prehashed)
        except exceptions.InvalidSignature as error:
            raise _refused(
                f"the data, or the key that signed them, is another than certificate {self._certificate_id} stands for"
            ) from error


def is_signed(properties: Mapping[str, str]) -> bool:
    """Return whether an image has any of the properties of a signature."""
    return any(properties.get(name) for name in PROPERTIES)


def _public_key(directory: pathlib.Path, certificate_id: str) -> Any:
    path = directory / f"{certificate_id}.pem"
    try:
        certificate = x509.load_pem_x509_certificate(trusted_paths.read(path, "signature_certificates"))
        key = certificate.public_key()
    except FileNotFoundError as error:
        raise _refused(f"there is no certificate {path}") from error
    except OSError as error:
        raise errors.ConfigurationInvalid(f"certificate {path} cannot be read: {error.strerror}") from error
    except (ValueError, exceptions.UnsupportedAlgorithm) as error:
        raise errors.ConfigurationInvalid(f"certificate {path} cannot be used: {error}") from error
    now = datetime.datetime.now(datetime.timezone.utc)
    first, last = _dates(certificate)
    if not first <= now <= last:
        raise _refused(f"certificate {certificate_id} is valid from {first:%Y-%m-%d} to {last:%Y-%m-%d} only")
    return key


def _dates(certificate: x509.Certificate) -> tuple[datetime.datetime, datetime.datetime]:
    if hasattr(certificate, "not_valid_before_utc"):
        return certificate.not_valid_before_utc, certificate.not_valid_after_utc
    # Before cryptography 42 the dates had no time zone, and were in UTC all the same.
    utc = datetime.timezone.utc
    return certificate.not_valid_before.replace(tzinfo=utc), certificate.not_valid_after.replace(tzinfo=utc)


def _check_key(key: Any, key_type: str, certificate_id: str) -> None:
    """Check that a key is of the type that the image says, and strong enough."""
    if isinstance(key, rsa.RSAPublicKey):
        found, strong = "RSA-PSS", key.key_size >= _LEAST_BITS
    elif isinstance(key, dsa.DSAPublicKey):
        found, strong = "DSA", key.key_size >= _LEAST_BITS
    elif isinstance(key, ec.EllipticCurvePublicKey):
        found, strong = f"ECC_{key.curve.name.upper()}", key.curve.name in _CURVES
    else:
        found, strong = type(key).__name__, False
    if not strong:
        raise _refused(f"certificate {certificate_id} has a key ({found}) that is too weak or not known")
    if key_type != found:
        raise _refused(f"{KEY_TYPE} is {key_type!r}, certificate {certificate_id} has a key for {found!r}")


def _refused(reason: str) -> errors.RefusedByPolicy:
    return errors.RefusedByPolicy(f"the image's signature is not good: {reason}")
