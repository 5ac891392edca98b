# SPDX-License-Identifier: Apache-2.0
"""How the doctor runs its checks and shows them; the checks here are made up."""

from __future__ import annotations

import json

import pytest

from fpga_nova import errors
from fpga_nova.doctor import checkup, findings
from fpga_nova.fpga_nova_cli import main


@pytest.fixture
def doctor(world, capsys, monkeypatch):
    """Run the command with these checks; return its exit code, and its rows: title to result and details."""

    def run(*looks, roles=frozenset(), options=("--json",)):
        checks = tuple(checkup.Check(str(number), look, roles) for number, look in enumerate(looks))
        monkeypatch.setattr(checkup, "CHECKS", checks)
        code = main.main(["doctor", *options, "--role=scheduler", *world.write()])
        out, err = capsys.readouterr()
        assert err == ""
        if "--json" not in options:
            return code, out
        return code, [(row["result"], row["details"]) for row in json.loads(out)["checks"]]

    return run


def raises(error):
    def look(host):
        raise error

    return look


def test_passed_checks_end_with_zero(doctor):
    assert doctor(lambda host: "fine", lambda host: findings.NotApplicable("no card")) == (
        0, [(0, "fine"), (0, "does not apply: no card")],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("error", "code", "details"),
    [
        (findings.WarningFound("perhaps"), 1, "perhaps"),
        (findings.NotChecked("no rights"), 1, "not checked: no rights"),
        (findings.FailureFound("two\nlines"), 2, "two lines"),
        (errors.ConfigurationInvalid("no such option"), 2, "no such option"),
        (PermissionError(13, "no", "/root/x"), 1, "not checked: /root/x may not be read; run the doctor as root"),
    ],
)
def test_exit_code_is_that_of_the_worst_finding(doctor, error, code, details):
    assert doctor(lambda host: "fine", raises(error), lambda host: "fine") == (
        code, [(0, "fine"), (code, details), (0, "fine")],
    )  # fmt: skip


def test_broken_check_keeps_the_other_answers(doctor):
    assert doctor(raises(RuntimeError("no\nidea")), lambda host: "fine") == (
        255, [(2, "unexpected RuntimeError: no idea (--debug shows where)"), (0, "fine")],
    )  # fmt: skip


def test_check_of_another_role_does_not_run(doctor):
    assert doctor(raises(RuntimeError()), roles=frozenset({"compute", "api"})) == (
        0, [(0, "does not apply: this host is not api or compute")],
    )  # fmt: skip


def test_table_shows_title_result_and_details(doctor):
    code, out = doctor(lambda host: "fine", options=())
    assert code == 0
    assert out.splitlines()[1].startswith("| fpga-nova doctor ")
    for line in ("| Check: 0 ", "| Result: Success ", "| Details: fine "):
        assert line in out


def test_every_check_has_a_title_of_its_own():
    titles = [check.title for check in checkup.CHECKS]
    assert len(set(titles)) == len(titles) == 16


def test_findings_are_raised_as_bad_as_the_worst():
    findings.raise_worst([])
    with pytest.raises(findings.WarningFound, match="one; not checked: two"):
        findings.raise_worst([findings.WarningFound("one"), findings.NotChecked("two")])
    with pytest.raises(findings.FailureFound, match="one; two"):
        findings.raise_worst([findings.WarningFound("one"), findings.FailureFound("two")])
