# SPDX-License-Identifier: Apache-2.0
"""IP cores in Glance: read, fetched and uploaded, over a keystoneauth session and python-glanceclient."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from typing import IO, Any

from glanceclient import exc
from glanceclient.v2 import client
from keystoneauth1 import exceptions as ksa_exceptions

from fpga_nova import errors, model
from fpga_nova.ip_cores import source

#: The tag that every IP core's image carries.
TAG = "FPGA"

#: Glance's own attributes of an image; glanceclient gives them and the further properties in one mapping.
_BASE_PROPERTIES = frozenset(
    {
        "checksum",
        "container_format",
        "created_at",
        "direct_url",
        "disk_format",
        "file",
        "id",
        "locations",
        "min_disk",
        "min_ram",
        "name",
        "os_hash_algo",
        "os_hash_value",
        "os_hidden",
        "owner",
        "protected",
        "schema",
        "self",
        "size",
        "status",
        "stores",
        "tags",
        "updated_at",
        "virtual_size",
        "visibility",
    }
)

#: Hashes that prove an image; Glance's own default is sha512 (its option hashing_algorithm).
_HASHES = frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s"})


class GlanceImages:
    """Glance as an :class:`fpga_nova.ip_cores.source.ImageSource`.

    :param session: a `keystoneauth1.session.Session`
    :param user: the user whose rights count, as messages name it
    :param adapter: how to find Glance: keystoneauth's adapter arguments (interface, region_name, ...)
    """

    def __init__(self, session: Any, user: str = "fpga-cli's user", **adapter: Any) -> None:
        self._client = client.Client(session=session, **adapter)
        self._user = user

    @classmethod
    def with_token(cls, token: str, session: Any, **adapter: Any) -> GlanceImages:
        """Make one that has only the rights of a Keystone token.

        :param token: the token's id
        :param session: finds Glance in the catalog, which the token alone does not tell, and has the TLS settings;
            its credentials never go to Glance
        :raises fpga_nova.errors.ImageNotAvailable: Glance is not found
        """
        from keystoneauth1 import adapter as ksa_adapter
        from keystoneauth1 import session as ksa_session
        from keystoneauth1 import token_endpoint

        try:
            endpoint = ksa_adapter.Adapter(session, **adapter).get_endpoint()
        except ksa_exceptions.ClientException as error:
            raise errors.ImageNotAvailable(f"Glance cannot be found in Keystone's catalog: {error}") from error
        if endpoint is None:
            raise errors.ImageNotAvailable("Glance cannot be found: Keystone's catalog has no such image service")
        auth = token_endpoint.Token(endpoint, token)
        own = ksa_session.Session(auth=auth, verify=session.verify, cert=session.cert, timeout=session.timeout)
        retries = {"connect_retries": adapter.get("connect_retries")}
        return cls(own, user="the user whose token was given", **retries)

    def show(self, image_id: str) -> source.ImageInfo:
        """Return Glance's metadata of an image.

        :raises fpga_nova.errors.ImageNotAvailable: it is unknown or not readable, or Glance does not answer
        """
        with _as_unavailable(image_id, self._user):
            image = self._client.images.get(image_id)
            status = image["status"]
        algorithm, value = image.get("os_hash_algo"), image.get("os_hash_value")
        if status == "active" and algorithm not in _HASHES:
            raise errors.ImageNotAvailable(
                f"image {image_id} has no secure hash in Glance (os_hash_algo is {algorithm!r}): upload it again"
            )
        if status == "active" and not _is_digest(value, algorithm):
            raise errors.ImageNotAvailable(f"image {image_id} has no usable hash in Glance: upload it again")
        return source.ImageInfo(
            id=image["id"],
            name=image.get("name") or "",
            status=status,
            container_format=image.get("container_format"),
            size=image.get("size"),
            hash_algo=algorithm or "",
            hash_value=value or "",
            owner=image.get("owner"),
            properties={key: value for key, value in image.items() if key not in _BASE_PROPERTIES},
        )

    def download(self, image_id: str) -> Iterator[bytes]:
        """Give the image's bytes as they come; the caller has the hash to compare them with.

        :raises fpga_nova.errors.ImageNotAvailable: Glance does not give them
        """
        with _as_unavailable(image_id, self._user):
            body = self._client.images.data(image_id, do_checksum=False)
            if body.wrapped is None:
                raise errors.ImageNotAvailable(f"image {image_id} has no data in Glance")
            yield from body

    def upload(self, file: IO[bytes], manifest: model.Manifest, manifest_text: str, **attributes: str) -> str:
        """Upload an IP core with the properties that users choose it by: manifest, tag, vendor, type, function.

        :param file: the archive
        :param manifest_text: the manifest as it stands in the archive
        :param attributes: further image attributes: id, name, visibility
        :returns: the image's id
        :raises fpga_nova.errors.FpgaError: Glance refuses; no half-uploaded image is left
        """
        attributes.setdefault("name", manifest.name)
        with _as_refused():
            image = self._client.images.create(
                disk_format="raw",
                container_format=source.CONTAINER_FORMAT,
                tags=[TAG],
                manifest=manifest_text,
                vendor=manifest.vendor,
                type=manifest.function_type,
                function_id=manifest.function_id,
                version=manifest.version,
                **attributes,
            )
            try:
                self._client.images.upload(image["id"], file)
            except BaseException:
                self._client.images.delete(image["id"])
                raise
        return str(image["id"])

    def container_formats(self) -> list[str]:
        """Return the container formats that Glance takes: its option `container_formats`, as its image schema has it.

        :raises fpga_nova.errors.ImageNotAvailable: Glance does not answer, or not with its schema
        """
        try:
            schema = self._client.schemas.get("image").raw()
            return [each for each in schema["properties"]["container_format"]["enum"] if each is not None]
        except (exc.ClientException, exc.BaseException, ksa_exceptions.ClientException, OSError) as error:
            raise errors.ImageNotAvailable(f"Glance cannot be asked for its image formats: {error}") from error
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise errors.ImageNotAvailable(
                f"Glance says no image formats ({type(error).__name__}: {error}); is it Glance?"
            ) from error


def session_from_conf(conf: Any, group: str) -> tuple[Any, dict[str, Any]]:
    """Make a session and adapter arguments from keystoneauth's options in `group` of `conf`.

    :raises fpga_nova.errors.ImageNotAvailable: no credentials are configured, or they are incomplete
    """
    from keystoneauth1 import loading

    try:
        auth = loading.load_auth_from_conf_options(conf, group)
        if auth is None:
            raise errors.ImageNotAvailable(
                f"no credentials for Glance: set auth_type and its options in [{group}] of fpga-cli's configuration, "
                "or burn a local archive with --file"
            )
        session = loading.load_session_from_conf_options(conf, group, auth=auth)
        adapter: dict[str, Any] = {}
        loading.adapter.process_conf_options(conf[group], adapter)
    except (ksa_exceptions.ClientException, TypeError) as error:
        raise errors.ImageNotAvailable(f"credentials for Glance in [{group}] cannot be used: {error}") from error
    return session, {key: value for key, value in adapter.items() if value is not None}


def register_conf_options(conf: Any, group: str) -> None:
    """Register keystoneauth's options in `group` of `conf`."""
    from keystoneauth1 import loading

    for options in conf_options().values():
        conf.register_opts(options, group)
    loading.register_auth_conf_options(conf, group)


