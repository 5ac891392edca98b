# SPDX-License-Identifier: Apache-2.0
"""Admission: what an IP core has to pass before a card is touched, in the order in which it can be known.

Before the download its image's metadata (owner, signature, the manifest that the uploader put there); after it the
archive's own manifest, which alone counts; then each bitstream by its own header, and by the operator's scanner. What
an archive's form must be is in `archive`, what an image's must be in `source`; here is what the operator wants.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable
from typing import Any, Protocol

from fpga_nova import errors, formats, model
from fpga_nova.ip_cores import policy
from fpga_nova.ip_cores.source import ImageInfo
from fpga_nova.system.tool import Tool

#: What `[fpga] require_signature` may say.
NEVER, IF_PRESENT, ALWAYS = SIGNATURE_MODES = ("never", "if-present", "always")


@dataclasses.dataclass(frozen=True)
class AdmissionRules:
    """What the operator has configured.

    :param state_path: where a scanner's private working directory is made
    :param policy: the allow-list; None admits all
    :param require_signature: one of SIGNATURE_MODES
    :param certificates: directory of the certificates of those who may sign; without it, `if-present` looks at no
        signature: who could sign could as well not sign
    :param scan_command: absolute path of an executable that may refuse a bitstream
    :param scan_timeout: seconds that it may take
    """

    state_path: pathlib.Path
    policy: policy.Policy | None = None
    require_signature: str = IF_PRESENT
    certificates: pathlib.Path | None = None
    scan_command: str | None = None
    scan_timeout: float = 60

    def __post_init__(self) -> None:
        if self.require_signature == ALWAYS and self.certificates is None:
            raise errors.ConfigurationInvalid(
                "[fpga] require_signature is always, but signature_certificates names no directory"
            )
        if self.scan_command is not None and not self.scan_command.startswith("/"):
            raise errors.ConfigurationInvalid(f"[fpga] scan_command: {self.scan_command!r} is not an absolute path")


class Admission:
    """The judgement of one burn, or of one prefetch.

    :param rules: the operator's
    :param project: Keystone's id of the project whose server gets the core, if the caller said; policy.ANY_PROJECT
        where no server gets it yet
    """

    def __init__(self, rules: AdmissionRules, project: str | None = None) -> None:
        self._rules = rules
        self._project = project
        self._image: ImageInfo | None = None
        self._signature: Any = None
        self._hash: Any = None
        self._verified = False

    def before_download(self, image: ImageInfo, manifest: model.Manifest | None) -> None:
        """Judge an image by its metadata; an archive that is no image has none.

        :param manifest: the one among them, if there is one
        :raises fpga_nova.errors.RefusedByPolicy: with the reason
        """
        self._image = image
        self._check_policy(manifest)
        self._check_signature(image)

    @property
    def needs_data(self) -> bool:
        """Whether the signature can only be verified over the image's data, so that these must be had."""
        return self._hash is not None

    def update(self, chunk: bytes) -> None:
        """Take the next bytes of the image, in order."""
        if self._hash is not None:
            self._hash.update(chunk)

    def after_download(self) -> None:
        """Judge the image by its data, all of which :meth:`update` has had.

        :raises fpga_nova.errors.RefusedByPolicy: the signature is not of these data
        """
        if self._hash is not None:
            self._signature.verify(self._hash.digest())
            self._verified = True

    def check_core(self, manifest: model.Manifest) -> None:
        """Judge a core by its archive's own manifest; and see to it that a signature was verified, if it had to be.

        :raises fpga_nova.errors.RefusedByPolicy: no rule admits it, or it has no good signature and must have one
        """
        self._check_policy(manifest)
        if not self._verified and (self._signature is not None or self._rules.require_signature == ALWAYS):
            raise errors.RefusedByPolicy("[fpga] require_signature is always, and only an image has a signature")

    def _check_policy(self, manifest: model.Manifest | None) -> None:
        if self._rules.policy is not None:
            owner = self._image.owner if self._image is not None else None
            self._rules.policy.check(policy.Subject(self._project, owner, manifest))

    def check_bitstream(
        self, manifest: model.Manifest, entry: model.BitstreamEntry, path: pathlib.Path
    ) -> formats.Header | None:
        """Judge an unpacked bitstream; return what it says of itself, if it says anything.

        :param path: its bytes
        :raises fpga_nova.errors.ArchiveInvalid: its header is broken, or contradicts the manifest
        :raises fpga_nova.errors.RefusedByPolicy: the scanner refuses it, or does not end
        """
        with path.open("rb") as file:
            header = formats.identify(file)
        if header is not None:
            _check_header(header, manifest, entry)
        self._scan(manifest, entry, path)
        return header

    def _check_signature(self, image: ImageInfo) -> None:
        if self._rules.require_signature == NEVER or self._rules.certificates is None:
            return
        from fpga_nova.ip_cores import signatures  # imported here: `cryptography` takes 50 ms, for signed images alone

        if not signatures.is_signed(image.properties):
            if self._rules.require_signature == ALWAYS:
                raise errors.RefusedByPolicy(
                    f"image {image.id} is not signed, and [fpga] require_signature is always: set its properties "
                    f"{', '.join(signatures.PROPERTIES)}"
                )
            return
        self._signature = signatures.Signature(image.properties, self._rules.certificates)
        if self._signature.hash_name == image.hash_algo:
            # The download will be held against this very hash, so that the signature need not wait for it.
            self._signature.verify(bytes.fromhex(image.hash_value))
            self._verified = True
        else:
            self._hash = hashlib.new(self._signature.hash_name)

    def _scan(self, manifest: model.Manifest, entry: model.BitstreamEntry, path: pathlib.Path) -> None:
        rules = self._rules
        if rules.scan_command is None:
            return
        said = {
            "IMAGE_ID": self._image.id if self._image is not None else None,
            "IMAGE_OWNER": self._image.owner if self._image is not None else None,
            "PROJECT": None if self._project == policy.ANY_PROJECT else self._project,
            "NAME": manifest.name,
            "VERSION": manifest.version,
            "VENDOR": manifest.vendor,
            "FUNCTION_TYPE": manifest.function_type,
            "FUNCTION_ID": manifest.function_id,
            "FILE": entry.file,
            "SHA256": entry.sha256,
            "BOARD": entry.board,
            "REGION_TYPE": entry.region_type,
            "INTERFACE_ID": entry.interface_id,
        }
        # Always all of them: a scanner in shell with `set -u` needs no exceptions.
        environment = {f"FPGA_{name}": errors.one_line(value or "") for name, value in said.items()}
        tool = Tool("scan_command", rules.scan_command, rules.scan_timeout, rules.state_path, environment)
        answer = tool.call([str(path.absolute())], errors.RefusedByPolicy, accept=range(256))
        if answer.code != 0:
            words = answer.last_words or f"exit {answer.code}, without a word"
            raise errors.RefusedByPolicy(f"{tool.name} refuses {entry.file} of IP core {manifest.name!r}: {words}")


