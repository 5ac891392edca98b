# SPDX-License-Identifier: Apache-2.0
"""Admission through fpga-cli's commands: allow-list, signatures, headers; most refusals come before a download."""

from __future__ import annotations

import json

import pytest

from tests.support import ROOT, signing
from tests.support.archives import FUNCTION_ID, manifest_data, write_archive
from tests.support.image_server import IMAGE
from tests.support.policies import OWNER, PROJECT, SERVER, refused

# The allow-list


def test_burn_for_an_admitted_project(host, glance, allow):
    glance.answer[1].update(owner=OWNER, manifest=json.dumps(manifest_data()))
    host.configure_glance(glance, **allow({"project": [PROJECT], "image_owner": [OWNER], "vendor": ["sim"]}))
    host.cli("burn", "--owner", SERVER, "--project", PROJECT, IMAGE)
    host.cli("burn", "--project", "6F70656E-7374-6163-6b20-342065766572", IMAGE)
    assert host.states().count("programmed") == 2


@pytest.mark.parametrize("arguments", [[], ["--project", OWNER]])
def test_refused_project_costs_no_download(host, glance, allow, arguments):
    glance.answer[1]["owner"] = OWNER
    host.configure_glance(glance, **allow({"project": [PROJECT]}))
    said = refused(host, *arguments, IMAGE)
    project = arguments[1] if arguments else "not given"
    assert f"no rule of {host.path}/policy.yaml admits this IP core: project {project}, image owner {OWNER}\n" in said
    assert glance.downloads() == 0


def test_refused_image_owner_costs_no_download(host, glance, allow):
    glance.answer[1]["owner"] = PROJECT
    host.configure_glance(glance, **allow({"image_owner": [OWNER]}))
    assert f"image owner {PROJECT}" in refused(host, IMAGE)
    assert glance.downloads() == 0


@pytest.mark.parametrize("rule", [{"vendor": ["lattice"]}, {"function": ["crypto"]}])
def test_refused_core_costs_no_download_if_the_image_states_its_manifest(host, glance, allow, rule):
    glance.answer[1]["manifest"] = json.dumps(manifest_data())
    host.configure_glance(glance, **allow(rule))
    assert f"vendor sim, function test {FUNCTION_ID}" in refused(host, IMAGE)
    assert glance.downloads() == 0


def test_manifest_in_the_archive_counts_and_not_the_image_property(host, glance, allow):
    """An image can say of itself what it likes."""
    glance.answer[1]["manifest"] = json.dumps(manifest_data(function={"type": "crypto", "id": FUNCTION_ID}))
    host.configure_glance(glance, **allow({"function": ["crypto"]}))
    assert f"function test {FUNCTION_ID}" in refused(host, IMAGE)
    assert glance.downloads() == 1


def test_local_archive_matches_no_image_owner(host, allow, core_archive):
    host.configure(**allow({"image_owner": [OWNER]}))
    assert "project not given, image owner none, vendor sim" in refused(host, "--file", core_archive)
    host.configure(**allow({"vendor": ["sim"]}))
    host.cli("burn", "--file", core_archive)


def test_unusable_policy_admits_nothing(host, glance, allow):
    host.configure_glance(glance, **allow({"projekt": [PROJECT]}))
    assert "is not valid: rules[0]: " in host.cli("burn", "--project", PROJECT, IMAGE, code=1)
    assert glance.requests == []
    assert host.states() == ["free"] * 3


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("policy_file", "[fpga] policy_file: . is not an absolute path"),
        ("scan_command", "[fpga] scan_command: '' is not an absolute path"),
    ],
)
def test_empty_option_does_not_admit_everything(host, glance, option, said):
    host.configure_glance(glance, **{option: ""})
    assert said in host.cli("burn", IMAGE, code=1)
    assert glance.requests == []


@pytest.mark.parametrize("project", ["", "admin", "*", PROJECT + "0", "../" + PROJECT])
def test_project_that_is_not_a_uuid_is_wrong_usage(host, project):
    result = host.run("burn", "--project", project, IMAGE)
    assert result.code == 2
    assert "is not a UUID" in result.err


# Signatures


@pytest.fixture
def certificates(host):
    path = host.path / "certificates"
    path.mkdir(mode=0o700)
    return path


