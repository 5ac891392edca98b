# SPDX-License-Identifier: Apache-2.0
"""The patch series as data, and the files that it makes of a Nova.

patch(1) (GNU patch) runs the patches, on a copy of the files that they touch. Operators use the same program by hand,
so both ways give the same bytes; it is part of every distribution, and older than Python. No fuzz is allowed: if the
one line of context on a side of a hunk is missing, the patch is refused. The Python libraries that were examined either
only parse (unidiff) or search for hunks by rules of their own (patch-ng).
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping

import yaml

from fpga_nova import errors
from fpga_nova.patcher import functions

# "+++ b/compute/manager.py", with an optional tab and time stamp.
_TARGET = re.compile(r"^\+\+\+ b/([^\t\n]+)", re.MULTILINE)
# A line that a patch adds and that no Nova has by itself.
_OWN_LINE = re.compile(r"^\+(?!\+\+ )(.*fpga.*)$", re.MULTILINE)


class PatchesDoNotFit(errors.FpgaError):
    """The patches do not fit the files as they are."""


class NotSupported(errors.FpgaError):
    """The series is not for that release of Nova."""


@dataclasses.dataclass(frozen=True)
class Release:
    """The series for the releases of Nova that have the same first number.

    :param patches: paths of the patch files, in order
    :param tried: the releases that it is tried on: versions as on PyPI, or names of distributions
    """

    patches: tuple[pathlib.Path, ...]
    tried: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Series:
    """The patches, and the releases of Nova they fit.

    :param directory: the directory of series.yaml and the patches
    :param releases: by the first number of Nova's version
    :param relied_on: names of functions, see :mod:`fpga_nova.patcher.functions`
    """

    directory: pathlib.Path
    releases: dict[int, Release]
    relied_on: tuple[functions.Name, ...]

    def release(self, version: str) -> Release:
        """Return the patches for Nova `version`, as Nova's metadata spell it.

        :raises NotSupported: there are none
        """
        number = re.match(r"\d+(?=\.)", version)
        found = self.releases.get(int(number[0])) if number else None
        if found is None:
            tried = ", ".join(name for release in self.releases.values() for name in release.tried)
            raise NotSupported(f"Nova {version} is not supported; this series is for {tried}")
        return found

    def files(self) -> list[str]:
        """Return the files that the patches change or add, relative to the package directory of Nova."""
        patches = {patch for release in self.releases.values() for patch in release.patches}
        return sorted({name for patch in patches for name in _TARGET.findall(patch.read_text(encoding="utf-8"))})

    def apply_to(self, version: str, read: functions.Reader, backwards: bool = False) -> dict[str, bytes | None]:
        """Return the patched bytes of each file of :meth:`files`; None for a file that would be removed.

        :param version: of that Nova
        :param read: gives the bytes of a file, None where there is none
        :param backwards: take the patches out instead
        :raises PatchesDoNotFit: names the first patch that does not fit, and patch(1)'s complaint
        :raises NotSupported: by :meth:`release`
        :raises fpga_nova.errors.ConfigurationInvalid: there is no patch(1)
        """
        patches = self.release(version).patches
        files = {name: read(name) for name in self.files()}
        return run_patches(reversed(patches) if backwards else patches, files, backwards)

    def files_with_traces(self, read: functions.Reader) -> list[str]:
        """Return the files that have a line that only the patches add.

        :param read: gives the bytes of a file, None where there is none
        """
        patches = {patch for release in self.releases.values() for patch in release.patches}
        ours = {line for patch in patches for line in _OWN_LINE.findall(patch.read_text(encoding="utf-8"))}
        found = []
        for name in self.files():
            lines = (read(name) or b"").decode(errors="replace").splitlines()
            if not ours.isdisjoint(lines):
                found.append(name)
        return found

    def tried_on(self, version: str, before: functions.Reader, after: Mapping[str, bytes | None]) -> str:
        """Return the release, of those that the series was tried on, with this Nova's functions.

        :param version: of this Nova
        :param before: gives the bytes of a file without the patches, None where there is none
        :param after: what :meth:`apply_to` returned
        :raises fpga_nova.patcher.functions.NotAsTried: there is none; names the function that differs
        """
        found = functions.changed(before, after, self.relied_on)
        known = functions.load(self.directory / "functions.yaml")
        return functions.require(found, known, self.release(version).tried)


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
        releases = {}
        for number, each in data["releases"].items():
            instead = each.get("instead", {})
            patches = tuple(directory / instead.get(name, name) for name in data["patches"])
            releases[int(number)] = Release(patches, tuple(each["tried"]))
        relied_on = tuple(f"{path}: {name}" for path, names in data["relied_on"].items() for name in names)
        return Series(directory, releases, relied_on)
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise errors.ConfigurationInvalid(f"the patch series in {directory} cannot be read: {error}") from error


def run_patches(
    patches: Iterable[pathlib.Path], files: Mapping[str, bytes | None], backwards: bool
) -> dict[str, bytes | None]:
    """Return the bytes that patches make of `files`, by path; None stands for a missing file.

    :param patches: in the order in which they are run
    :param backwards: take them out instead
    :raises PatchesDoNotFit: names the first that does not fit, and patch(1)'s complaint
    :raises fpga_nova.errors.ConfigurationInvalid: there is no patch(1)
    """
    with tempfile.TemporaryDirectory(prefix="fpga-nova-") as directory:
        copy = pathlib.Path(directory)
        for name, data in files.items():
            if data is not None:
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                (copy / name).write_bytes(data)
        for patch in patches:
            _run_patch(patch, copy, backwards)
        return {name: (copy / name).read_bytes() if (copy / name).is_file() else None for name in files}


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
        raise PatchesDoNotFit(f"{patch.name} does not apply: {_first_complaint(done.stdout + done.stderr)}")


def _first_complaint(output: str) -> str:
    """Return the file and the hunk of patch(1)'s first complaint."""
    current = ""
    for line in output.splitlines():
        if line.startswith(("patching file ", "checking file ")):
            current = line.split(" ", 2)[2]
        elif "FAILED" in line or "ignored" in line or "can't find file" in line or "Skipping" in line:
            return f"{current}: {line}"
    return errors.one_line(output)
