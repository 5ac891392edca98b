# SPDX-License-Identifier: Apache-2.0
"""Cache of decoded fabrics, so that a bitstream is translated only once.

Each fabric has one directory, `<sha256 of the bitstream>-<board>-<translator>`, with the shared object and its own
SHA-256 beside it; the directory is renamed into place when it is complete. `<translator>` is a digest of the
translator itself, so that a newer translator never serves what an older one made.
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

#: Fabrics that are kept; those that were unused for longest go first. One takes 0.2 to 3 MB.
KEPT = 64

#: Seconds that a translation may take.
TIME_LIMIT = 120

#: The files that make a fabric, besides the tools: the code, the C of the stream shell, the pins of the boards.
_TRANSLATOR_FILES = ("*.py", "*.c", "boards/*.pcf")


@dataclasses.dataclass(frozen=True)
class Fabric:
    """A translated bitstream.

    :param path: the shared object
    :param sha256: its SHA-256, hex, which is compared before it is loaded
    """

    path: pathlib.Path
    sha256: str


class FabricCache:
    """The fabrics of a host.

    :param directory: where they are kept; made with mode 0700
    :param account: the account that the translator runs as
    """

    def __init__(self, directory: pathlib.Path, account: confinement.Account) -> None:
        self.directory = directory
        self.account = account

    def fabric(self, board: Board, bitstream: bytes) -> Fabric:
        """Return `bitstream` translated for `board`, from the cache if it is there.

        :raises fpga_nova.errors.ProgrammingFailed: it cannot be translated, with the tool's own words
        """
        digest = translator_digest(pathlib.Path(__file__).parent)
        entry = self.directory / f"{hashlib.sha256(bitstream).hexdigest()}-{board.name}-{digest}"
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
        # The confined translator may write only to a directory inside the private one.
        work = build / "work"
        work.mkdir(mode=0o700)
        (work / "bitstream").write_bytes(bitstream)
        if os.geteuid() == 0:
            for path in (work / "bitstream", work):
                os.chown(path, self.account.uid, self.account.gid)
        process = subprocess.Popen(
            python_process.argv("decoder.translator", board.name, str(self.account.uid), str(self.account.gid)),
            cwd=work,
            env=python_process.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _out, stderr = process.communicate(timeout=TIME_LIMIT)
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
            text = stderr.decode("utf-8", "replace").strip()
            reason = text.splitlines()[-1] if text else f"the translator ended with {process.returncode}"
            raise errors.ProgrammingFailed(reason)
        # A hostile bitstream may have taken the translator over: it must not make this process read another file.
        file = os.open(work / "fabric.so", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(file, "rb") as stream:
            return stream.read()

    def _keep(self, shared_object: bytes, entry: pathlib.Path) -> Fabric:
        digest = hashlib.sha256(shared_object).hexdigest()
        complete = pathlib.Path(tempfile.mkdtemp(prefix=".build-", dir=self.directory))
        try:
            (complete / "fabric.so").write_bytes(shared_object)
            (complete / "fabric.so.sha256").write_text(f"{digest}  fabric.so\n", encoding="ascii")
            if entry.exists():
                shutil.rmtree(entry, ignore_errors=True)
            # If another process has just put its own there, that one serves.
            with contextlib.suppress(OSError):
                complete.rename(entry)
        finally:
            shutil.rmtree(complete, ignore_errors=True)
        found = _load(entry)
        if found is None:
            raise errors.ProgrammingFailed(f"the decoded fabric cannot be kept at {entry}")
        return found

    def _prune(self) -> None:
        """Remove the fabrics that were unused for longest, and what killed processes left."""
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
    """Return the fabric at `entry`; None if there is none or its bytes have changed."""
    try:
        shared_object = (entry / "fabric.so").read_bytes()
        recorded = (entry / "fabric.so.sha256").read_text(encoding="ascii").split()[:1]
    except (OSError, UnicodeDecodeError):
        return None
    digest = hashlib.sha256(shared_object).hexdigest()
    return Fabric(entry / "fabric.so", digest) if recorded == [digest] else None


@functools.cache
def translator_digest(package: pathlib.Path) -> str:
    """Return a digest, 12 hex digits, over all files that decide what a fabric is made of.

    Files are found in the package itself and not listed here: one that is added or renamed counts at once.

    :param package: the folder of the decoder's package
    """
    digest = hashlib.sha256()
    for path in sorted(path for pattern in _TRANSLATOR_FILES for path in package.glob(pattern)):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(package)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:12]
