# SPDX-License-Identifier: Apache-2.0
"""UUIDs in text: what is canonical, what is read, and that the published files use the same pattern."""

from __future__ import annotations

import json
import pathlib
import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpga_nova.ip_cores import schema
from fpga_nova.system import uuids

ROOT = pathlib.Path(__file__).resolve().parents[3]
UUID = "862c7020-a250-293e-3203-6f19956669e5"


@pytest.mark.parametrize(
    "text",
    [
        UUID,
        UUID.upper(),
        "862C7020-a250-293e-3203-6f19956669E5",
        "862c7020a250293e32036f19956669e5",
        "862C7020A250293E32036F19956669E5",
    ],
)
def test_canonical_reads_either_case_with_all_dashes_or_none(text: str) -> None:
    assert uuids.canonical(text) == UUID


#: Each but the last three is a UUID to `uuid.UUID`.
UNREADABLE = [
    "862c7020-a250293e-3203-6f19956669e5",
    "862c7020a250-293e-3203-6f19956669e5",
    "8-62c7020a250293e32036f19956669e5",
    f"{{{UUID}}}",
    f"urn:uuid:{UUID}",
    f"{UUID}-",
    "\u0668" + UUID[1:],
    "0_1c7020-a250-293e-3203-6f19956669e5",
    UUID + "\n",
    UUID[:-1],
    "",
]


@pytest.mark.parametrize("text", UNREADABLE)
def test_canonical_refuses_what_only_uuid_reads(text: str) -> None:
    assert uuids.canonical(text) is None
    assert not uuids.is_canonical(text)


def test_uuid_reads_what_canonical_refuses() -> None:
    assert all(uuid.UUID(text) for text in UNREADABLE[:-3])


@given(st.uuids())
def test_what_canonical_returns_is_canonical(value: uuid.UUID) -> None:
    for text in (str(value), value.hex, str(value).upper(), value.hex.upper()):
        assert uuids.canonical(text) == str(value)
    assert uuids.is_canonical(str(value))


@pytest.mark.parametrize("value", [None, 7, UUID.encode(), uuid.UUID(UUID), UUID.upper(), UUID.replace("-", "")])
def test_is_canonical_refuses_other_types_and_forms(value: object) -> None:
    assert not uuids.is_canonical(value)


def test_published_schemas_use_the_pattern() -> None:
    manifest = json.loads((pathlib.Path(schema.__file__).parent / "schemas/manifest-1.json").read_text())
    policy = json.loads((pathlib.Path(schema.__file__).parent / "schemas/policy-1.json").read_text())
    assert manifest["$defs"]["uuid"]["pattern"] == f"^{uuids.PATTERN}$"
    assert f'"^([0-9a-f]{{32}}|{uuids.PATTERN})$"' in json.dumps(policy)


def test_rootwrap_filters_use_the_pattern() -> None:
    lines = (ROOT / "etc/nova/rootwrap.d/fpga.filters").read_text().splitlines()
    fields = [field for line in lines if not line.startswith("#") for field in re.split(r",\s*", line)]
    ids = [field for field in fields if "[0-9a-f]{12}" in field]
    assert ids and set(ids) == {uuids.PATTERN + r"\Z"}
