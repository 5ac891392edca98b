# SPDX-License-Identifier: Apache-2.0
"""Green bitstreams .gbs: the metadata, and every required field missing or wrong."""

from __future__ import annotations

import functools
import io
import json

import pytest

from fpga_nova import formats
from fpga_nova.formats import gbs
from tests.support import bitstreams, reading

CLUSTER = {"name": "nlb_400", "total-contexts": 1, "accelerator-type-uuid": bitstreams.FUNCTION_ID}


read = functools.partial(reading.header, "gbs")
refusal = functools.partial(reading.refusal, "gbs")


def test_all_fields() -> None:
    assert read(bitstreams.gbs()) == formats.Header(
        format="gbs",
        vendor="intel",
        payload_size=64,
        platform="DCP_1_0_RC",
        interface_ids=(bitstreams.INTERFACE_ID,),
        function_id=bitstreams.FUNCTION_ID,
        design="nlb_400",
    )


def test_optional_metadata_may_be_missing() -> None:
    metadata = bitstreams.gbs_metadata(accelerator_clusters=[])
    del metadata["platform-name"]
    header = read(bitstreams.gbs({**metadata, "version": 640}))
    assert (header.platform, header.function_id, header.design) == (None, None, None)


def test_function_is_that_of_the_first_cluster() -> None:
    clusters = [CLUSTER, {**CLUSTER, "name": "b", "accelerator-type-uuid": bitstreams.BUILD_ID}]
    header = read(bitstreams.gbs(bitstreams.gbs_metadata(accelerator_clusters=clusters)))
    assert (header.function_id, header.design) == (bitstreams.FUNCTION_ID, "nlb_400")


@pytest.mark.parametrize("size", [*range(0, len(bitstreams.gbs(payload=b"")), 7), len(bitstreams.gbs(payload=b""))])
def test_file_that_is_cut_off_is_refused(size: int) -> None:
    refusal(bitstreams.gbs()[:size])


@pytest.mark.parametrize("length", [0, 1, 100, 0x10000, 0xFFFFFFFF])
def test_length_that_differs_from_the_metadata_is_refused(length: int) -> None:
    refusal(bitstreams.gbs(length=length))


def test_metadata_too_long() -> None:
    assert "at most 65536" in refusal(bitstreams.gbs(b" " * 65537 + json.dumps(bitstreams.gbs_metadata()).encode()))


@pytest.mark.parametrize(
    "metadata,expected",
    [
        ([], "an object"),
        ("x", "an object"),
        (7, "an object"),
        ({}, "version of type int"),
        ({"version": True}, "version of type int"),
        ({"version": 2}, "version 1"),
        ({"version": 1}, "afu-image of type dict"),
        ({"version": 1, "afu-image": []}, "afu-image of type dict"),
        (bitstreams.gbs_metadata(magic_no=None), "magic-no of type int"),
        (bitstreams.gbs_metadata(magic_no=488605312.0), "magic-no of type int"),
        (bitstreams.gbs_metadata(magic_no=1), "magic-no 488605312"),
        (bitstreams.gbs_metadata(interface_uuid=None), "interface-uuid of type str"),
        (bitstreams.gbs_metadata(interface_uuid="x"), "interface-uuid to be a UUID"),
        (bitstreams.gbs_metadata(interface_uuid=5), "interface-uuid of type str"),
        (bitstreams.gbs_metadata(accelerator_clusters=None), "accelerator-clusters of type list"),
        (bitstreams.gbs_metadata(accelerator_clusters={}), "accelerator-clusters of type list"),
        (bitstreams.gbs_metadata(accelerator_clusters=[1]), "an object"),
        (bitstreams.gbs_metadata(accelerator_clusters=[{"name": "x"}]), "accelerator-type-uuid of type str"),
        (bitstreams.gbs_metadata(accelerator_clusters=[{**CLUSTER, "name": "\x1b"}]), "printable"),
        (bitstreams.gbs_metadata(accelerator_clusters=[{**CLUSTER, "name": "x" * 256}]), "at most 255"),
        (bitstreams.gbs_metadata(accelerator_clusters=[CLUSTER] * 65), "at most 64"),
        ({**bitstreams.gbs_metadata(), "platform-name": 5}, "platform-name of type str"),
        (b"", "in JSON"),
        (b"{", "in JSON"),
        (b"\xff\xfe", "in JSON"),
        (b"[" * 50000, "in JSON"),
        (b'{"version": 1, "version": 1}', "a key stands twice"),
    ],
)
def test_metadata_that_are_wrong(metadata: object, expected: str) -> None:
    assert expected in refusal(bitstreams.gbs(metadata))


@pytest.mark.parametrize(
    "cluster", [{**CLUSTER, "accelerator-type-uuid": "x"}, {**CLUSTER, "accelerator-type-uuid": None}]
)
def test_function_that_is_not_a_uuid_is_refused(cluster: dict) -> None:
    assert "accelerator-type-uuid" in refusal(bitstreams.gbs(bitstreams.gbs_metadata(accelerator_clusters=[cluster])))


def test_file_without_configuration_data_is_refused() -> None:
    assert "configuration data" in refusal(bitstreams.gbs(payload=b""))


def test_deprecated_form_without_metadata_is_refused() -> None:
    data = bytes.fromhex("80861f1d") + bytes(16) + b"bits"
    assert "the GUID 58656f6e-4650-4741-b747-425376303031" in refusal(data)
    assert formats.identify(io.BytesIO(data)) is None


def test_long_file_is_not_read_whole() -> None:
    meter = bitstreams.Meter(bitstreams.gbs(payload=bytes(16 << 20)))
    assert gbs.read(meter).payload_size == 16 << 20
    assert meter.total < 4096
