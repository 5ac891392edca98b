# SPDX-License-Identifier: Apache-2.0
"""`fpga-nova doctor` on hosts that are well, and on hosts where one thing is forgotten."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import textwrap
import time

import pytest
import sqlalchemy as sa

from fpga_nova.fpga_nova_cli import main as cli
from fpga_nova.patcher import locate, series, tree
from tests.support.image_server import serving

ROOT = pathlib.Path(__file__).resolve().parents[3]
FILTERS = ROOT / "etc" / "nova" / "rootwrap.d" / "fpga.filters"
SUCCESS, WARNING, FAILURE = 0, 1, 2

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="NOT ROOT: the doctor looks at files of root, and runs fpga-cli as another user"
)


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    """The tables of a patched Nova: its API database, a cell, and cell0."""
    from nova.db.api import models as api_models
    from nova.db.main import models

    directory = tmp_path_factory.mktemp("databases")
    for name in ("cell0", "cell1"):
        engine = sa.create_engine(f"sqlite:///{directory}/{name}")
        models.BASE.metadata.create_all(engine)
        with engine.begin() as connection:
            for table in ("compute_nodes", "instances"):
                connection.execute(sa.text(f"CREATE TABLE shadow_{table} AS SELECT * FROM {table}"))
        engine.dispose()
    engine = sa.create_engine(f"sqlite:///{directory}/api")
    api_models.BASE.metadata.create_all(engine)
    engine.dispose()
    return directory


class World:
    """A host that is all of a cloud in one, in a directory."""

    def __init__(self, path: pathlib.Path, databases: pathlib.Path, glance_port: int, capsys) -> None:
        self.path = path
        self.capsys = capsys
        self.databases = path / "databases"
        shutil.copytree(databases, self.databases)
        glance = {"auth_type": "none", "endpoint_override": f"http://127.0.0.1:{glance_port}"}
        glance |= {"connect_retries": 0}
        self.nova = {
            "DEFAULT": {
                "host": "host1",
                "compute_driver": "libvirt.LibvirtDriver",
                "fpga_access": True,
                "fpga_simulation_mode": False,
                "fpga_exec": "fpga-cli",
                "rootwrap_config": path / "rootwrap.conf",
            },
            "fpga": {"endpoint_path": path / "run" / "endpoints"},
            "filter_scheduler": {"enabled_filters": "ComputeFilter,FpgaFilter"},
            "database": {"connection": f"sqlite:///{self.databases}/cell1"},
            "api_database": {"connection": f"sqlite:///{self.databases}/api"},
            "glance": {"endpoint_override": glance["endpoint_override"], "connect_retries": 0},
            "placement": {"auth_type": "none"},
        }
        self.fpga = {"fpga": {"state_path": path / "state", "run_path": path / "run", **glance}}
        self.fpga["fpga"] |= {"devices": "sim", "sim_cards": "a:board1:2"}
        self.rootwrap = {"DEFAULT": {"filters_path": path / "rootwrap.d", "exec_dirs": path / "bin"}}
        (path / "rootwrap.d").mkdir()
        shutil.copy(FILTERS, path / "rootwrap.d")
        (path / "bin").mkdir()
        self.script("fpga-cli", f"{sys.executable} -m fpga_nova.fpga_cli --config-file {path}/fpga.conf")
        for cell, name in enumerate(("cell0", "cell1")):
            self.sql(
                "api",
                "INSERT INTO cell_mappings (uuid, name, database_connection, transport_url, disabled) VALUES "
                f"('{cell:032}', '{name}', 'sqlite:///{self.databases}/{name}', 'none:///', 0)",
            )
        self.sql(
            "cell1",
            "INSERT INTO compute_nodes (uuid, host, hypervisor_hostname, deleted, vcpus, memory_mb, local_gb, "
            "vcpus_used, memory_mb_used, local_gb_used, hypervisor_type, hypervisor_version, cpu_info, fpga_regions, "
            "fpga_regions_used) VALUES ('u', 'host1', 'host1', 0, 1, 1, 1, 0, 0, 0, 'QEMU', 1, '', 2, 0)",
        )

    def script(self, name: str, command: str) -> pathlib.Path:
        script = self.path / "bin" / name
        script.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {command} "$@"\n')
        script.chmod(0o755)
        return script

    def sql(self, database: str, *statements: str) -> None:
        engine = sa.create_engine(f"sqlite:///{self.databases}/{database}")
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))
        engine.dispose()

    def write(self) -> list[str]:
        """Write the files; return the arguments that lead to them."""
        for name, sections in (("nova.conf", self.nova), ("fpga.conf", self.fpga), ("rootwrap.conf", self.rootwrap)):
            if sections is not None and not (self.path / name).exists():
                lines = [
                    line
                    for section, options in sections.items()
                    for line in (f"[{section}]", *(f"{key} = {value}" for key, value in options.items()))
                ]
                (self.path / name).write_text("\n".join([*lines, ""]))
                (self.path / name).chmod(0o600 if name == "fpga.conf" else 0o644)
        return ["--config-file", f"{self.path}/nova.conf", "--fpga-config", f"{self.path}/fpga.conf"]

    def examine(
        self, *arguments: str, roles=("api", "scheduler", "conductor", "compute")
    ) -> dict[str, tuple[int, str]]:
        """Run the doctor; return its rows: title to result and details. Its exit code must be that of the worst."""
        words = ["doctor", "--json", "--nova-user", "root", *self.write(), *(f"--role={role}" for role in roles)]
        code = cli.main([*words, *arguments])
        out, err = self.capsys.readouterr()
        assert err == ""
        rows = {row["check"]: (row["result"], row["details"]) for row in json.loads(out)["checks"]}
        worst = max(result for result, _ in rows.values())
        assert code == worst, json.dumps(rows, indent=1)
        assert all("\n" not in details for _, details in rows.values())
        return rows


@pytest.fixture
def world(tmp_path, databases, capsys, monkeypatch):
    from nova.conf import CONF

    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")

    with serving(b"") as glance:
        made = World(tmp_path, databases, glance.server_port, capsys)
        made.glance = glance
        yield made
    CONF([], project="nova", default_config_files=[], default_config_dirs=[])


FPGAFILTER = "FpgaFilter"
EXTRA = "Extra spec hw:fpga_ip_id"
COLUMNS = "Columns in Nova's database"
REGIONS = "Regions that compute nodes report"
GLANCE = "Glance's container format"
OPTIONS = "Options of nova-compute"
EXECUTABLE = "The executable fpga_exec"
ADMITS = "rootwrap: what it admits"
CHANGE = "rootwrap: who can change that"
FPGA_CONF = "fpga-cli's configuration"
CREDENTIALS = "fpga-cli's credentials"
RUNS = "fpga_exec as nova-compute runs it"
SERVICES = "Services of Nova that run here"
OF_ROOTWRAP = (ADMITS, CHANGE)


def test_all_is_well(world):
    rows = world.examine()
    # Run as root, nova-compute would need no rootwrap; the tests below have another user.
    assert {title: details for title, (result, details) in rows.items() if result} == {}
    assert "2 of 2" not in rows[REGIONS][1] and rows[REGIONS][1].endswith("host1 0/2")
    assert rows[RUNS][1] == "as root: Used regions: 0/2"
    assert "cell0, cell1" in rows[COLUMNS][1]


def test_rootwrap_is_well(world):
    rows = world.examine("--nova-user", "nobody")
    for title in OF_ROOTWRAP:
        assert rows[title][0] == SUCCESS and not rows[title][1].startswith("does not apply"), rows[title]


def test_another_role(world):
    rows = world.examine(roles=["scheduler"])
    for title in (EXTRA, GLANCE, OPTIONS, EXECUTABLE, *OF_ROOTWRAP, FPGA_CONF, CREDENTIALS, RUNS):
        assert rows[title][0] == SUCCESS and rows[title][1].startswith("does not apply: this host is not "), rows[title]
    assert not rows[FPGAFILTER][1].startswith("does not apply")


def test_roles_are_seen_in_nova_conf(world):
    del world.nova["database"], world.nova["api_database"]
    rows = world.examine(roles=[])
    assert rows["Nova's configuration"][1] == "this host is: compute"
    assert rows[COLUMNS][1].startswith("does not apply")
    assert rows[RUNS] == (SUCCESS, "as root: Used regions: 0/2")


def test_host_without_fpga(world):
    world.nova["DEFAULT"] = {"compute_driver": "libvirt.LibvirtDriver"}
    del world.nova["database"], world.nova["api_database"], world.nova["fpga"]
    world.fpga = None
    rows = world.examine(roles=[])
    assert {result for result, _ in rows.values()} == {SUCCESS}
    assert rows[RUNS][1] == "does not apply: fpga_access is False on this host"


# Each: what is forgotten, which row says so, how bad it is, and what the row must name.


def option(section, **changes):
    def change(world):
        for name, value in changes.items():
            if value is None:
                del world.nova[section][name]
            else:
                world.nova.setdefault(section, {})[name] = value

    return change


def fpga_option(**changes):
    return lambda world: world.fpga["fpga"].update(changes)


def drop(database, table, column):
    return lambda world: world.sql(database, f"ALTER TABLE {table} DROP COLUMN {column}")


def no_table(world):
    world.sql("cell0", "DROP TABLE shadow_instances")


def no_database(world):
    (world.databases / "cell1").unlink()


def other_database(world):
    (world.databases / "cell0").write_bytes(b"this is not a database" * 100)


def template_without_default(world):
    world.sql("api", "UPDATE cell_mappings SET database_connection = '{scheme}:///nowhere' WHERE name = 'cell1'")


def no_report(world):
    world.sql("cell1", "UPDATE compute_nodes SET fpga_regions = NULL, fpga_regions_used = NULL")


def too_many_used(world):
    world.sql("cell1", "UPDATE compute_nodes SET fpga_regions_used = 3")


def report_of_another_host_only(world):
    world.sql("cell1", "UPDATE compute_nodes SET host = 'host2'")


def no_cell(world):
    world.sql("api", "DELETE FROM cell_mappings")


def no_format(world):
    world.glance.formats = ["bare", "ami"]


def no_schema(world):
    world.glance.schema_status = 503


def no_nova_credentials(world):
    del world.nova["placement"]


def no_fpga_conf(world):
    world.fpga = None


def open_fpga_conf(world):
    world.write()
    (world.path / "fpga.conf").chmod(0o644)


def no_executable(world):
    (world.path / "bin" / "fpga-cli").unlink()


def foreign_executable(world):
    os.chown(world.path / "bin" / "fpga-cli", 65534, 0)


def open_directory_of_executable(world):
    (world.path / "bin").chmod(0o777)


def broken_executable(world):
    world.script("fpga-cli", "false")


def relative(world):
    world.nova["DEFAULT"]["fpga_exec"] = "bin/fpga-cli"


@pytest.mark.parametrize(
    ("forget", "title", "result", "words"),
    [
        (option("filter_scheduler", enabled_filters="ComputeFilter"), FPGAFILTER, FAILURE, "enabled_filters"),
        (option("filter_scheduler", available_filters="nova.scheduler.filters.compute_filter.ComputeFilter"),
         FPGAFILTER, FAILURE, "available_filters = nova.scheduler.filters.fpga_filter.FpgaFilter"),
        (option("filter_scheduler", available_filters="nova.nowhere.Filter"), FPGAFILTER, FAILURE, "nova.nowhere"),
        (drop("cell1", "instances", "fpga_device"), COLUMNS, FAILURE, "cell1: no instances.fpga_device"),
        (drop("cell0", "shadow_compute_nodes", "fpga_regions_used"), COLUMNS, FAILURE,
         "cell0: no shadow_compute_nodes.fpga_regions_used; with Nova patched, run `nova-manage db sync`"),
        (drop("cell1", "compute_nodes", "fpga_regions"), REGIONS, WARNING, "not checked: cell1"),
        (no_table, COLUMNS, FAILURE, "cell0: no table shadow_instances"),
        (no_database, COLUMNS, FAILURE, "is not there"),
        (other_database, COLUMNS, FAILURE, "cannot be asked: file is not a database"),
        (template_without_default, COLUMNS, FAILURE, "cell1: "),
        (no_cell, COLUMNS, FAILURE, "knows no cell"),
        (option("api_database", connection="mysql+pymysql://nova:secret@127.0.0.1:1/nova"), COLUMNS, FAILURE,
         "the API database: mysql+pymysql://nova:***@127.0.0.1:1/nova cannot be asked"),
        (option("api_database", connection="nonsense with secret"), COLUMNS, FAILURE, "SQLAlchemy"),
        (option("api_database", connection="oracle://nova:secret@h/x"), COLUMNS, FAILURE, "cannot be asked"),
        (no_report, REGIONS, FAILURE, "restart its nova-compute"),
        (report_of_another_host_only, REGIONS, FAILURE, "host1 has fpga_access = True"),
        (too_many_used, REGIONS, FAILURE, "host1: more regions in use than there are"),
        (no_format, GLANCE, FAILURE, "container_formats = bare,ami,fpga"),
        (no_format, CREDENTIALS, FAILURE, "container_formats = bare,ami,fpga"),
        (no_schema, GLANCE, WARNING, "not checked: Glance cannot be asked"),
        (no_schema, CREDENTIALS, FAILURE, "Glance cannot be asked"),
        (no_nova_credentials, GLANCE, WARNING, "not checked: nova.conf has no credentials"),
        (fpga_option(auth_type="password", auth_url="http://127.0.0.1:1"), CREDENTIALS, FAILURE, "be asked"),
        (fpga_option(auth_type=""), CREDENTIALS, FAILURE, "no credentials for Glance"),
        (fpga_option(endpoint_override="http://127.0.0.1:1"), CREDENTIALS, FAILURE, "Glance cannot be asked"),
        (option("DEFAULT", fpga_access=False), OPTIONS, WARNING, "fpga_exec is set, but FPGAs are off"),
        (option("DEFAULT", fpga_exec=None), OPTIONS, FAILURE, "fpga_exec = fpga-cli"),
        (option("DEFAULT", fpga_simulation_mode=True), OPTIONS, WARNING, "fpga_simulation_mode = False"),
        (option("fpga", endpoint_path="/run/elsewhere"), OPTIONS, FAILURE, "make them the same"),
        (relative, EXECUTABLE, FAILURE, "a relative path"),
        (no_executable, EXECUTABLE, FAILURE, "in none of the exec_dirs"),
        (option("DEFAULT", fpga_exec="/nowhere/fpga-cli"), EXECUTABLE, FAILURE, "not an executable file"),
        (foreign_executable, EXECUTABLE, FAILURE, "fpga-cli belongs to the user 65534"),
        (open_directory_of_executable, EXECUTABLE, FAILURE, "can be changed by others than root"),
        (no_fpga_conf, FPGA_CONF, FAILURE, "is not there"),
        (open_fpga_conf, FPGA_CONF, FAILURE, "chmod 0600"),
        (fpga_option(devices="nothing"), FPGA_CONF, FAILURE, "no usable driver 'nothing'"),
        (fpga_option(lock_timeout="soon"), FPGA_CONF, FAILURE, "configuration cannot be used"),
        (fpga_option(policy_file="/nowhere.yaml"), FPGA_CONF, FAILURE, "/nowhere.yaml"),
        (broken_executable, RUNS, FAILURE, "failed with exit code 1"),
        (fpga_option(sim_cards=""), RUNS, WARNING, "fpga-cli has no card"),
    ],
)  # fmt: skip
def test_one_thing_is_forgotten(world, forget, title, result, words):
    forget(world)
    rows = world.examine("--nova-user", "nobody") if title == EXECUTABLE else world.examine()
    assert rows[title][0] == result, rows
    assert words in rows[title][1]
    assert "secret" not in str(rows)


# rootwrap


def loose(line):
    return lambda world: (world.path / "rootwrap.d" / "other.filters").write_text(f"[Filters]\n{line}\n")


def no_filter(world):
    (world.path / "rootwrap.d" / "fpga.filters").unlink()


def no_rootwrap_conf(world):
    world.nova["DEFAULT"]["rootwrap_config"] = "/nowhere/rootwrap.conf"


def bad_rootwrap_conf(world):
    (world.path / "rootwrap.conf").write_text("filters_path = x\n")


def empty_rootwrap_conf(world):
    (world.path / "rootwrap.conf").write_text("[DEFAULT]\n")


def changed_mode(name, mode):
    def change(world):
        world.write()
        (world.path / name).chmod(mode)

    return change


def foreign_filter(world):
    os.chown(world.path / "rootwrap.d" / "fpga.filters", 65534, 65534)


def linked_filter(world):
    target = world.path / "theirs"
    shutil.copy(FILTERS, target)
    os.chown(target, 65534, 65534)
    (world.path / "rootwrap.d" / "fpga.filters").unlink()
    (world.path / "rootwrap.d" / "fpga.filters").symlink_to(target)


def absolute_path(world):
    world.nova["DEFAULT"]["fpga_exec"] = world.path / "bin" / "fpga-cli"


def stand_in(world):
    world.script("other", "true")
    world.nova["DEFAULT"]["fpga_exec"] = "other"


UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@pytest.mark.parametrize(
    ("forget", "title", "words"),
    [
        (no_filter, ADMITS, "`fpga-cli status' is not admitted; copy "),
        (absolute_path, ADMITS, "the filter knows the bare name: fpga_exec = fpga-cli"),
        (stand_in, ADMITS, "write a filter for it"),
        (loose("x: CommandFilter, fpga-cli, root"), ADMITS, "the filter x (CommandFilter) admits 'fpga-cli"),
        (loose("x: RegExpFilter, fpga-cli, root, fpga-cli, .*, .*"), ADMITS, "(RegExpFilter) admits"),
        (loose(f"x: RegExpFilter, fpga-cli, root, fpga-cli, burn, {UUID}"), ADMITS, "admits 'fpga-cli burn"),
        (loose("x: RegExpFilter, fpga-cli, root, fpga-cli, burn, --file, .*"), ADMITS, "burn --file"),
        (loose("x: RegExpFilter, fpga-cli, root, fpga-cli, status"), ADMITS, "admits 'fpga-cli status\\n', which"),
        (loose(f"x: RegExpFilter, fpga-cli, root, fpga-cli, release, {UUID}"), ADMITS, "release"),
        (loose("x: CommandFilter, /bin/sh, root"), ADMITS, "sh -c id'"),
        (no_rootwrap_conf, ADMITS, "/nowhere/rootwrap.conf is not there"),
        (bad_rootwrap_conf, ADMITS, "cannot be read"),
        (empty_rootwrap_conf, ADMITS, "cannot be read"),
        (loose("x: RegExpFilter"), ADMITS, "cannot be read"),
        (changed_mode("rootwrap.d", 0o777), CHANGE, "rootwrap.d can be changed by others"),
        (changed_mode("rootwrap.conf", 0o646), CHANGE, "rootwrap.conf can be changed by others"),
        (changed_mode("rootwrap.d/fpga.filters", 0o666), CHANGE, "fpga.filters can be changed by others"),
        (foreign_filter, CHANGE, "fpga.filters belongs to the user 65534"),
        (linked_filter, CHANGE, "theirs belongs to the user 65534"),
    ],
)
def test_rootwrap_is_not_well(world, forget, title, words):
    forget(world)
    rows = world.examine("--nova-user", "nobody")
    assert rows[title][0] == FAILURE, rows
    assert words in rows[title][1]


def test_stand_in_with_the_filter_of_the_files_head(world):
    stand_in(world)
    lines = re.findall(r"^#   (fpga_other_.*)$", FILTERS.read_text(), re.MULTILINE)
    loose("\n".join(lines))(world)
    rows = world.examine("--nova-user", "nobody")
    assert rows[ADMITS][0] == SUCCESS, rows[ADMITS]
    assert rows[FPGA_CONF][1] == rows[CREDENTIALS][1] == "does not apply: other stands in for fpga-cli"


def test_rootwrap_is_turned_off(world):
    world.nova["workarounds"] = {"disable_rootwrap": True}
    rows = world.examine("--nova-user", "nobody")
    assert rows[ADMITS][0] == WARNING and "disable_rootwrap" in rows[ADMITS][1]


# As another user, through the real sudo; and what runs, in a mount namespace of its own


def run(world, *arguments, prefix=(), path=(), **environment):
    """Run the command as a process of its own; return its exit code and rows."""
    words = ["doctor", "--json", *world.write(), *arguments]
    places = [*map(str, path), *(str(each) for each in sys.path if "fpga-nova-patched-" in str(each)), str(ROOT)]
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "fpga_nova.fpga_nova_cli", *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places), **environment},
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, cwd="/",
    )  # fmt: skip
    assert done.stderr == "", done.stderr
    return done.returncode, {row["check"]: (row["result"], row["details"]) for row in json.loads(done.stdout)["checks"]}


@pytest.mark.skipif(shutil.which("sudo") is None, reason="SUDO IS NOT INSTALLED: the way of nova-compute is not tried")
def test_status_by_sudo_and_rootwrap(world):
    bin_directory = pathlib.Path(sys.executable).parent
    policy = world.path / "sudoers.d"
    policy.mkdir(mode=0o755)
    rule = f"nobody ALL=(root) NOPASSWD: {bin_directory}/nova-rootwrap {world.path}/rootwrap.conf *\n"
    (policy / "nova").write_text(f'Defaults secure_path="{bin_directory}:/usr/bin:/bin"\n{rule}')
    (policy / "nova").chmod(0o440)
    inside = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]
    inside += ['mount --bind "$1" /etc/sudoers.d && shift && exec "$@"', "sh", str(policy)]
    code, rows = run(world, "--role=compute", "--nova-user=nobody", prefix=inside)
    assert rows[RUNS] == (SUCCESS, "as nobody: Used regions: 0/2")

    # Without the rule, and without the filter.
    (policy / "nova").write_text("")
    code, rows = run(world, "--role=compute", "--nova-user=nobody", prefix=inside)
    assert code == FAILURE and "sudo refuses" in rows[RUNS][1]
    (policy / "nova").write_text(f'Defaults secure_path="{bin_directory}:/usr/bin:/bin"\n{rule}')
    no_filter(world)
    code, rows = run(world, "--role=compute", "--nova-user=nobody", prefix=inside)
    assert code == FAILURE and "no rootwrap filter admits it" in rows[RUNS][1]


@pytest.fixture(scope="module")
def own_nova(tmp_path_factory):
    """A patched Nova that these tests may change."""
    import nova

    patched = pathlib.Path(nova.__file__).parents[1]
    return pathlib.Path(shutil.copytree(patched, tmp_path_factory.mktemp("own") / "site-packages"))


@pytest.fixture
def running(world, own_nova):
    """Start what looks like a service of Nova, in a mount namespace of its own; return how to be in there."""
    script = world.path / "bin" / "nova-compute"
    script.write_text(f"#!{sys.executable}\nimport time\nprint('up', flush=True)\ntime.sleep(600)\n")
    script.chmod(0o755)
    command = ["unshare", "--mount", "--propagation", "private", str(script), "--config-file", "x"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    yield process, ["nsenter", "--target", str(process.pid), "--mount"]
    process.kill()
    process.wait()
    process.stdout.close()


def test_services(world, running, own_nova):
    process, inside = running
    nova = tree.Tree(locate.find(own_nova), series.load())
    code, rows = run(world, prefix=inside, path=[own_nova])
    assert rows[SERVICES] == (SUCCESS, f"nova-compute ({process.pid})")
    assert rows["Patch of Nova"][0] == SUCCESS

    # It was started before Nova was patched: what it has in memory is the old code.
    time.sleep(3.1)
    nova.revert()
    nova.apply()
    code, rows = run(world, prefix=inside, path=[own_nova])
    assert code == FAILURE
    assert rows[SERVICES] == (FAILURE, f"nova-compute ({process.pid}) was started before Nova was patched; restart it")

    nova.revert()
    code, rows = run(world, prefix=inside, path=[own_nova])
    nova.apply()
    assert code == FAILURE
    for title in ("Patch of Nova", SERVICES):
        assert rows[title][0] == FAILURE and "not patched; run `fpga-nova patch apply`" in rows[title][1]
    assert rows["Patch of Nova"][1].endswith("; patched compute hosts do not work under this controller until then")
    assert rows[FPGAFILTER][0] == FAILURE and "available_filters" in rows[FPGAFILTER][1]


def test_other_fpga_nova(world, running, own_nova):
    """The service's Python has another fpga-nova than the doctor's."""
    _process, inside = running
    other = world.path / "other" / "fpga_nova-0.0.1.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: fpga-nova\nVersion: 0.0.1\n")
    code, rows = run(world, prefix=inside, path=[other.parent, own_nova])
    # It is shadowed for both, and has no entry points: Nova does not find the validator.
    assert code == FAILURE
    assert rows[EXTRA][0] == FAILURE and "install fpga-nova into the Python of nova-api" in rows[EXTRA][1]
    assert rows["Versions of fpga-nova"] == (SUCCESS, "fpga-nova 0.0.1")

    wrapper = world.path / "python"
    wrapper.write_text(f'#!/bin/sh\nPYTHONPATH={own_nova} exec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    script = world.path / "bin" / "nova-compute"
    script.write_text(f"#!{wrapper}\n")
    code, rows = run(world, prefix=inside, path=[other.parent, own_nova])
    assert code == FAILURE and rows["Versions of fpga-nova"][0] == FAILURE
    assert "has 0.0.1; install one version" in rows["Versions of fpga-nova"][1]


def test_services_of_others_run_nothing_as_root(world, running, own_nova):
    """Anyone may call a process nova-compute: what its script names is run as that user."""
    _process, inside = running
    liar = pathlib.Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    try:
        liar.chmod(0o755)
        (liar / "python").write_text(f"#!/bin/sh\nid -u > {liar}/uid\n")
        (liar / "nova-scheduler").write_text(f"#!{liar}/python\n")
        (liar / "wait").write_text("import time\nprint('up', flush=True)\ntime.sleep(600)\n")
        (liar / "python").chmod(0o755)
        os.chown(liar, 65534, 65534)
        command = [*inside, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable]
        with subprocess.Popen(
            [*command, str(liar / "wait"), str(liar / "nova-scheduler")], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout.readline() == "up\n"
            _code, rows = run(world, prefix=inside, path=[own_nova])
            process.kill()
        assert (liar / "uid").read_text() == "65534\n"
        assert rows[SERVICES][0] == WARNING and "does not say what it has" in rows[SERVICES][1]
    finally:
        shutil.rmtree(liar)


def test_not_as_root(world):
    """It says what it could not look at, and breaks nowhere."""
    shared = pathlib.Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    try:
        shared.chmod(0o755)
        (shared / "root").mkdir(mode=0o700)
        world.nova["DEFAULT"] |= {"fpga_exec": "/bin/true", "rootwrap_config": shared / "root" / "rootwrap.conf"}
        world.write()
        shutil.copy(world.path / "nova.conf", shared)
        words = ["doctor", "--json", "--config-file", str(shared / "nova.conf"), "--nova-user=root"]
        words += ["--fpga-config", str(shared / "root" / "fpga.conf")]
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable]
        done = subprocess.run(
            [*command, "-m", "fpga_nova.fpga_nova_cli", *words],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, cwd="/",
        )  # fmt: skip
    finally:
        shutil.rmtree(shared)
    assert done.stderr == "" and done.returncode == FAILURE, done.stdout
    rows = {row["check"]: (row["result"], row["details"]) for row in json.loads(done.stdout)["checks"]}
    assert rows[RUNS][0] == WARNING and "run the doctor as root" in rows[RUNS][1]
    world.nova["DEFAULT"]["fpga_exec"] = "fpga-cli"


# What an operator sees


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "nova.conf cannot be used: Failed to find some config files"),
        ("no section\n", "nova.conf cannot be used"),
        ("[DEFAULT]\nfpga_access = perhaps\n", "nova.conf cannot be used"),
    ],
)
def test_no_configuration(world, content, words):
    if content is None:
        world.nova = None
    else:
        (world.path / "nova.conf").write_text(content)
    rows = world.examine(roles=[])
    assert rows["Nova's configuration"][0] == FAILURE and words in rows["Nova's configuration"][1]
    for title in (FPGAFILTER, COLUMNS, OPTIONS, ADMITS, RUNS):
        assert rows[title] == (WARNING, "not checked: Nova's configuration is not known")


def test_table(world, capsys):
    assert cli.main(["doctor", *world.write(), "--nova-user=root", "--role=scheduler"]) == 0
    out = capsys.readouterr().out
    assert "| Check: FpgaFilter " in out and "| Result: Success " in out
    assert out.splitlines()[1].startswith("| fpga-nova doctor ")


def test_a_check_that_breaks(world, monkeypatch, capsys):
    """It says so, keeps the other answers, and the exit code is its own."""
    from nova.scheduler import filters

    def broken(*arguments):
        raise RuntimeError("no\nidea")

    monkeypatch.setattr(filters.HostFilterHandler, "get_matching_classes", broken)
    words = ["doctor", "--json", *world.write(), "--nova-user=root", "--role=scheduler"]
    assert cli.main(words) == 255
    rows = {row["check"]: row for row in json.loads(capsys.readouterr().out)["checks"]}
    assert rows[FPGAFILTER]["details"] == "unexpected RuntimeError: no idea (--debug shows where)"
    assert rows[COLUMNS]["result"] == SUCCESS


def test_help(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor", "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    for word in ("--config-file", "--role", "exit codes", "255", "examples:", "what it looks at"):
        assert word in out
    assert (
        "doctor"
        in subprocess.run(
            [sys.executable, "-m", "fpga_nova.fpga_nova_cli", "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )


@pytest.mark.parametrize("arguments", [["--role=king"], ["--nova-user=nobody-at-all"], ["extra"]])
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor", *arguments])
    assert ended.value.code == 64
    assert "usage: fpga-nova doctor" in textwrap.dedent(capsys.readouterr().err)


# The same on MariaDB


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
    rows = world.examine()
    assert rows[COLUMNS] == (SUCCESS, "all are there in cell0, cell1")
    assert "host1 1/2" in rows[REGIONS][1]
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE doctor.shadow_instances DROP COLUMN fpga_device"))
    engine.dispose()
    rows = world.examine()
    assert rows[COLUMNS][0] == FAILURE and "cell1: no shadow_instances.fpga_device" in rows[COLUMNS][1]
