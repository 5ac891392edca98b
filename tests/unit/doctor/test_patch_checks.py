# SPDX-License-Identifier: Apache-2.0
"""The doctor on the patch, the services that run, and the versions of fpga-nova."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import sys

import pytest

from fpga_nova import errors
from fpga_nova.doctor import patch_checks, processes
from fpga_nova.patcher.locate import Nova
from fpga_nova.patcher.tree import State, Status
from tests.support.doctor_world import FAILURE, SUCCESS, WARNING

PATCHED = Status(State.APPLIED, "patched, 16 files")
#: Seconds since the epoch.
PATCHED_AT = 1_000_000
OURS = importlib.metadata.version("fpga-nova")


@pytest.fixture
def nova(tmp_path, monkeypatch):
    """A Nova whose status the test sets, with files that were changed at PATCHED_AT."""
    package = tmp_path / "site-packages" / "nova"
    for name in patch_checks.series.load().files():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).touch()
        os.utime(package / name, (PATCHED_AT, PATCHED_AT))

    class Found:
        status = PATCHED

    class Tree:
        def __init__(self, nova, series):
            pass

        def status(self):
            return Found.status

    monkeypatch.setattr(patch_checks, "Tree", Tree)
    monkeypatch.setattr(patch_checks.locate, "find", lambda path: Nova(package, "34.0.0"))
    Found.package = package
    return Found


@pytest.fixture
def services(world, nova, monkeypatch):
    """Return a function that lets services run, in interpreters that have what it is told."""
    script = world.path / "nova-compute"
    script.write_text(f"#!{sys.executable}\n")

    def run(started=PATCHED_AT + 60, complete=True, of_nova=True, fpga_nova=OURS, look=patch_checks.check_services):
        python = processes.Python(sys.executable, nova.package if of_nova else None, fpga_nova)
        monkeypatch.setattr(processes, "probe", lambda path, uid: python)
        host = world.inspection()
        host.services = ([processes.Service("nova-compute", 7, 0, script, started)], complete)
        try:
            return SUCCESS, look(host)
        except patch_checks.Finding as finding:
            return int(finding.code), str(finding)

    return run


def test_patched_nova_is_well(world, nova):
    result, details = world.examine(patch_checks.check_patch)
    assert (result, details) == (SUCCESS, f"Nova 34.0.0 at {nova.package}: patched, 16 files")


@pytest.mark.parametrize(
    ("state", "fix"),
    [
        (State.NOT_APPLIED, "run `fpga-nova patch apply`"),
        (State.PARTLY, "run `fpga-nova patch apply`"),
        (State.CHANGED, "run `fpga-nova patch status`, then `fpga-nova patch apply`"),
        (State.OTHER_PATCHES, "run `fpga-nova patch apply`, then `nova-manage db sync`"),
    ],
)
def test_nova_that_is_not_patched_fails_with_the_fix(world, nova, state, fix):
    nova.status = Status(state, "in a state; with advice that the doctor leaves out")
    result, details = world.examine(patch_checks.check_patch, roles=("compute",))
    assert (result, details) == (FAILURE, f"Nova 34.0.0 at {nova.package} is in a state; {fix}")


def test_controller_that_is_not_patched_is_urgent(world, nova):
    nova.status = Status(State.NOT_APPLIED, "not patched")
    _, details = world.examine(patch_checks.check_patch, roles=("conductor",))
    assert details.endswith("; patched compute hosts do not work under this controller until then")


def test_missing_nova_fails(world, monkeypatch):
    def find(path):
        raise errors.ConfigurationInvalid("this interpreter has no Nova")

    monkeypatch.setattr(patch_checks.locate, "find", find)
    assert world.examine(patch_checks.check_patch) == (FAILURE, "this interpreter has no Nova")


def test_service_started_after_the_patch_is_well(services):
    assert services() == (SUCCESS, "nova-compute (7)")


def test_service_started_before_the_patch_fails(services):
    """Such a service has the old code in memory."""
    assert services(started=PATCHED_AT - 60) == (
        FAILURE, "nova-compute (7) was started before Nova was patched; restart it",
    )  # fmt: skip


def test_service_of_unpatched_nova_fails(services, nova):
    nova.status = Status(State.NOT_APPLIED, "not patched")
    result, details = services()
    assert (result, "is not patched; run `fpga-nova patch apply` with" in details) == (FAILURE, True), details


def test_service_without_fpga_nova_fails(services):
    result, details = services(fpga_nova=None)
    assert (result, details.endswith("has no fpga-nova; install it there")) == (FAILURE, True)


def test_service_without_a_nova_of_its_own_is_a_warning(services):
    result, details = services(of_nova=False)
    assert (result, "look at that service by hand" in details) == (WARNING, True)


def test_processes_that_could_not_be_seen_are_a_warning(services):
    result, details = services(complete=False)
    assert (result, details) == (WARNING, "not all processes could be looked at; run the doctor as root")


def test_host_without_services_has_nothing_to_look_at(world):
    result, details = world.examine(patch_checks.check_services)
    assert (result, details.startswith("does not apply: no service of Nova is seen")) == (SUCCESS, True)


def test_interpreter_that_does_not_answer_is_a_warning(services, world, monkeypatch):
    def probe(path, uid):
        raise processes.InterpreterUnknown(f"{path} does not say what it has")

    services()
    monkeypatch.setattr(processes, "probe", probe)
    host = world.inspection()
    host.services = ([processes.Service("nova-api", 9, 0, world.path / "nova-compute", 0)], True)
    for look in (patch_checks.check_services, patch_checks.check_versions):
        with pytest.raises(patch_checks.WarningFound, match="does not say what it has"):
            look(host)


def test_same_version_everywhere_is_well(services):
    assert services(look=patch_checks.check_versions) == (SUCCESS, f"fpga-nova {OURS}")


def test_other_version_in_a_service_fails(services):
    result, details = services(fpga_nova="0.0.1", look=patch_checks.check_versions)
    assert (result, "has fpga-nova 0.0.1, " in details) == (FAILURE, True)
    assert details.endswith("install one version")


def test_script_without_interpreter_is_unknown(tmp_path):
    for text in ("", "#!/usr/bin/env python3\n", "no interpreter\n"):
        (tmp_path / "script").write_text(text)
        with pytest.raises(processes.InterpreterUnknown, match="does not name its interpreter"):
            processes.interpreter(tmp_path / "script")
    with pytest.raises(processes.InterpreterUnknown, match="cannot be read"):
        processes.interpreter(pathlib.Path("/nowhere/script"))
