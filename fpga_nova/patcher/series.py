# SPDX-License-Identifier: Apache-2.0
"""The patch series as data: `patches/series.yaml`, and what the patches make of a Nova.

The patches are run by patch(1) (GNU patch), on a copy of the files that they touch: it is what operators use by hand,
so both ways give the same bytes, it is part of every distribution, and it exists since before Python. No fuzz is
allowed: a hunk whose one line of context on each side is not there is a refusal. The Python libraries that were
looked at either only parse (unidiff) or search for hunks by rules of their own (patch-ng).
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Callable

import yaml

from fpga_nova import errors

# "+++ b/compute/manager.py", with an optional tab and time stamp.
_TARGET = re.compile(r"^\+\+\+ b/([^\t\n]+)", re.MULTILINE)


class DoesNotApply(errors.FpgaError):
    """The patches do not fit the files as they are."""


@dataclasses.dataclass(frozen=True)
class Series:
    """The patches, and the releases of Nova they fit.

    :param patches: paths of the patch files, in order
    :param releases: versions as Nova's metadata spell them
    """

    patches: tuple[pathlib.Path, ...]
    releases: tuple[str, ...]

    def files(self) -> list[str]:
        """Return the files that the patches change or add, relative to the package directory of Nova."""
        found = {name for patch in self.patches for name in _TARGET.findall(patch.read_text(encoding="utf-8"))}
        return sorted(found)

    def apply_to(self, read: Callable[[str], bytes | None], backwards: bool = False) -> dict[str, bytes | None]:
        """Return what the patches make of each file of :meth:`files`; None for a file that would go.

        :param read: gives the bytes of a file, None where there is none
        :param backwards: take the patches out instead
        :raises DoesNotApply: with what patch(1) said of the first patch that does not fit
        :raises fpga_nova.errors.ConfigurationInvalid: there is no patch(1)
        """
        names = self.files()
        with tempfile.TemporaryDirectory(prefix="fpga-nova-") as directory:
            copy = pathlib.Path(directory)
            for name in names:
                data = read(name)
                if data is not None:
                    (copy / name).parent.mkdir(parents=True, exist_ok=True)
                    (copy / name).write_bytes(data)
            for patch in reversed(self.patches) if backwards else self.patches:
                _run_patch(patch, copy, backwards)
            return {name: (copy / name).read_bytes() if (copy / name).is_file() else None for name in names}


def load(directory: pathlib.Path | None = None) -> Series:
    """Return the series of `directory`, by default the one that comes with this package.

    :raises fpga_nova.errors.ConfigurationInvalid: it is not there or not readable
    """
    if directory is None:
        package = pathlib.Path(__file__).resolve().parent.parent
        # Installed, the patches are the package data fpga_nova/patches; in a source tree they are beside fpga_nova/.
        directory = next((d for d in (package / "patches", package.parent / "patches") if d.is_dir()), package)
    try:
        data = yaml.safe_load((directory / "series.yaml").read_text(encoding="utf-8"))
        patches = tuple(directory / name for name in data["patches"])
        return Series(patches, tuple(str(release) for release in data["releases"]))
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise errors.ConfigurationInvalid(f"the patch series in {directory} cannot be read: {error}") from error


def _run_patch(patch: pathlib.Path, directory: pathlib.Path, backwards: bool) -> None:
    """Run patch(1) in `directory`.

    --forward refuses what is applied already; --batch and --force never ask.
    """
    command = ["patch", "--strip=1", "--fuzz=0", "--no-backup-if-mismatch", "--reject-file=-", f"--input={patch}"]
    command += ["--reverse", "--force"] if backwards else ["--forward", "--batch"]
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, env=environment)
    except FileNotFoundError as error:
        raise errors.ConfigurationInvalid("patch(1) is not installed; on Debian: apt-get install patch") from error
    if done.returncode != 0:
        raise DoesNotApply(f"{patch.name} does not apply: {_first_complaint(done.stdout + done.stderr)}")


def _first_complaint(output: str) -> str:
    """Return the file and the hunk that patch(1) stumbled over first."""
    current = ""
    for line in output.splitlines():
        if line.startswith(("patching file ", "checking file ")):
            current = line.split(" ", 2)[2]
        elif "FAILED" in line or "ignored" in line or "can't find file" in line or "Skipping" in line:
            return f"{current}: {line}"
    return errors.one_line(output)
