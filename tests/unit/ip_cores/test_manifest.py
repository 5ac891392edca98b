# SPDX-License-Identifier: Apache-2.0
"""Manifests: every refusal names its field."""

from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpga_nova import errors
from fpga_nova.ip_cores import manifest
from tests.support.archives import FUNCTION_ID, manifest_data

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=9) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


def test_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(json.loads(manifest.SCHEMA_PATH.read_text()))


def test_reads_all_fields():
    data = manifest_data(description="what it does", files=[{"file": "doc/a.txt", "sha256": "0" * 64, "size": 0}])
    data["bitstreams"][0]["interface_id"] = FUNCTION_ID
    read = manifest.parse(json.dumps(data))
    assert (read.name, read.version, read.vendor, read.description) == ("core", "1.0", "sim", "what it does")
    assert (read.function_type, read.function_id) == ("test", FUNCTION_ID)
    assert (read.bitstreams[0].board, read.bitstreams[0].interface_id) == ("board1", FUNCTION_ID)
    assert read.files[0].file == "doc/a.txt"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"manifest_version": 2}, "manifest_version"),
        ({"name": "../x"}, "name"),
        ({"vendor": "Intel"}, "vendor"),
        ({"function": {"type": "x", "id": "1"}}, r"function\.id"),
        ({"bitstreams": []}, "bitstreams"),
        ({"surprise": 1}, "surprise"),
        ({"files": [{"file": "../a", "sha256": "0" * 64, "size": 1}]}, r"files\[0\]\.file"),
        ({"files": [{"file": "manifest.json", "sha256": "0" * 64, "size": 1}]}, "lists itself"),
        ({"files": [{"file": "x.bin", "sha256": "0" * 64, "size": 1}]}, "listed twice"),
    ],
)
def test_refusal_names_the_field(changes, field):
    with pytest.raises(errors.ArchiveInvalid, match=field):
        manifest.parse(json.dumps(manifest_data(**changes)))


@pytest.mark.parametrize("key", ["manifest_version", "name", "version", "vendor", "function", "bitstreams"])
def test_required_fields(key):
    data = manifest_data()
    del data[key]
    with pytest.raises(errors.ArchiveInvalid, match=f"'{key}' is a required property"):
        manifest.parse(json.dumps(data))


@pytest.mark.parametrize(
    ("key", "value"), [("size", -1), ("size", 0), ("size", "4"), ("sha256", "A" * 64), ("file", "/x"), ("board", "")]
)
def test_bitstream_fields(key, value):
    data = manifest_data()
    data["bitstreams"][0][key] = value
    with pytest.raises(errors.ArchiveInvalid, match=rf"bitstreams\[0\]\.{key}"):
        manifest.parse(json.dumps(data))


@pytest.mark.parametrize(
    "text", ["", "{", "[1", "\ufffe", '{"name": 1, "name": 2}', '{"name": NaN}', "[" * 60000, '{"a": "' + "x" * 70000]
)
def test_not_json(text):
    with pytest.raises(errors.ArchiveInvalid, match=r"not valid JSON|more than"):
        manifest.parse(text)


def test_not_utf8():
    with pytest.raises(errors.ArchiveInvalid, match="not valid JSON"):
        manifest.parse(b"\xff\xfe{}")


@settings(deadline=None)
@given(ANYTHING)
def test_anything_else_is_refused_in_one_line(data):
    with pytest.raises(errors.ArchiveInvalid) as caught:
        manifest.parse(json.dumps(data))
    assert str(caught.value).isprintable()
