# SPDX-License-Identifier: Apache-2.0
"""README.rst's way without a cloud, run to the letter in a fresh directory."""

from __future__ import annotations

import os
import pathlib
import pwd
import re
import shlex
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
import textwrap
from collections.abc import Iterator

import pytest

from tests.support import ROOT

README = (ROOT / "README.rst").read_text()

#: Parts of a clone that the block needs.
PARTS = ("accelerators/crc32", "bin", "fpga_hooks", "fpga_nova", "patches")

#: Stands in for `python3 -m venv try`: an environment that sees what the tests' own has installed, without pip.
MAKE_VENV = """#!{python}
import pathlib, sys, venv
assert sys.argv[1:] == ["-m", "venv", "try"], sys.argv
venv.create("try", symlinks=True)
pip = pathlib.Path("try/bin/pip")
pip.write_text({pip!r})
pip.chmod(0o755)
"""

#: Stands in for `try/bin/pip install .`: copies the package, as PyPI and a minute are more than a test may ask for.
INSTALL = """#!{python}
import pathlib, shutil, sys
assert sys.argv[1:] == ["install", "."], sys.argv
(site,) = pathlib.Path("try/lib").glob("python3*/site-packages")
for package in ("fpga_nova", "fpga_hooks"):
    shutil.copytree(package, site / package)
(site / "tests.pth").write_text({purelib!r})
command = pathlib.Path("try/bin/fpga-cli")
_, _, text = pathlib.Path("bin/fpga-cli").read_text().partition("\\n")
command.write_text(f"#!{{pathlib.Path('try/bin/python').absolute()}}\\n" + text)
command.chmod(0o755)
"""


def block() -> str:
    """Return the commands of the section, as a reader would copy them."""
    section = README[README.index("\nIn a minute, without a cloud\n") :]
    return textwrap.dedent(re.search(r"::\n\n((?:    .*\n|\n)+)", section)[1])


def write_command(path: pathlib.Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def clone() -> Iterator[pathlib.Path]:
    """A directory like a fresh clone, below one that all users can enter."""
    if not pathlib.Path(sys.executable).stat().st_mode & stat.S_IXOTH:
        pytest.skip("the tests' Python is not for all users")
    path = pathlib.Path(tempfile.mkdtemp(prefix="readme"))  # short, for a socket's path has little room
    path.chmod(0o755)
    for part in PARTS:
        shutil.copytree(ROOT / part, path / part, ignore=shutil.ignore_patterns("__pycache__"))
    commands = path / "commands"
    commands.mkdir()
    install = INSTALL.format(python=sys.executable, purelib=sysconfig.get_path("purelib"))
    write_command(commands / "sudo", "#!/bin/sh\n")
    write_command(commands / "python3", MAKE_VENV.format(python=sys.executable, pip=install))
    yield path
    shutil.rmtree(path)


def run_block(clone: pathlib.Path, user: str | None) -> subprocess.CompletedProcess[str]:
    as_user = {}
    if user is not None:
        entry = pwd.getpwnam(user)
        for path in [clone, *clone.rglob("*")]:
            os.chown(path, entry.pw_uid, entry.pw_gid)
        as_user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    # After a failure, too, the servers of the regions must not outlive the test.
    erase = 'for one in try/run/endpoints/*.sock; do [ ! -S "$one" ] || fpga erase "$(basename "$one" .sock)"; done'
    script = f"trap {shlex.quote(erase)} EXIT\n{block()}"
    return subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=clone,
        env={"PATH": f"{clone}/commands:/usr/bin:/bin", "HOME": str(clone), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **as_user,
    )


@pytest.mark.parametrize("user", [None, "nobody"])
def test_commands_without_cloud_work_to_the_letter(clone, user):
    if os.geteuid() != 0 and user is not None:
        pytest.skip("only root can become another user")
    done = run_block(clone, user)
    assert (done.returncode, done.stderr) == (0, "")
    printed = [line.strip() for line in done.stdout.splitlines()]
    promised = re.findall(r"# (Used regions: \d/\d|36 10 a6 86)", block())
    assert len(promised) == 4
    assert printed == promised


def test_demo_of_first_screen_has_titles_of_demo():
    """Its titles and phrases are those of build_scripts/demo.py."""
    source = (ROOT / "build_scripts/demo.py").read_text()
    shown = README[README.index("    ==> ") : README.index("    demo: PASS")]
    titles = re.findall(r"^    ==> (.*)$", shown, re.MULTILINE)
    assert len(titles) > 3
    assert [title for title in titles if f'self.step("{title}")' not in source] == []
