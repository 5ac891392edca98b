# SPDX-License-Identifier: Apache-2.0
"""The allow-list: which rules admit which core, and which files are not a policy."""

from __future__ import annotations

import json

import jsonschema
import pytest

from fpga_nova import errors
from fpga_nova.ip_cores import manifest, policy, schema
from tests.support.archives import FUNCTION_ID, manifest_data

PROJECT = "6f70656e737461636b20342065766572"
DASHED = "6f70656e-7374-6163-6b20-342065766572"
OTHER = "0b1d7c0a5d3e4f6a8b9c0d1e2f3a4b5c"
CORE = manifest.build(manifest_data(), "a test's")  # vendor sim, function of type test


def check(rules, project=PROJECT, owner=OTHER, core=CORE):
    policy.Policy(rules, "/etc/policy.yaml").check(policy.Subject(project, owner, core))


@pytest.mark.parametrize(
    "rules",
    [
        [{"project": [PROJECT]}],
        [{"project": [DASHED]}],
        [{"project": [OTHER, PROJECT]}],
        [{"image_owner": [OTHER]}],
        [{"vendor": ["sim"]}],
        [{"function": ["test"]}],
        [{"function": [FUNCTION_ID]}],
        [{"project": [PROJECT], "image_owner": [OTHER], "vendor": ["lattice", "sim"], "function": ["test"]}],
        [{"project": [OTHER]}, {"vendor": ["sim"]}],
    ],
)
def test_admits(rules):
    check(rules)
    check(rules, project=DASHED)


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [{"project": [OTHER]}],
        [{"image_owner": [PROJECT]}],
        [{"vendor": ["lattice"]}],
        [{"function": ["crypto"]}],
        [{"function": [DASHED]}],
        [{"project": [PROJECT], "vendor": ["lattice"]}],
        [{"project": [OTHER], "vendor": ["sim"]}],
        [{"project": [OTHER], "vendor": ["sim"]}, {"project": [PROJECT], "vendor": ["lattice"]}],
    ],
)
def test_refuses(rules):
    with pytest.raises(errors.RefusedByPolicy) as caught:
        check(rules)
    assert str(caught.value) == (
        f"no rule of /etc/policy.yaml admits this IP core: project {PROJECT}, image owner {OTHER}, vendor sim, "
        f"function test {FUNCTION_ID}"
    )


@pytest.mark.parametrize("rules", [[{"project": [PROJECT]}], [{"image_owner": [OTHER]}]])
def test_nobody_said_whose_it_is(rules):
    with pytest.raises(errors.RefusedByPolicy, match="project not given, image owner none, vendor sim"):
        check(rules, project=None, owner=None)


def test_fact_that_is_not_known_yet_may_still_match():
    check([{"project": [PROJECT], "vendor": ["lattice"], "function": ["crypto"]}], core=None)
    with pytest.raises(errors.RefusedByPolicy, match=f"project {PROJECT}, image owner {OTHER}$"):
        check([{"project": [OTHER], "vendor": ["sim"]}], core=None)


def test_project_that_is_not_known_yet_may_still_match():
    check([{"project": [PROJECT], "vendor": ["sim"]}], project=policy.ANY_PROJECT)
    with pytest.raises(errors.RefusedByPolicy, match=f"project any, image owner {OTHER}, vendor sim"):
        check([{"project": [PROJECT], "vendor": ["lattice"]}], project=policy.ANY_PROJECT)


@pytest.fixture
def load(tmp_path):
    def load(text: str, mode: int = 0o600, name: str = "policy.yaml") -> policy.Policy:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(mode)
        return policy.load(path)

    return load


def test_policy_file_is_read(load, tmp_path):
    loaded = load(f"policy_version: 1\nrules:\n  - project: [{PROJECT}]  # ours\n    vendor: [sim]\n", mode=0o644)
    loaded.check(policy.Subject(PROJECT, None, CORE))
    with pytest.raises(errors.RefusedByPolicy, match=f"no rule of {tmp_path}/policy.yaml admits"):
        loaded.check(policy.Subject(OTHER, None, CORE))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the whole document: None is not of type 'object'"),
        ("[]", "the whole document"),
        ("{}", "the whole document: 'rules' is a required property"),
        ("rules: {}", "rules: {} is not of type 'array'"),
        ("rules: [{}]", r"rules\[0\]: {}"),
        ("rules: [{projects: []}]", r"rules\[0\]: Additional properties are not allowed \('projects'"),
        ("rules: [{vendor: []}]", r"rules\[0\].vendor"),
        ("rules: [{vendor: lattice}]", r"rules\[0\].vendor: 'lattice' is not of type 'array'"),
        ("rules: [{vendor: [a]}, {project: [abc]}]", r"rules\[1\].project\[0\]: 'abc' does not match"),
        ("rules: [{project: [12345678901234567890123456789012]}]", r"rules\[0\].project\[0\]: 123.* is not of type"),
        ("rules: [{vendor: [Lattice]}]", r"rules\[0\].vendor\[0\]"),
        ("policy_version: 2\nrules: []", "policy_version: 1 was expected"),
        ("rules: [", "is not valid YAML"),
        ("rules: []\nrules: [{vendor: [sim]}]", "'rules' stands twice in one mapping"),
        ("rules: [{vendor: [sim], vendor: [lattice]}]", "'vendor' stands twice in one mapping"),
        ("rules: !!python/object/apply:os.system ['true']", "is not valid YAML"),
        ("\0", "is not valid YAML"),
        ("? [a]\n: b", "is not valid YAML"),
        ("a: &a [*a]", "recursive"),
    ],
)
def test_files_that_are_none(load, text, said):
    with pytest.raises(errors.ConfigurationInvalid, match=said) as caught:
        load(text)
    assert str(caught.value).startswith("policy file /")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_file_that_others_may_write(load, mode):
    with pytest.raises(errors.ConfigurationInvalid, match=r"policy_file: .* can be changed by others than root"):
        load("rules: []", mode=mode)


def test_directory_that_others_may_write(load, tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(errors.ConfigurationInvalid, match=f"{tmp_path} can be changed by others than root"):
        load("rules: []")


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(errors.ConfigurationInvalid, match="cannot be read: No such file"):
        policy.load(tmp_path / "policy.yaml")


def test_relative_path_is_refused():
    with pytest.raises(errors.ConfigurationInvalid, match="is not an absolute path"):
        policy.load(policy.pathlib.Path("policy.yaml"))


def test_long_file_is_refused(load):
    with pytest.raises(errors.ConfigurationInvalid, match="more than 1048576 bytes"):
        load("rules: []" + " " * (1 << 20))


def test_schema_is_valid():
    jsonschema.Draft202012Validator.check_schema(json.loads(schema.path("policy-1").read_text()))
