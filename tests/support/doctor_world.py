# SPDX-License-Identifier: Apache-2.0
"""A host that is all of a cloud in one, in a directory: the files and databases that the doctor looks at."""

from __future__ import annotations

import pathlib
import shutil
import sys
from collections.abc import Callable

import sqlalchemy as sa

from fpga_nova.doctor.checkup import Check, examine
from fpga_nova.doctor.inspected_host import HostInspection

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILTERS = ROOT / "etc" / "nova" / "rootwrap.d" / "fpga.filters"
SUCCESS, WARNING, FAILURE = 0, 1, 2


def make_databases(directory: pathlib.Path) -> pathlib.Path:
    """Make the tables of a patched Nova, SQLite: its API database, a cell, and cell0."""
    from nova.db.api import models as api_models
    from nova.db.main import models

    tables = [models.BASE.metadata.tables[name] for name in ("compute_nodes", "instances")]
    for name in ("cell0", "cell1"):
        engine = sa.create_engine(f"sqlite:///{directory}/{name}")
        models.BASE.metadata.create_all(engine, tables=tables)
        with engine.begin() as connection:
            for table in tables:
                connection.execute(sa.text(f"CREATE TABLE shadow_{table.name} AS SELECT * FROM {table.name}"))
        engine.dispose()
    engine = sa.create_engine(f"sqlite:///{directory}/api")
    api_models.BASE.metadata.create_all(engine, tables=[api_models.BASE.metadata.tables["cell_mappings"]])
    engine.dispose()
    return directory


class World:
    """The host.

    :param path: the directory
    :param databases: what :func:`make_databases` made; copied
    :param glance: address of the image service
    """

    def __init__(self, path: pathlib.Path, databases: pathlib.Path, glance: str = "http://127.0.0.1:1") -> None:
        self.path = path
        self.databases = path / "databases"
        shutil.copytree(databases, self.databases)
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
            "glance": {"endpoint_override": glance, "connect_retries": 0},
            "placement": {"auth_type": "none"},
        }
        self.fpga = {"fpga": {"state_path": path / "state", "run_path": path / "run"}}
        self.fpga["fpga"] |= {"auth_type": "none", "endpoint_override": glance, "connect_retries": 0}
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
        """Write an executable into the directory of rootwrap's executables."""
        script = self.path / "bin" / name
        script.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {command} "$@"\n')
        script.chmod(0o755)
        return script

    def stand_in(self) -> None:
        """Let another executable stand in for fpga-cli."""
        self.script("other", "true")
        self.nova["DEFAULT"]["fpga_exec"] = "other"

    def add_filters(self, *lines: str) -> None:
        """Write a file of filters of rootwrap beside ours."""
        (self.path / "rootwrap.d" / "other.filters").write_text("\n".join(["[Filters]", *lines, ""]))

    def sql(self, database: str, *statements: str) -> None:
        """Run statements in one of the databases."""
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

    def inspection(self, user: str | None = "root", roles: tuple[str, ...] = ()) -> HostInspection:
        """Write the files; return the inspection of the host, on which no service is seen to run."""
        self.write()
        host = HostInspection([f"{self.path}/nova.conf"], [], self.path / "fpga.conf", roles, user)
        host.services = ([], True)
        return host

    def examine(self, look: Callable, user: str | None = "root", roles: tuple[str, ...] = ()) -> tuple[int, str]:
        """Run one check; return the row's result and details, which are one line without a password."""
        result = examine(Check("one", look), self.inspection(user, roles))
        assert "\n" not in result.details and "secret" not in result.details
        return int(result.code), result.details


def reset_nova_conf() -> None:
    """Forget the files that Nova's global configuration object has read."""
    from nova.conf import CONF

    CONF([], project="nova", default_config_files=[], default_config_dirs=[])
