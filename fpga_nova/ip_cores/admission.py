# SPDX-License-Identifier: Apache-2.0
"""Admission: the operator's rules that an IP core must pass before a card is touched.

The checks come in the order in which the facts are known. Before the download: the image's metadata (owner, signature,
the manifest that the uploader stated). After it: the archive's own manifest, which alone counts. Then each bitstream:
by its own header, and by the operator's scanner. `archive` has the rules for an archive's form, and `source` those for
an image's.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from typing import Any

from fpga_nova import errors, formats, model
from fpga_nova.ip_cores import policy
from fpga_nova.ip_cores.core_lookup import Core
from fpga_nova.ip_cores.source import ImageInfo
from fpga_nova.system.tool import Tool

#: Values of the option `[fpga] require_signature`.
NEVER, IF_PRESENT, ALWAYS = SIGNATURE_MODES = ("never", "if-present", "always")


@dataclasses.dataclass(frozen=True)
class AdmissionRules:
    """The operator's configured rules.

    :param state_path: where a scanner's private working directory is made
    :param policy: the allow-list; None admits all
    :param require_signature: one of SIGNATURE_MODES
    :param certificates: directory of the certificates that may sign; without it, `if-present` looks at no signature,
        as an uploader who could add a signature could also leave it out
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
    :param project: Keystone's id of the project whose server gets the core, if the caller gave it;
        policy.ANY_PROJECT where no server gets it yet
    """

    def __init__(self, rules: AdmissionRules, project: str | None = None) -> None:
        self._rules = rules
        self._project = project
        self._image: ImageInfo | None = None
        self._signature: Any = None
        #: A `hashlib` hash to update with the image's data, for its signature; None where that is not needed.
        self.data_hash: Any = None
        self._verified = False

    def check_image(self, image: ImageInfo, manifest: model.Manifest | None) -> None:
        """Judge an image before its data are fetched. A local archive has no metadata and is not judged by them.

        :param manifest: the IP core's, as far as it is known by now
        :raises fpga_nova.errors.RefusedByPolicy: with the reason
        """
        self._image = image
        self._check_policy(manifest)
        self._check_signature(image)

    @property
    def needs_data(self) -> bool:
        """Whether the signature can only be verified over the image's data, so that they must be fetched."""
        return self.data_hash is not None

    def check_data(self) -> None:
        """Judge the image by its data, with all of which :attr:`data_hash` was updated.

        :raises fpga_nova.errors.RefusedByPolicy: the signature is not of these data
        """
        if self.data_hash is not None:
            self._signature.verify(self.data_hash.digest())
            self._verified = True

    def check_core(self, manifest: model.Manifest) -> None:
        """Judge a core by its archive's own manifest, and check that a required signature was verified.

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
        """Judge an unpacked bitstream; return its header, if its format is known.

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
            # The download is compared with this very hash, so the signature need not wait for it.
            self._signature.verify(bytes.fromhex(image.hash_value))
            self._verified = True
        else:
            self.data_hash = hashlib.new(self._signature.hash_name)

    def _scan(self, manifest: model.Manifest, entry: model.BitstreamEntry, path: pathlib.Path) -> None:
        rules = self._rules
        if rules.scan_command is None:
            return
        facts = {
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
        # Every variable is always set: a scanner in shell with `set -u` needs no exceptions.
        environment = {f"FPGA_{name}": errors.one_line(value or "") for name, value in facts.items()}
        tool = Tool("scan_command", rules.scan_command, rules.scan_timeout, rules.state_path, environment)
        result = tool.call([str(path.absolute())], errors.RefusedByPolicy, accept=range(256))
        if result.code != 0:
            reason = result.last_words or f"exit {result.code}, without output"
            raise errors.RefusedByPolicy(f"{tool.name} refuses {entry.file} of IP core {manifest.name!r}: {reason}")


@dataclasses.dataclass(frozen=True)
class AdmittedBitstream(model.Bitstream):
    """A bitstream that is admitted, with its bytes at hand.

    :param header: what it says of itself; None where its format is not known
    """

    header: formats.Header | None = None


class AdmittedCore:
    """A core that is admitted; gives its bitstreams, each judged once.

    :param directory: where they are unpacked
    :raises fpga_nova.errors.RefusedByPolicy: the core is not admitted
    """

    def __init__(self, core: Core, admission: Admission, directory: pathlib.Path) -> None:
        admission.check_core(core.manifest)
        self.manifest = core.manifest
        self._core = core
        self._admission = admission
        self._directory = directory
        self._paths: dict[str, pathlib.Path] = {}
        self._admitted: dict[model.BitstreamEntry, AdmittedBitstream] = {}

    def bitstream(self, entry: model.BitstreamEntry) -> AdmittedBitstream:
        """Return a bitstream with its checked bytes.

        :raises fpga_nova.errors.ArchiveInvalid: its bytes are not those that the manifest declares, or contradict it
        :raises fpga_nova.errors.RefusedByPolicy: the scanner refuses it
        """
        if entry not in self._admitted:
            if entry.sha256 not in self._paths:  # a file may serve several kinds of regions
                self._paths[entry.sha256] = self._core.unpack(entry, self._directory)
            path = self._paths[entry.sha256]
            header = self._admission.check_bitstream(self.manifest, entry, path)
            self._admitted[entry] = AdmittedBitstream(entry.sha256, entry.size, path, self.manifest.function_id, header)
        return self._admitted[entry]


def _check_header(header: formats.Header, manifest: model.Manifest, entry: model.BitstreamEntry) -> None:
    """Compare a bitstream's header with its manifest; a field that the header lacks contradicts nothing.

    The header's part is not compared here: the manifest names a board, and the board's driver knows the part
    (`Device.incompatibility`).
    """

    def refusal(what: str, found: str, declared: str) -> errors.ArchiveInvalid:
        return errors.ArchiveInvalid(
            f"{entry.file} is for {what} {found} by its own header ({header.format}), the manifest says {declared}"
        )

    if header.vendor != manifest.vendor:
        raise refusal("vendor", header.vendor, manifest.vendor)
    if header.function_id is not None and header.function_id != manifest.function_id:
        raise refusal("function", header.function_id, manifest.function_id)
    if not header.is_for_interface(entry.interface_id):
        raise refusal("interface", ", ".join(header.interface_ids), str(entry.interface_id))
