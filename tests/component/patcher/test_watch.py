# SPDX-License-Identifier: Apache-2.0
"""`fpga-nova patch watch`, with a Nova that is of a package: real dpkg, with a database of its own.

The packages' files have absolute paths below tmp_path, so that nothing of the machine is touched. fpga-nova has to be
installed in this environment, as `make tests` does it: what dpkg calls is not told where the source tree is.
"""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

import pytest

from tests.component.patcher.conftest import ROOT, Done, fpga_nova

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg is of Debian and its kin")

_CONTROL = """\
Package: {name}
Version: {version}
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: a Nova
{more}"""

# A service's package, which says on its configuration what it would start.
_SERVICE = """\
#!/bin/sh
echo "starts with $(grep -c fpga.test_claim {claims}) patched claims"
"""


class Machine:
    """A dpkg with a database of its own, and packages of Nova for it."""

    def __init__(self, directory: pathlib.Path, pristine: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.pristine = pristine
        self.packages = directory / "dist-packages"
        self.claims = self.packages / "nova/compute/claims.py"
        database = directory / "dpkg"
        for name in ("info", "updates", "triggers"):
            (database / name).mkdir(parents=True)
        (database / "status").touch()
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        monkeypatch.setenv("DPKG_ADMINDIR", str(database))
        monkeypatch.setenv("DPKG_FORCE", "not-root,script-chrootless,bad-path,unsafe-io")

    def run(self, *command: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)

    def patch(self, *arguments: object) -> Done:
        return fpga_nova(*arguments)

    def status(self) -> int:
        return fpga_nova("status", "--nova", self.packages).returncode

    def install(self, version: str, claims: tuple[str, str] = ("", "")) -> subprocess.CompletedProcess[str]:
        """Install Nova and a service of it, with `claims` replaced in claims.py; dpkg must end well."""
        trees = [self.directory / "build" / version / name for name in ("python3-nova", "nova-compute")]
        target = trees[0] / str(self.packages).lstrip("/")
        shutil.copytree(self.pristine, target, ignore=shutil.ignore_patterns("__pycache__"))
        if claims != ("", ""):
            text = (target / "nova/compute/claims.py").read_text()
            assert claims[0] in text
            (target / "nova/compute/claims.py").write_text(text.replace(*claims, 1))
        built = []
        for tree, more in zip(trees, ("", "Depends: python3-nova\n")):
            (tree / "DEBIAN").mkdir(parents=True)
            (tree / "DEBIAN").chmod(0o755)
            (tree / "DEBIAN/control").write_text(_CONTROL.format(name=tree.name, version=version, more=more))
            built.append(f"{tree}.deb")
        script = trees[1] / "DEBIAN/postinst"
        script.write_text(_SERVICE.format(claims=self.claims))
        script.chmod(0o755)
        for tree, deb in zip(trees, built):
            done = self.run("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, deb)
            assert done.returncode == 0, done.stderr
        done = self.run("dpkg", "--install", *built)
        assert done.returncode == 0, done.stderr
        assert self.run("dpkg", "--audit").stdout == ""
        return done


@pytest.fixture
def machine(pristine, tmp_path, monkeypatch):
    """A machine with a patched Nova of a package, and no watch."""
    machine = Machine(tmp_path, pristine, monkeypatch)
    machine.install("1")
    done = machine.patch("apply", "--nova", machine.packages)
    assert done.returncode == 0, done.stderr
    return machine


def test_status_tells_of_an_upgrade_without_a_watch(machine):
    done = machine.install("2")
    assert "fpga-nova" not in done.stdout + done.stderr
    status = machine.patch("status", "--nova", machine.packages)
    assert (status.returncode, "`apply` patches it again" in status.stdout) == (5, True), status.stdout
    assert machine.patch("watch").stdout == "watch: off\n"


def test_reapply_patches_before_services_start(machine):
    done = machine.patch("watch", "reapply", "--nova", machine.packages)
    assert (done.returncode, done.stdout) == (0, "watch: reapply\n"), done.stderr
    done = machine.install("2", ("# All Rights Reserved.", "# Changed by an update"))
    assert "was upgraded and is patched again" in done.stdout
    assert "starts with 1 patched claims" in done.stdout
    assert "# Changed by an update" in machine.claims.read_text()
    assert machine.status() == 0

    assert machine.patch("revert", "--nova", machine.packages).returncode == 0
    assert "fpga.test_claim" not in machine.claims.read_text()
    assert "# Changed by an update" in machine.claims.read_text()
    done = machine.install("3")
    assert "fpga-nova:" not in done.stdout + done.stderr, "a Nova whose patch was taken back is left alone"
    assert machine.status() == 3


def test_warn_leaves_the_upgraded_nova_alone(machine):
    machine.patch("watch", "warn", "--nova", machine.packages)
    done = machine.install("2")
    assert "*** fpga-nova: WARNING: Nova 34.0.0" in done.stderr
    assert "`apply` patches it again" in done.stderr
    assert machine.status() == 5
    again = machine.patch("upgraded", "--nova", machine.packages)
    assert (again.returncode, "WARNING" in again.stderr) == (1, True)
    machine.patch("apply", "--nova", machine.packages)
    assert machine.patch("upgraded", "--nova", machine.packages).returncode == 0


def test_reapply_that_does_not_fit_warns_and_dpkg_goes_on(machine):
    machine.patch("watch", "reapply", "--nova", machine.packages)
    done = machine.install("2", ("self._test_pci()]", "self._test_more()]"))
    assert "runs WITHOUT the patch: compute.patch does not apply: compute/claims.py" in done.stderr
    assert "starts with 0 patched claims" in done.stdout
    status = machine.patch("status", "--nova", machine.packages)
    assert status.returncode == 5
    assert "`apply` would be refused: compute.patch does not apply: compute/claims.py" in status.stdout
    apply = machine.patch("apply", "--nova", machine.packages)
    assert (apply.returncode, "compute/claims.py" in apply.stderr) == (1, True)
    # The next update fits again.
    done = machine.install("3")
    assert "is patched again" in done.stdout
    assert machine.status() == 0


def test_reapply_refuses_a_changed_function(machine):
    """Every hunk fits, but what is around one is not what the series was tried on."""
    machine.patch("watch", "reapply", "--nova", machine.packages)
    done = machine.install("2", ("if len(reasons) > 0:", "if reasons:"))
    assert "runs WITHOUT the patch: compute/claims.py: Claim._claim_test is not what it is" in done.stderr
    status = machine.patch("status", "--nova", machine.packages)
    assert (status.returncode, "compute/claims.py: Claim._claim_test" in status.stdout) == (5, True), status.stdout


def test_missing_fpga_nova_does_not_stop_dpkg(machine, tmp_path):
    machine.patch("watch", "reapply", "--nova", machine.packages)
    script = tmp_path / "dpkg/info/fpga-nova-watch.postinst"
    assert sys.executable in script.read_text()
    script.write_text(script.read_text().replace("fpga_nova.patcher.cli", "fpga_nova_that_is_gone"))
    done = machine.install("2")
    assert "*** fpga-nova: see above" in done.stderr
    assert machine.status() == 5


def test_mode_replaces_another(machine):
    for mode in ("warn", "reapply", "reapply", "warn"):
        assert machine.patch("watch", mode, "--nova", machine.packages).stdout == f"watch: {mode}\n"
        assert machine.patch("watch").stdout == f"watch: {mode}\n"
    for _ in range(2):
        done = machine.patch("watch", "off")
        assert (done.returncode, done.stdout) == (0, "watch: off\n"), done.stderr
    assert machine.run("dpkg-query", "--show", "fpga-nova-watch").returncode == 1


def test_removed_nova_is_not_warned_of(machine):
    machine.patch("watch", "reapply", "--nova", machine.packages)
    done = machine.run("dpkg", "--purge", "nova-compute", "python3-nova")
    assert (done.returncode, "there is no Nova in" in done.stdout) == (0, True), done.stderr
    assert "WARNING" not in done.stderr.replace("dpkg: warning", "")


def test_nova_without_a_package_is_refused(machine, packages):
    done = machine.patch("watch", "reapply", "--nova", packages)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is of no Debian package" in done.stderr
    assert machine.patch("watch").stdout == "watch: off\n"


def test_without_dpkg_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    done = fpga_nova("watch")
    assert (done.returncode, done.stderr) == (
        1, "Error: there is no dpkg-query: only packages of Debian and its kin are watched\n",
    )  # fmt: skip