@pytest.mark.parametrize("method", ["SHA-256", "SHA-512"])
@pytest.mark.parametrize("mode", ["if-present", "always"])
def test_burn_with_a_good_signature(host, glance, certificates, mode, method):
    signing.sign_image(glance, certificates, method=method)
    host.configure_glance(glance, signature_certificates=certificates, require_signature=mode)
    host.cli("burn", IMAGE)


@pytest.mark.parametrize(("method", "downloads"), [("SHA-256", 1), ("SHA-512", 0)])
def test_signature_of_other_bytes_is_refused(host, glance, certificates, method, downloads):
    """Glance's own hash is SHA-512: a signature over the same hash is judged before the download."""
    signing.sign_image(glance, certificates, data=b"something else", method=method)
    host.configure_glance(glance, signature_certificates=certificates)
    assert "the data, or the key that signed them, is another" in refused(host, IMAGE)
    assert glance.downloads() == downloads


def test_bytes_exchanged_in_glance_are_refused_despite_a_good_signature(host, glance, certificates, tmp_path):
    """The signature is over Glance's hash; the burned data must have it."""
    signing.sign_image(glance, certificates, method="SHA-512")
    glance.sent = write_archive(tmp_path / "other.zip", x_bin=b"evil").read_bytes()
    assert len(glance.sent) == len(glance.content)
    host.configure_glance(glance, signature_certificates=certificates)
    assert "arrived damaged" in refused(host, IMAGE, code=66)


def test_expired_certificate_costs_no_download(host, glance, certificates):
    signing.sign_image(glance, certificates, begin=-3, end=-1)
    host.configure_glance(glance, signature_certificates=certificates)
    assert "is valid from" in refused(host, IMAGE)
    assert glance.downloads() == 0


def test_empty_certificates_option_is_refused(host, glance, certificates):
    signing.sign_image(glance, certificates)
    host.configure_glance(glance, signature_certificates="")
    assert "is not an absolute path" in refused(host, IMAGE, code=1)


def test_incomplete_signature_is_refused(host, glance, certificates):
    glance.answer[1]["img_signature"] = "AAAA"
    host.configure_glance(glance, signature_certificates=certificates)
    assert "the image has no property img_signature_hash_method" in refused(host, IMAGE)


def test_unsigned_image_is_refused_where_signatures_are_required(host, glance, certificates):
    host.configure_glance(glance, signature_certificates=certificates, require_signature="always")
    said = refused(host, IMAGE)
    assert f"image {IMAGE} is not signed, and [fpga] require_signature is always" in said
    assert glance.downloads() == 0
    host.configure_glance(glance, signature_certificates=certificates)
    host.cli("burn", IMAGE)


@pytest.mark.parametrize("options", [{"require_signature": "never", "signature_certificates": "/nowhere"}, {}])
def test_signatures_are_ignored_without_certificates_or_with_never(host, glance, tmp_path, options):
    signing.sign_image(glance, tmp_path / "other", data=b"something else")
    host.configure_glance(glance, **options)
    host.cli("burn", IMAGE)


def test_local_archive_is_refused_where_signatures_are_required(host, core_archive, certificates):
    host.configure(signature_certificates=certificates, require_signature="always")
    assert "only an image has a signature" in refused(host, "--file", core_archive)


def test_required_signatures_need_a_certificates_option(host, glance):
    host.configure_glance(glance, require_signature="always")
    assert "signature_certificates names no directory" in host.cli("burn", IMAGE, code=1)


# Cached data are judged like fetched data


def test_cached_core_is_judged_again_by_policy(host, glance, allow):
    host.configure_glance(glance)
    host.cli("erase", host.cli("burn", IMAGE).strip())
    host.configure_glance(glance, **allow({"project": [PROJECT], "vendor": ["sim"]}))
    assert "vendor sim" in refused(host, "--project", OWNER, IMAGE)
    host.cli("burn", "--project", PROJECT, IMAGE)
    assert glance.downloads() == 1