class Core(Protocol):
    """An IP core at hand: an open archive, or what is kept of one."""

    manifest: model.Manifest

    def unpack(self, entry: model.FileEntry, directory: pathlib.Path) -> pathlib.Path:
        """Write a bitstream below `directory` under its SHA-256 as name, checked; return its path."""


class AdmittedCore:
    """A core that is admitted; gives its bitstreams, each judged once.

    :param directory: where they are unpacked
    :param incompatibility: says why a bitstream with this header is not for the part that a region is on, if it knows
    :raises fpga_nova.errors.RefusedByPolicy: the core is not admitted
    """

    def __init__(
        self,
        core: Core,
        admission: Admission,
        directory: pathlib.Path,
        incompatibility: Callable[[model.Region, formats.Header], str | None],
    ) -> None:
        admission.check_core(core.manifest)
        self._core = core
        self._admission = admission
        self._directory = directory
        self._misfit = incompatibility
        self._paths: dict[str, pathlib.Path] = {}
        self._headers: dict[model.BitstreamEntry, formats.Header | None] = {}

    def bitstream(self, region: model.Region, entry: model.BitstreamEntry) -> model.Bitstream:
        """Return the checked bytes of `entry`, which `region` is to be programmed with.

        :raises fpga_nova.errors.ArchiveInvalid: its bytes are not those that the manifest declares, or contradict it
        :raises fpga_nova.errors.RefusedByPolicy: the scanner refuses it
        :raises fpga_nova.errors.NoMatchingHardware: by its own header it was built for another region
        """
        manifest = self._core.manifest
        if entry.sha256 not in self._paths:  # a file may serve several kinds of regions
            self._paths[entry.sha256] = self._core.unpack(entry, self._directory)
        path = self._paths[entry.sha256]
        if entry not in self._headers:
            self._headers[entry] = self._admission.check_bitstream(manifest, entry, path)
        header = self._headers[entry]
        if header is not None:
            if _misses(region.interface_id, header):
                why: str | None = f"it is for interface {', '.join(header.interface_ids)}, not {region.interface_id}"
            else:
                why = self._misfit(region, header)
            if why is not None:
                raise errors.NoMatchingHardware(
                    f"{entry.file} of IP core {manifest.name!r} was by its own header ({header.format}) not built for "
                    f"region {region.id}: {why}"
                )
        return model.Bitstream(entry.sha256, entry.size, path, manifest.function_id)


def _misses(interface_id: str | None, header: formats.Header) -> bool:
    """Return whether a bitstream says that it was built for other interfaces than this one."""
    return interface_id is not None and bool(header.interface_ids) and interface_id not in header.interface_ids


def _check_header(header: formats.Header, manifest: model.Manifest, entry: model.BitstreamEntry) -> None:
    """Hold what a bitstream says of itself against its manifest; what it does not say contradicts nothing.

    Its part is not here: the manifest names a board, and what is on that the driver knows (`Device.incompatibility`).
    """

    def refuse(what: str, found: str, declared: str) -> errors.ArchiveInvalid:
        return errors.ArchiveInvalid(
            f"{entry.file} is for {what} {found} by its own header ({header.format}), the manifest says {declared}"
        )

    if header.vendor != manifest.vendor:
        raise refuse("vendor", header.vendor, manifest.vendor)
    if header.function_id is not None and header.function_id != manifest.function_id:
        raise refuse("function", header.function_id, manifest.function_id)
    if _misses(entry.interface_id, header):
        raise refuse("interface", ", ".join(header.interface_ids), str(entry.interface_id))
