# SPDX-License-Identifier: Apache-2.0
"""The forms of fpga-cli's output, read back by the parsers of those forms."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.support.archives import manifest_data, write_archive

TABLES = (["list"], ["show", "REGION"], ["verify"], ["history"])


@pytest.fixture
def region(host, core_archive):
    return host.cli("burn", "--file", core_archive).strip()


def run(host, region, command, *options):
    return host.cli(*(region if word == "REGION" else word for word in command), *options)


@pytest.mark.parametrize("command", TABLES, ids=" ".join)
def test_yaml_equals_json(host, region, command):
    first = json.loads(run(host, region, command, "-f", "json"))
    if command in (["history"], ["verify"]):
        columns = first[0].keys()
        second = yaml.safe_load(run(host, region, command, "-f", "yaml"))
        assert second and all(entry.keys() == columns for entry in second)
    else:
        assert yaml.safe_load(run(host, region, command, "-f", "yaml")) == first


@pytest.mark.parametrize("command", TABLES, ids=" ".join)
def test_columns_are_the_keys_of_json(host, region, command):
    data = json.loads(run(host, region, command, "-f", "json"))
    for key in data[0] if isinstance(data, list) else data:
        assert run(host, region, command, "-f", "value", "-c", key).strip()
    text = host.cli(*(region if word == "REGION" else word for word in command), "-c", "colour", code=1)
    assert "no column 'colour'; there are " in text


def test_value_form_prints_bare_values(host, region):
    assert host.cli("show", region, "-f", "value", "-c", "state", "-c", "owner") == "programmed\n-\n"
    lines = host.cli("list", "-f", "value", "-c", "card_id", "-c", "index").splitlines()
    assert lines == ["sim:a 0", "sim:a 1", "sim:b 0"]


def test_table_is_the_default_with_one_row_a_region(host, region):
    lines = host.cli("list").splitlines()
    assert lines[1].split("|")[1].strip() == "id"
    assert len(lines) == 4 + 3
    assert any(region in line and "programmed" in line for line in lines)


def test_lists_without_rows(host):
    host.configure(sim_cards="")
    assert host.cli("list") == ""
    assert json.loads(host.cli("list", "-f", "json")) == []
    assert host.cli("recover") == ""


EVIL = "a\x1b[2J\rb\n| forged |\u202e\x9b31m"


def plain(text):
    return all(char.isprintable() or char == "\n" for char in text)


def test_tenant_text_cannot_move_the_cursor(host, tmp_path):
    """A description may hold anything; a table and values show it as one printable line."""
    evil = write_archive(tmp_path / "evil.zip", manifest_data(description=EVIL))
    assert not plain(json.loads(host.cli("inspect", evil))["description"])
    table = host.cli("inspect", "-f", "table", evil)
    assert plain(table) and "a[2J b | forged |" in table
    assert len(host.cli("inspect", "-f", "value", "-c", "description", evil).splitlines()) == 1


def test_logged_text_cannot_move_the_cursor(host):
    host.cli("status")
    with (host.state_path / "audit.log").open("a") as file:
        file.write(json.dumps({"command": EVIL, "error": EVIL, "steps": [EVIL]}) + "\n")
    for form in ("table", "value"):
        assert plain(host.cli("history", "-f", form))
        assert len(host.cli("history", "-f", form, "-c", "steps", "--limit", "1").splitlines()) in (1, 5)


def test_inspect_prints_the_manifest_in_each_form(host, core_archive):
    manifest = json.loads(host.cli("inspect", core_archive))
    assert json.loads(host.cli("inspect", "-f", "json", core_archive)) == manifest
    assert yaml.safe_load(host.cli("inspect", "-f", "yaml", core_archive)) == manifest
    assert host.cli("inspect", "-f", "value", "-c", "name", core_archive) == "core\n"
    assert manifest["bitstreams"][0]["sha256"] in host.cli("inspect", "-f", "table", core_archive)


def test_unknown_region_has_one_message(host):
    for command in (["show"], ["verify"], ["quarantine", "--reason", "x"]):
        assert "unknown region 'none'" in host.cli(*command, "none", code=33)


def test_show_after_the_driver_was_switched_off(host, region):
    host.configure(devices="soft")
    shown = json.loads(host.cli("show", region, "-f", "json"))
    assert (shown["state"], shown["card_present"], shown["endpoint_kind"]) == ("programmed", True, None)
