# SPDX-License-Identifier: Apache-2.0
"""The files of a region, its log, and the check of what is loaded; the server itself is a process."""

from __future__ import annotations

import hashlib
import os
import pathlib
import stat

import pytest

from fpga_nova import errors
from fpga_nova.softfpga.runtime import region_process, region_server
from fpga_nova.softfpga.runtime.loaded_fabric import FabricImage


@pytest.fixture
def region(tmp_path: pathlib.Path) -> region_process.SoftRegion:
    made = region_process.SoftRegion(tmp_path / "run/soft/a/0", tmp_path / "run/endpoints/x.sock")
    made.make()
    return made


def test_directory_is_private_and_that_of_endpoints_is_not(region: region_process.SoftRegion) -> None:
    assert stat.S_IMODE(region.directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(region.endpoint.parent.stat().st_mode) == 0o755


def test_configuration_is_overwritten_in_place(region: region_process.SoftRegion) -> None:
    region.write_configuration(b"a core's secret bits")
    file = os.open(region.configuration, os.O_RDONLY)
    region.write_configuration(b"blank")
    assert os.pread(file, 100, 0) == b"blank"
    os.close(file)
    assert stat.S_IMODE(region.configuration.stat().st_mode) == 0o600


def test_configuration_does_not_follow_a_link(region: region_process.SoftRegion, tmp_path: pathlib.Path) -> None:
    (tmp_path / "other").write_bytes(b"other")
    region.configuration.symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match=r"symbolic links"):
        region.write_configuration(b"bits")
    assert (tmp_path / "other").read_bytes() == b"other"


def test_region_without_a_lock_file_has_no_server(region: region_process.SoftRegion) -> None:
    assert region.server_pid() is None


def test_pid_in_the_lock_file_is_not_believed(region: region_process.SoftRegion) -> None:
    """Only the kernel's answer counts: this process lives and does not hold the lock."""
    (region.directory / region_server.LOCK).write_text(f"{os.getpid()}\n")
    assert region.server_pid() is None


def test_stop_without_a_server_removes_stale_sockets(region: region_process.SoftRegion) -> None:
    stale = [region.endpoint, region.control, region.directory / region_server.ENDPOINT]
    for path in stale:
        path.touch()
    region.stop()
    assert not any(path.exists() for path in stale)


def test_endpoint_is_moved_to_where_guests_find_it(region: region_process.SoftRegion) -> None:
    bound = region.directory / region_server.ENDPOINT
    bound.touch(mode=0o600)
    region.publish(os.getgid())
    assert not bound.exists()
    assert stat.S_IMODE(region.endpoint.stat().st_mode) == 0o660


@pytest.mark.parametrize("long", ["endpoint", "control"])
def test_path_too_long_for_a_socket_is_refused(tmp_path: pathlib.Path, long: str) -> None:
    short, deep = pathlib.Path("/run/a"), tmp_path / ("x" * 100)
    region = region_process.SoftRegion(
        deep if long == "control" else short, deep / "e.sock" if long == "endpoint" else short / "e.sock"
    )
    with pytest.raises(errors.ConfigurationInvalid, match=r"run_path is too long: .* more than 107 bytes"):
        region.check_paths()


def test_log_is_bounded_and_keeps_the_newest_line(tmp_path: pathlib.Path) -> None:
    log = region_server.BoundedLog(tmp_path / "log")
    for i in range(3000):
        log.write(f"line {i} \x1b[31m" + "x" * 50)
    text = (tmp_path / "log").read_bytes()
    assert len(text) <= region_server.LOG_LIMIT
    assert b"line 2999" in text and b"\x1b" not in text


def test_fabric_that_was_changed_is_not_loaded(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "fabric.so"
    path.write_bytes(b"fabric")
    FabricImage(path, hashlib.sha256(b"fabric").hexdigest())
    with pytest.raises(errors.ProgrammingFailed, match="has been changed"):
        FabricImage(path, hashlib.sha256(b"other").hexdigest())