@pytest.mark.parametrize(("method", "downloads"), [("SHA-256", 3), ("SHA-512", 1)])
def test_signature_of_a_cached_core_is_verified_again(host, glance, certificates, method, downloads):
    """Over another hash than Glance's that takes the data."""
    signing.sign_image(glance, certificates, method=method)
    host.configure_glance(glance, signature_certificates=certificates, require_signature="always")
    for _ in range(2):
        host.cli("erase", host.cli("burn", IMAGE).strip())
    signing.sign_image(glance, certificates, data=b"something else", method=method)
    refused(host, IMAGE)
    assert glance.downloads() == downloads


# Prefetch is judged as a burn is, but for whose server it will be; then each burn is


def nothing_kept(host) -> bool:
    return not list((host.state_path / "cache/bitstreams").iterdir())


def test_prefetch_refused_if_no_project_is_admitted(host, glance, allow):
    glance.answer[1].update(owner=OWNER)
    for rule in ({"vendor": ["lattice"]}, {"project": [PROJECT], "function": ["crypto"]}):
        host.configure_glance(glance, **allow(rule))
        assert "project any, image owner " + OWNER in host.cli("prefetch", IMAGE, code=68)
        assert nothing_kept(host)
    downloads = glance.downloads()
    host.configure_glance(glance, **allow({"image_owner": [PROJECT]}))
    host.cli("prefetch", IMAGE, code=68)
    assert glance.downloads() == downloads


def test_prefetch_admitted_if_some_project_is(host, glance, allow):
    host.configure_glance(glance, **allow({"project": [PROJECT], "vendor": ["sim"]}))
    host.cli("prefetch", IMAGE)
    assert f"project {OWNER}" in refused(host, "--project", OWNER, IMAGE)
    assert "project not given" in refused(host, IMAGE)
    host.cli("burn", "--project", PROJECT, IMAGE)
    assert glance.downloads() == 1


def test_prefetch_refused_without_a_good_signature(host, glance, certificates):
    host.configure_glance(glance, signature_certificates=certificates, require_signature="always")
    assert "is not signed" in host.cli("prefetch", IMAGE, code=68)
    signing.sign_image(glance, certificates, data=b"something else")
    assert "the data, or the key that signed them, is another" in host.cli("prefetch", IMAGE, code=68)
    assert nothing_kept(host)
    signing.sign_image(glance, certificates)
    host.cli("prefetch", IMAGE)


def test_prefetch_refused_if_header_and_manifest_differ(host, glance, tmp_path):
    bitstream = (ROOT / "accelerators" / "crc32" / "soft-hx1k.bin").read_bytes()
    glance.store(write_archive(tmp_path / "other.zip", manifest_data(bitstream), x_bin=bitstream).read_bytes())
    assert "is for vendor lattice by its own header" in host.cli("prefetch", IMAGE, code=67)
    assert nothing_kept(host)


# The bitstream's own header; tests/unit/ip_cores/test_admission.py has the rest


def test_bitstream_of_another_vendor_is_refused(host, tmp_path):
    bitstream = (ROOT / "accelerators" / "crc32" / "soft-hx1k.bin").read_bytes()
    archive = write_archive(tmp_path / "other.zip", manifest_data(bitstream), x_bin=bitstream)
    said = refused(host, "--file", archive, code=67)
    assert "x.bin is for vendor lattice by its own header (ice40), the manifest says sim" in said


def test_bitstream_for_another_part_finds_no_hardware(host, tmp_path):
    """The driver knows the part of a board; the manifest names the board."""
    bitstream = (ROOT / "accelerators" / "crc32" / "soft-hx1k.bin").read_bytes()
    function = json.loads((ROOT / "accelerators" / "crc32" / "core.json").read_text())["function"]
    data = manifest_data(bitstream, "soft-hx8k", vendor="lattice", function=function)
    archive = write_archive(tmp_path / "other.zip", data, x_bin=bitstream)
    host.configure(devices="soft", soft_cards="a:soft-hx8k:1")
    said = host.cli("burn", "--file", archive, code=64)
    assert "x.bin of IP core 'core' was by its own header (ice40) not built for region" in said
    assert said.endswith(": it is for iCE40HX1K, board soft-hx8k has iCE40HX8K\n")
    assert host.states() == ["free"]
    steps = [entry["steps"] or [] for entry in json.loads(host.cli("history", "-f", "json"))]
    assert steps and not any("programming" in each for each in steps)
