# SPDX-License-Identifier: Apache-2.0
"""A patched Nova first on the path, a card, and databases."""

from __future__ import annotations

import os
import pathlib
import pwd
import shutil
import subprocess
import uuid

import pytest
import sqlalchemy as sa

from tests.support import patched_nova
from tests.support.card import Card
from tests.support.waiting import wait_until

PATCHED = patched_nova.first_on_path()


@pytest.fixture
def patched_path() -> pathlib.Path:
    """The directory that contains the patched Nova."""
    return PATCHED


@pytest.fixture
def card(tmp_path):
    """A card of two regions."""
    return Card(tmp_path / "card", 2)


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request, tmp_path):
    """Address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/nova.sqlite"
    socket = request.getfixturevalue("mariadb")
    name = f"nova_{uuid.uuid4().hex}"
    engine = sa.create_engine(f"mysql+pymysql://root@localhost/?unix_socket={socket}")
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema(name))
    engine.dispose()
    return f"mysql+pymysql://root@localhost/{name}?unix_socket={socket}&charset=utf8"


@pytest.fixture(scope="session")
def mariadb():
    """A MariaDB of our own: its directory, its socket, no network; in memory where there is room for it."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    server, install = (shutil.which(name, path=path) for name in ("mariadbd", "mariadb-install-db"))
    if server is None or install is None:
        pytest.skip("MARIADB IS NOT INSTALLED: db sync is not tested on it (apt-get install mariadb-server)")
    memory = pathlib.Path("/dev/shm")
    in_memory = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**30
    directory = (memory if in_memory else pathlib.Path("/tmp")) / f"fpga-nova-mariadb-{uuid.uuid4().hex[:8]}"
    directory.mkdir(mode=0o755)
    user = "mysql" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:
        shutil.chown(directory, user)
    data, socket = directory / "data", directory / "socket"
    subprocess.run(
        [install, "--no-defaults", f"--datadir={data}", f"--user={user}", "--auth-root-authentication-method=normal"],
        check=True, capture_output=True,
    )  # fmt: skip
    command = [server, "--no-defaults", f"--datadir={data}", f"--socket={socket}", f"--user={user}"]
    command += ["--skip-networking", f"--pid-file={directory / 'pid'}"]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: socket.exists() or process.poll() is not None, 60)
        assert process.poll() is None, (directory / "log").read_text()
        yield socket
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(directory)
