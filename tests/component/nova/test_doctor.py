# SPDX-License-Identifier: Apache-2.0
"""`fpga-nova doctor` with what only the real thing tells: root's files, other users, sudo, Glance, MariaDB, /proc.

tests/unit/doctor has the checks of configuration and databases.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import pytest
import sqlalchemy as sa

from fpga_nova.doctor import compute_checks, database_checks, glance_checks, processes, rootwrap_checks
from fpga_nova.fpga_nova_cli import main
from tests.support import doctor_world, forked
from tests.support.doctor_world import FAILURE, FILTERS, ROOT, SUCCESS, WARNING
from tests.support.image_server import serving

#: Of unshare(2).
CLONE_NEWNS = 0x00020000

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="NOT ROOT: the doctor looks at files of root, and runs fpga-cli as another user"
)


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    return doctor_world.make_databases(tmp_path_factory.mktemp("databases"))


@pytest.fixture
def world(tmp_path, databases, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    with serving(b"") as glance:
        made = doctor_world.World(tmp_path, databases, f"http://127.0.0.1:{glance.server_port}")
        made.glance = glance
        yield made
    doctor_world.reset_nova_conf()


@pytest.fixture
def examine(world, capsys):
    """Run the whole command; return its rows: title to result and details. Its exit code must be that of the worst."""

    def run(*arguments: str, roles=("api", "scheduler", "conductor", "compute")) -> dict[str, tuple[int, str]]:
        words = ["doctor", "--json", "--nova-user", "root", *world.write(), *(f"--role={role}" for role in roles)]
        code = main.main([*words, *arguments])
        out, err = capsys.readouterr()
        assert err == ""
        rows = {row["check"]: (row["result"], row["details"]) for row in json.loads(out)["checks"]}
        assert code == max(result for result, _ in rows.values()), json.dumps(rows, indent=1)
        assert all("\n" not in details for _, details in rows.values())
        return rows

    return run


RUNS = "fpga_exec as nova-compute runs it"


def test_host_that_is_all_in_one_is_well(examine):
    rows = examine()
    # Run as root, nova-compute would need no rootwrap; the tests below have another user.
    assert {title: details for title, (result, details) in rows.items() if result} == {}
    assert rows["Regions that compute nodes report"][1].endswith("host1 0/2")
    assert rows["FpgaFilter"][1] == "FpgaFilter is enabled"
    assert rows["Extra spec hw:fpga_ip_id"][1] == "hw:fpga_ip_id is validated"
    assert rows[RUNS][1] == "as root: Used regions: 0/2"


def test_host_without_fpga_is_well(world, examine):
    world.nova["DEFAULT"] = {"compute_driver": "libvirt.LibvirtDriver"}
    del world.nova["database"], world.nova["api_database"], world.nova["fpga"]
    world.fpga = None
    rows = examine(roles=[])
    assert {result for result, _ in rows.values()} == {SUCCESS}
    assert rows[RUNS][1] == "does not apply: fpga_access is False on this host"


# Glance, by real HTTP.


def refuse_format(world):
    world.glance.formats = ["bare", "ami"]


def break_schema(world):
    world.glance.schema_status = 503


def forget_credentials(world):
    del world.nova["placement"]


def set_fpga(**changes):
    return lambda world: world.fpga["fpga"].update(changes)


AS_NOVA, AS_FPGA_CLI = glance_checks.check_container_format, glance_checks.check_credentials


@pytest.mark.parametrize(
    ("forget", "look", "result", "words"),
    [
        (lambda world: None, AS_NOVA, SUCCESS, "takes the container format fpga"),
        (lambda world: None, AS_FPGA_CLI, SUCCESS, "takes the container format fpga"),
        (refuse_format, AS_NOVA, FAILURE, "container_formats = bare,ami,fpga"),
        (refuse_format, AS_FPGA_CLI, FAILURE, "container_formats = bare,ami,fpga"),
        (break_schema, AS_NOVA, WARNING, "not checked: Glance cannot be asked"),
        (break_schema, AS_FPGA_CLI, FAILURE, "Glance cannot be asked"),
        (forget_credentials, AS_NOVA, WARNING, "not checked: nova.conf has no credentials"),
        (set_fpga(auth_type="password", auth_url="http://127.0.0.1:1"), AS_FPGA_CLI, FAILURE, "be asked"),
        (set_fpga(auth_type=""), AS_FPGA_CLI, FAILURE, "no credentials for Glance"),
        (set_fpga(endpoint_override="http://127.0.0.1:1"), AS_FPGA_CLI, FAILURE, "Glance cannot be asked"),
        (lambda world: world.stand_in(), AS_FPGA_CLI, SUCCESS, "does not apply: other stands in for fpga-cli"),
    ],
)
def test_glance_is_asked_with_both_credentials(world, forget, look, result, words):
    forget(world)
    found, details = world.examine(look)
    assert (found, words in details) == (result, True), details


# Files that only root may change.


def set_mode(name, mode):
    def change(world):
        world.write()
        (world.path / name).chmod(mode)

    return change


def give_away(name):
    return lambda world: os.chown(world.path / name, 65534, 0)


def link_filter(world):
    target = world.path / "theirs"
    shutil.copy(FILTERS, target)
    os.chown(target, 65534, 65534)
    (world.path / "rootwrap.d" / "fpga.filters").unlink()
    (world.path / "rootwrap.d" / "fpga.filters").symlink_to(target)


def forget_fpga_conf(world):
    world.fpga = None


EXECUTABLE, FPGA_CONF = compute_checks.check_executable, compute_checks.check_configuration
FILES = rootwrap_checks.check_files


@pytest.mark.parametrize(
    ("forget", "look", "words"),
    [
        (lambda world: (world.path / "bin/fpga-cli").unlink(), EXECUTABLE, "in none of the exec_dirs"),
        (give_away("bin/fpga-cli"), EXECUTABLE, "fpga-cli belongs to the user 65534"),
        (set_mode("bin", 0o777), EXECUTABLE, "can be changed by others than root, and fpga-cli runs as root"),
        (forget_fpga_conf, FPGA_CONF, "is not there"),
        (set_mode("fpga.conf", 0o644), FPGA_CONF, "chmod 0600"),
        (set_fpga(devices="nothing"), FPGA_CONF, "no usable driver 'nothing'"),
        (set_fpga(lock_timeout="soon"), FPGA_CONF, "configuration cannot be used"),
        (set_fpga(policy_file="/nowhere.yaml"), FPGA_CONF, "/nowhere.yaml"),
        (set_mode("rootwrap.d", 0o777), FILES, "rootwrap.d can be changed by others"),
        (set_mode("rootwrap.conf", 0o646), FILES, "rootwrap.conf can be changed by others"),
        (set_mode("rootwrap.d/fpga.filters", 0o666), FILES, "fpga.filters can be changed by others"),
        (give_away("rootwrap.d/fpga.filters"), FILES, "fpga.filters belongs to the user 65534"),
        (link_filter, FILES, "theirs belongs to the user 65534"),
    ],
)
def test_what_others_can_change_fails(world, forget, look, words):
    forget(world)
    result, details = world.examine(look, user="nobody")
    assert (result, words in details) == (FAILURE, True), details


@pytest.mark.parametrize("look", [EXECUTABLE, FPGA_CONF, FILES])
def test_what_only_root_can_change_is_well(world, look):
    result, details = world.examine(look, user="nobody")
    assert (result, details.startswith("does not apply")) == (SUCCESS, False), details


# The way of nova-compute.


@pytest.mark.parametrize(
    ("forget", "result", "words"),
    [
        (lambda world: world.script("fpga-cli", "false"), FAILURE, "failed with exit code 1"),
        (set_fpga(sim_cards=""), WARNING, "fpga-cli has no card"),
    ],
)
def test_status_without_an_answer_is_found(world, forget, result, words):
    forget(world)
    found, details = world.examine(compute_checks.check_status)
    assert (found, words in details) == (result, True), details


def status_under(world, policy: pathlib.Path) -> tuple[int, str]:
    """Run the check with `policy` as /etc/sudoers.d, in a mount namespace of its own."""

    def look() -> str:
        assert ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) == 0
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["mount", "--bind", str(policy), "/etc/sudoers.d"], check=True)
        return json.dumps(world.examine(compute_checks.check_status, user="nobody"))

    result, details = json.loads(forked.call(look))
    return result, details


@pytest.mark.skipif(shutil.which("sudo") is None, reason="SUDO IS NOT INSTALLED: the way of nova-compute is not tried")
def test_status_goes_by_sudo_and_rootwrap(world):
    bin_directory = pathlib.Path(sys.executable).parent
    policy = world.path / "sudoers.d"
    policy.mkdir(mode=0o755)
    rule = f"nobody ALL=(root) NOPASSWD: {bin_directory}/nova-rootwrap {world.path}/rootwrap.conf *\n"
    text = f'Defaults secure_path="{bin_directory}:/usr/bin:/bin"\n{rule}'
    (policy / "nova").write_text(text)
    (policy / "nova").chmod(0o440)
    assert status_under(world, policy) == (SUCCESS, "as nobody: Used regions: 0/2")

    (policy / "nova").write_text("")
    result, details = status_under(world, policy)
    assert (result, "sudo refuses" in details) == (FAILURE, True), details

    (policy / "nova").write_text(text)
    (world.path / "rootwrap.d" / "fpga.filters").unlink()
    result, details = status_under(world, policy)
    assert (result, "no rootwrap filter admits it" in details) == (FAILURE, True), details


def test_without_root_what_cannot_be_looked_at_is_said(world):
    with tempfile.TemporaryDirectory() as directory:
        shared = pathlib.Path(directory)
        shared.chmod(0o755)
        (shared / "root").mkdir(mode=0o700)
        world.nova["DEFAULT"] |= {"fpga_exec": "/bin/true", "rootwrap_config": shared / "root" / "rootwrap.conf"}
        world.write()
        shutil.copy(world.path / "nova.conf", shared)
        words = ["doctor", "--json", "--config-file", str(shared / "nova.conf"), "--nova-user=root"]
        words += ["--fpga-config", str(shared / "root" / "fpga.conf")]

        def run() -> str:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            text = io.StringIO()
            with contextlib.redirect_stdout(text):
                code = main.main(words)
            return json.dumps([code, json.loads(text.getvalue())["checks"]])

        code, checks = json.loads(forked.call(run))
    rows = {row["check"]: (row["result"], row["details"]) for row in checks}
    assert code == FAILURE
    assert rows[RUNS][0] == WARNING and "run the doctor as root" in rows[RUNS][1]
    assert "unexpected" not in str(rows)


# Running services, read from /proc.


@pytest.fixture
def running(tmp_path):
    """Start what looks like a service of Nova, in a mount namespace of its own; return it and how to be in there."""
    script = tmp_path / "nova-compute"
    script.write_text(f"#!{sys.executable}\nimport time\nprint('up', flush=True)\ntime.sleep(600)\n")
    script.chmod(0o755)
    command = ["unshare", "--mount", "--propagation", "private", str(script), "--config-file", "x"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    yield process, script, ["nsenter", "--target", str(process.pid), "--mount"]
    process.kill()
    process.wait()
    process.stdout.close()


def test_services_of_our_mount_namespace_are_seen(running):
    process, script, inside = running
    program = (
        "import json; from fpga_nova.doctor import processes; services, complete = processes.services();"
        "print(json.dumps([[(s.name, s.pid, s.uid, str(s.script), s.started) for s in services], complete]))"
    )
    done = subprocess.run(
        [*inside, sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True, cwd="/",
    )  # fmt: skip
    ((name, pid, uid, path, started),), complete = json.loads(done.stdout)
    assert (name, pid, uid, path, complete) == ("nova-compute", process.pid, 0, str(script), True)
    # The kernel gives the time of boot in whole seconds.
    assert abs(started - script.stat().st_mtime) < 60
    assert [service.pid for service in processes.services()[0] if service.pid == process.pid] == []


def test_interpreter_tells_what_it_has():
    found = processes.probe(sys.executable, 0)
    assert found.nova is not None and found.nova.name == "nova"
    assert re.match(r"\d", found.fpga_nova or "")


def test_interpreter_of_another_user_does_not_run_as_root():
    """Any user may name a process nova-compute: what its script names is run as that user."""
    with tempfile.TemporaryDirectory() as directory:
        theirs = pathlib.Path(directory)
        theirs.chmod(0o755)
        (theirs / "python").write_text(f"#!/bin/sh\nid -u > {theirs}/uid\n")
        (theirs / "python").chmod(0o755)
        os.chown(theirs, 65534, 65534)
        with pytest.raises(processes.InterpreterUnknown, match="does not say what it has"):
            processes.probe(str(theirs / "python"), 65534)
        assert (theirs / "uid").read_text() == "65534\n"


# The same on MariaDB.


def test_columns_on_mariadb(world, mariadb):
    engine = sa.create_engine(f"mysql+pymysql://root@localhost/?unix_socket={mariadb}")
    tables = ("compute_nodes", "shadow_compute_nodes", "instances", "shadow_instances")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE DATABASE doctor"))
        for table in tables:
            columns = "host VARCHAR(9), hypervisor_hostname VARCHAR(9), deleted INT, fpga_regions INT, "
            columns += "fpga_regions_used INT, fpga_device VARCHAR(255)"
            connection.execute(sa.text(f"CREATE TABLE doctor.{table} ({columns})"))
        connection.execute(sa.text("INSERT INTO doctor.compute_nodes VALUES ('host1', 'host1', 0, 2, 1, NULL)"))
    world.nova["database"]["connection"] = f"mysql+pymysql://root@localhost/doctor?unix_socket={mariadb}"
    # The address of the cell is a template over that of nova.conf, as `nova-manage cell_v2` makes them.
    template = "{scheme}://{username}@{hostname}/{path}?{query}"
    world.sql("api", f"UPDATE cell_mappings SET database_connection = '{template}'")
    assert world.examine(database_checks.check_columns) == (SUCCESS, "all are there in cell0, cell1")
    assert "host1 1/2" in world.examine(database_checks.check_compute_nodes)[1]
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE doctor.shadow_instances DROP COLUMN fpga_device"))
    engine.dispose()
    result, details = world.examine(database_checks.check_columns)
    assert (result, "cell1: no shadow_instances.fpga_device" in details) == (FAILURE, True)