def conf_options() -> dict[str, list[Any]]:
    """Return keystoneauth's session and adapter options with our defaults, for registration and for the sample."""
    from keystoneauth1 import loading

    session = loading.get_session_conf_options()
    adapter = loading.get_adapter_conf_options(include_deprecated=False)
    for option in session:
        if option.name == "timeout":
            option.default = 60  # seconds without a byte; without it a dead Glance would hold a build for good
    for option in adapter:
        if option.name == "service-type":
            option.default = "image"
        elif option.name == "valid-interfaces":
            option.default = ["internal", "public"]
        elif option.name == "connect-retries":
            option.default = 2
    return {"session": session, "adapter": adapter}


def _is_digest(value: Any, algorithm: str) -> bool:
    length = 2 * hashlib.new(algorithm).digest_size
    return isinstance(value, str) and len(value) == length and re.fullmatch("[0-9a-f]+", value) is not None


@contextlib.contextmanager
def _as_unavailable(image_id: str, user: str) -> Iterator[None]:
    try:
        yield
    except exc.HTTPNotFound as error:
        raise errors.ImageNotAvailable(f"image {image_id} is not found in Glance, or {user} may not see it") from error
    except (exc.HTTPForbidden, exc.HTTPUnauthorized) as error:
        raise errors.ImageNotAvailable(f"Glance does not let {user} read image {image_id}: {error}") from error
    except OSError as error:
        raise errors.ImageNotAvailable(f"image {image_id} cannot be downloaded: {error}") from error
    except (exc.ClientException, exc.BaseException, ksa_exceptions.ClientException) as error:
        raise errors.ImageNotAvailable(f"image {image_id} cannot be had from Glance: {error}") from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # glanceclient raises these when a proxy answers in Glance's place.
        raise errors.ImageNotAvailable(
            f"image {image_id} cannot be had from Glance: its answer makes no sense ({type(error).__name__}: {error})"
        ) from error


@contextlib.contextmanager
def _as_refused() -> Iterator[None]:
    try:
        yield
    except (exc.ClientException, exc.BaseException, ksa_exceptions.ClientException, OSError) as error:
        raise errors.FpgaError(f"Glance does not take the IP core: {error}") from error
