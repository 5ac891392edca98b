# SPDX-License-Identifier: Apache-2.0
"""Decoded fabrics by the hash of their bitstream: what has been translated once is not translated again.

One directory a fabric, `<sha256 of the bitstream>-<board>-<translator>`, renamed into place when it is whole, with the
shared object and its own SHA-256 beside it. `<translator>` is a digest of the translator itself, so that a newer one
never serves what an older one made.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from fpga_nova import errors
from fpga_nova.softfpga import confinement, python_process
from fpga_nova.softfpga.decoder.boards import Board

#: Fabrics kept; the longest unused go first. One takes 0.2 to 3 MB.
KEPT = 64

#: Seconds that a translation may take.
TIME_LIMIT = 120

_TRANSLATOR = (
    *("asc_parser.py", "boards.py", "c_emitter.py", "chip_database.py", "netlist.py", "netlist_extractor.py"),
    *("translator.py", "truth_tables.py", "stream_shell.c"),
)


@dataclasses.dataclass(frozen=True)
class Fabric:
    """A translated bitstream.

    :param path: the shared object
    :param sha256: its SHA-256, hex; who loads it compares
    """

    path: pathlib.Path
    sha256: str


class FabricCache:
    """The fabrics of a host.

    :param directory: where they are kept; made with mode 0700
    :param who: whom the translator runs as
    """

    def __init__(self, directory: pathlib.Path, who: confinement.Account) -> None:
        self.directory = directory
        self.who = who

    def fabric(self, board: Board, bitstream: bytes) -> Fabric:
        """Return `bitstream` translated for `board`.

        :raises fpga_nova.errors.ProgrammingFailed: it cannot be, with the tool's own words
        """
        entry = self.directory / f"{hashlib.sha256(bitstream).hexdigest()}-{board.name}-{_translator()}"
        found = _load(entry)
        if found:
            os.utime(entry)
            return found
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._prune()
        build = pathlib.Path(tempfile.mkdtemp(prefix=".build-", dir=self.directory))
        try:
            shared_object = self._translate(board, bitstream, build)
            return self._keep(shared_object, entry)
        finally:
            shutil.rmtree(build, ignore_errors=True)

    def _translate(self, board: Board, bitstream: bytes, build: pathlib.Path) -> bytes:
        # What the confined translator may write to is a directory inside the private one.
        work = build / "work"
        work.mkdir(mode=0o700)
        (work / "bitstream").write_bytes(bitstream)
        if os.geteuid() == 0:
            for path in (work / "bitstream", work):
                os.chown(path, self.who.uid, self.who.gid)
        process = subprocess.Popen(
            python_process.argv("decoder.translator", board.name, str(self.who.uid), str(self.who.gid)),
            cwd=work,
            env=python_process.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _out, words = process.communicate(timeout=TIME_LIMIT)
        except subprocess.TimeoutExpired:
            raise errors.ProgrammingFailed(f"decoding the bitstream took more than {TIME_LIMIT} s") from None
        finally:
            # It and its tools are one process group; none of them outlives this call.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stderr:
                process.stderr.close()
        if process.returncode != 0:
            text = words.decode("utf-8", "replace").strip()
            reason = text.splitlines()[-1] if text else f"the translator ended with {process.returncode}"
            raise errors.ProgrammingFailed(reason)
        # The translator, which a hostile bitstream may have taken over, must not make us read another file.
        file = os.open(work / "fabric.so", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(file, "rb") as stream:
            return stream.read()

    def _keep(self, shared_object: bytes, entry: pathlib.Path) -> Fabric:
        digest = hashlib.sha256(shared_object).hexdigest()
        whole = pathlib.Path(tempfile.mkdtemp(prefix=".build-", dir=self.directory))
        try:
            (whole / "fabric.so").write_bytes(shared_object)
            (whole / "fabric.so.sha256").write_text(f"{digest}  fabric.so\n", encoding="ascii")
            if entry.exists():
                shutil.rmtree(entry, ignore_errors=True)
            # Where another process has just put its own there, that one serves.
            with contextlib.suppress(OSError):
                whole.rename(entry)
        finally:
            shutil.rmtree(whole, ignore_errors=True)
        found = _load(entry)
        if found is None:
            raise errors.ProgrammingFailed(f"the decoded fabric cannot be kept at {entry}")
        return found

    def _prune(self) -> None:
        """Remove what nobody has used for longest, and what killed processes left."""
        entries = []
        for path in self.directory.iterdir():
            with contextlib.suppress(FileNotFoundError):
                entries.append((path.stat().st_mtime, path))
        builds = [item for item in entries if item[1].name.startswith(".build-")]
        fabrics = sorted(item for item in entries if item not in builds)
        stale = [path for modified, path in builds if modified < time.time() - 10 * TIME_LIMIT]
        for path in stale + [path for _modified, path in fabrics[: -KEPT + 1]]:
            shutil.rmtree(path, ignore_errors=True)


def _load(entry: pathlib.Path) -> Fabric | None:
    """Return the fabric at `entry`, None if there is none or it is not what was put there."""
    try:
        shared_object = (entry / "fabric.so").read_bytes()
        recorded = (entry / "fabric.so.sha256").read_text(encoding="ascii").split()[:1]
    except (OSError, UnicodeDecodeError):
        return None
    digest = hashlib.sha256(shared_object).hexdigest()
    return Fabric(entry / "fabric.so", digest) if recorded == [digest] else None


@functools.cache
def _translator() -> str:
    here = pathlib.Path(__file__).parent
    digest = hashlib.sha256()
    for name in _TRANSLATOR:
        digest.update((here / name).read_bytes())
    return digest.hexdigest()[:12]
