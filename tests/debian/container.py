# SPDX-License-Identifier: Apache-2.0
"""A container's image whose Nova is patched: the Dockerfile of the manual, built by a Docker Engine of its own."""

from __future__ import annotations

import pathlib
import shutil
import subprocess

from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State
from tests.debian.root import Daemon, wait

_DOCKERFILE = pathlib.Path(__file__).parents[2] / "docs/operator/nova-fpga.Dockerfile"

#: Parts of the root that are not needed where only Nova is; the image of some other maker would not have it either.
_LEFT_OUT = (
    *("dev/*", "proc/*", "run/*", "sys/*", "tmp/*", "var/cache/*", "var/lib/apt/lists/*", "var/lib/mysql/*"),
    *("usr/share/doc/*", "usr/share/man/*", "usr/share/locale/*", "usr/lib/erlang/*", "usr/sbin/mariadbd"),
)

#: Containers have no network, and the engine changes nothing of the machine's.
_ENGINE = ("/usr/sbin/dockerd", "--bridge=none", "--iptables=false", "--ip6tables=false", "--log-level=warn")


class Docker:
    """A Docker Engine with its data below the state directory, without registry and network.

    To be made where /run is private: its sockets lie there. It ends with the PID namespace.
    """

    def __init__(self, state: State) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        self.data = state.path / "debian" / "docker"
        shutil.rmtree(self.data, ignore_errors=True)
        log = state.log("debian-docker")
        with log.open("wb") as output:
            child = subprocess.Popen(
                [*_ENGINE, f"--data-root={self.data}"], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self.daemon = Daemon("dockerd", child, log)
        wait("dockerd", lambda: self.run("version", expect=None).returncode == 0, daemons=[self.daemon])

    def run(self, *argv: object, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run docker(1); its standard error is also in its output.

        :param expect: the exit code that it must have; None for any
        :raises CloudError: it has another
        """
        done = subprocess.run(
            ["/usr/bin/docker", *map(str, argv)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", check=False, env={"DOCKER_BUILDKIT": "0"},
        )  # fmt: skip
        if expect is not None and done.returncode != expect:
            raise CloudError(f"docker {argv[0]} exited with {done.returncode}, not {expect}:\n{done.stdout[-3000:]}")
        return done

    def load(self, root: pathlib.Path, name: str) -> None:
        """Make an image of a root directory, in the way of `FROM scratch` and `ADD`."""
        tar = ["tar", "--create", f"--directory={root}", *(f"--exclude=./{part}" for part in _LEFT_OUT), "."]
        with subprocess.Popen(tar, stdout=subprocess.PIPE) as archive:
            subprocess.run(
                ["/usr/bin/docker", "import", "-", name], stdin=archive.stdout, check=True, stdout=subprocess.DEVNULL
            )
        if archive.returncode != 0:
            raise CloudError(f"tar of {root} failed with {archive.returncode}")

    def stop(self) -> None:
        """Stop the engine and remove its data."""
        self.daemon.stop()
        shutil.rmtree(self.data, ignore_errors=True)


def build(docker: Docker, source: pathlib.Path, base: str, name: str) -> str:
    """Build the manual's Dockerfile over the image `base`; return what docker said.

    :param source: a directory with the tree of fpga-nova in `fpga-nova`
    """
    return docker.run(
        "build", "--network=none", f"--build-arg=NOVA_IMAGE={base}", f"--tag={name}", f"--file={_DOCKERFILE}", source
    ).stdout
