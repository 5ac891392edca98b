# SPDX-License-Identifier: Apache-2.0
"""Generates parts of the patch series and tries it on every release: `python -m build_scripts.patches`.

Generated are `patches/functions.yaml` and the line numbers in the patches, which are those of the newest release that
each patch is for. With a release, or the path of one, it says how the series fits that, and changes nothing.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence

from build_scripts.lib import paths, releases
from build_scripts.lib.errors import CloudError
from fpga_nova import errors
from fpga_nova.fpga_nova_cli import main as fpga_nova
from fpga_nova.patcher import functions, locate, series

PATCHES = paths.CLONE / "patches"
FUNCTIONS = PATCHES / "functions.yaml"

_HEADER = """\
# SPDX-License-Identifier: Apache-2.0
# Hashes of the functions of Nova that the patches change, as patched, and of those that fpga-nova relies on, each with
# the releases that have it alike. Made by `make patches`; see fpga_nova/patcher/functions.py.
"""


class SeriesFailed(errors.FpgaError):
    """The series does not work on a release as it should."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="patches", description=__doc__)
    parser.add_argument("nova", nargs="?", help="a release, an archive, or a directory with the package nova")
    arguments = parser.parse_args(argv)
    try:
        cache = cache_path()
        return _try_one(arguments.nova, cache) if arguments.nova else _matrix(cache)
    except (CloudError, errors.FpgaError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


def cache_path() -> pathlib.Path:
    """Return the directory that releases are downloaded into."""
    return paths.state_path() / "cache" / "nova"


def tried() -> list[str]:
    """Return the releases that the series is tried on."""
    return [name for release in series.load(PATCHES).releases.values() for name in release.tried]


def files() -> set[str]:
    """Return the files of Nova's package that the command looks at."""
    patches = series.load(PATCHES)
    return {"__init__.py", *patches.files(), *(name.partition(": ")[0] for name in patches.relied_on)}


def unpack(release: str, cache: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    """Unpack what the series knows of `release` into `directory`, like a site-packages, and return that.

    :raises build_scripts.lib.releases.Unavailable: it cannot be had here
    """
    return releases.unpack(releases.fetch(release, cache), directory, files())


def verify(packages: pathlib.Path) -> str:
    """Apply the series to the Nova in `packages` and take it back, by the command and by patch(1).

    :returns: what was done, for a person
    :raises SeriesFailed: it is not as it should be; with what it is
    """
    nova = packages / "nova"
    before = contents(packages)
    applied = _command("apply", packages)
    _command("status", packages)
    changed = re.findall(r"^  (?:added|changed) (\S+)$", applied, re.MULTILINE)
    for name in changed:
        check_python(name, (nova / name).read_bytes())
    by_command = {name: (nova / name).read_bytes() for name in changed}
    _command("revert", packages)
    if contents(packages) != before:
        raise SeriesFailed("after the revert the files are not what they were")

    version = locate.find(packages).version
    release = series.load(PATCHES).release(version)
    with tempfile.TemporaryDirectory() as scratch:
        by_hand = pathlib.Path(scratch)
        _copy(lambda name: before.get(f"nova/{name}", (None,))[0], changed, by_hand)
        for patch in release.patches:
            _patch(patch, by_hand)
        if any((by_hand / name).read_bytes() != data for name, data in by_command.items()):
            raise SeriesFailed("patch(1) makes other files than the command")
    return f"{len(changed)} files applied and taken back"


def contents(directory: pathlib.Path) -> dict[str, tuple[bytes, int, int]]:
    """Return bytes, mode and time of change of each file below `directory`, by relative path."""
    found = {}
    for path in directory.rglob("*"):
        if path.is_file():
            status = path.stat()
            found[str(path.relative_to(directory))] = (path.read_bytes(), status.st_mode, status.st_mtime_ns)
    return found


def _matrix(cache: pathlib.Path) -> int:
    patches = series.load(PATCHES)
    with tempfile.TemporaryDirectory(prefix="fpga-nova-") as scratch:
        trees = {name: unpack(name, cache, pathlib.Path(scratch) / name.replace(" ", "-")) for name in tried()}
        for path in _renumber(trees, patches):
            print(f"written: {path.relative_to(paths.CLONE)}")
        known, failed = {}, {}
        for name, packages in trees.items():
            try:
                known[name] = _functions(locate.find(packages), patches)
            except errors.FpgaError as error:
                failed[name] = str(error)
        reference = tried()[-1]
        for name, hashes in known.items():
            elsewhere = sorted({*hashes} ^ {*known.get(reference, hashes)})
            if elsewhere:
                failed[name] = (
                    f"hunks land elsewhere than in {reference}, or something is missing: {', '.join(elsewhere)}"
                )
        if _write(FUNCTIONS, _HEADER + functions.dump(known)):
            print(f"written: {FUNCTIONS.relative_to(paths.CLONE)}")
        newest = releases_out(patches)
        for name, packages in trees.items():
            if name not in failed:
                try:
                    done = verify(packages)
                except errors.FpgaError as error:
                    failed[name] = str(error)
            print(f"{name:<10}  {'FAILED: ' + failed[name] if name in failed else 'ok: ' + done}{newest.get(name, '')}")
    return 1 if failed else 0


def releases_out(patches: series.Series) -> dict[str, str]:
    """Return a remark for each release on PyPI that is not the newest of its series any more, or is the last."""
    remarks = {}
    for number, release in patches.releases.items():
        newest = releases.newest(number)
        name = next(name for name in release.tried if name != releases.DEBIAN)
        if newest != name:
            remarks[name] = f"; {newest} is out"
    return remarks


def _try_one(nova: str, cache: pathlib.Path) -> int:
    """Say how the series fits a release, perhaps not one of its own."""
    patches = series.load(PATCHES)
    with tempfile.TemporaryDirectory(prefix="fpga-nova-") as scratch:
        path = pathlib.Path(nova)
        if not path.is_dir():
            path = releases.unpack(path if path.is_file() else releases.fetch(nova, cache), pathlib.Path(scratch))
        found = locate.find(path)
        number = int(found.version.partition(".")[0])
        known_number = number if number in patches.releases else max(patches.releases)
        release = patches.releases[known_number]
        print(f"Nova {found.version}, with the patches for {known_number}:")
        with tempfile.TemporaryDirectory(prefix="fpga-nova-") as copy:
            _copy(_reader(found), patches.files(), pathlib.Path(copy))
            rejected = [line for patch in release.patches for line in _patch(patch, pathlib.Path(copy), strict=False)]
        if rejected:
            print("\n".join(f"  {line}" for line in rejected))
            return 1
        hashes = _functions(found, series.Series(PATCHES, {number: release}, patches.relied_on))
        like = release.tried[0]
        known = functions.load(FUNCTIONS)[like]
        lost = sorted({*known} - {*hashes})
        gained = sorted({*hashes} - {*known})
        print("  every hunk applies")
        for text, names in (
            (f"a hunk lands in it in Nova {like}, or it is relied on, and here not", lost),
            (f"a hunk lands in it, and not in Nova {like}", gained),
            (f"not what it is in Nova {like}: read it", [n for n in known if hashes.get(n, known[n]) != known[n]]),
        ):
            for name in names:
                print(f"  {name}: {text}")
        return 1 if lost or gained else 0


def _functions(nova: locate.Nova, patches: series.Series) -> functions.Hashes:
    read = _reader(nova)
    return functions.changed(read, patches.apply_to(nova.version, read), patches.relied_on)


def _reader(nova: locate.Nova) -> Callable[[str], bytes | None]:
    def read(name: str) -> bytes | None:
        path = nova.package / name
        return path.read_bytes() if path.is_file() else None

    return read


def _renumber(trees: dict[str, pathlib.Path], patches: series.Series) -> list[pathlib.Path]:
    """Write each patch with the line numbers of its newest release; return those that changed."""
    changed = []
    done: set[pathlib.Path] = set()
    for release in reversed(patches.releases.values()):
        nova = locate.find(trees[release.tried[0]])
        with tempfile.TemporaryDirectory(prefix="fpga-nova-") as scratch:
            before, after = pathlib.Path(scratch, "a"), pathlib.Path(scratch, "b")
            _copy(_reader(nova), patches.files(), after)
            for patch in release.patches:
                _copy(lambda name, tree=after: _bytes(tree / name), patches.files(), before)
                _patch(patch, after)
                text = patch.read_text()
                head, _, _ = text.partition("--- ")
                names = re.findall(r"^\+\+\+ b/(\S+)", text, re.MULTILINE)
                if patch not in done and _write(patch, head + "".join(_diff(before, after, name) for name in names)):
                    changed.append(patch)
                done.add(patch)
    return changed


def _diff(before: pathlib.Path, after: pathlib.Path, name: str) -> str:
    old = before / name
    labels = ["--label", f"a/{name}" if old.is_file() else "/dev/null", "--label", f"b/{name}"]
    command = ["diff", "-U1", *labels, str(old if old.is_file() else os.devnull), str(after / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 1:
        raise SeriesFailed(f"diff of {name}: {done.stderr.strip() or 'the patch changes nothing'}")
    return done.stdout


def _bytes(path: pathlib.Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _copy(read: Callable[[str], bytes | None], names: Sequence[str], directory: pathlib.Path) -> None:
    for name in names:
        data = read(name)
        if data is not None:
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(data)


def _patch(patch: pathlib.Path, directory: pathlib.Path, strict: bool = True) -> list[str]:
    """Run patch(1) as the manual says it; return what it said of hunks that do not fit.

    :raises SeriesFailed: one does not, and `strict`
    """
    command = ["patch", "-Np1", "--fuzz=0", "--no-backup-if-mismatch", "--reject-file=-", f"--input={patch}"]
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    rejected = []
    current = ""
    for line in done.stdout.splitlines():
        if line.startswith("patching file "):
            current = line.removeprefix("patching file ")
        elif "FAILED at" in line or "can't find file" in line:
            rejected.append(f"{patch.name}: {current}: {line}")
    if done.returncode != 0 and (strict or not rejected):
        raise SeriesFailed(rejected[0] if rejected else f"{patch.name}: {errors.one_line(done.stdout + done.stderr)}")
    return rejected


def _command(action: str, packages: pathlib.Path) -> str:
    """Run `fpga-nova patch ACTION` and require success; return what it prints."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = fpga_nova.main(["patch", action, "--nova", str(packages)])
    if code != 0:
        raise SeriesFailed(f"{action}: {(err.getvalue() or out.getvalue()).strip()}")
    return out.getvalue()


def check_python(name: str, data: bytes) -> None:
    """Require that a patched file compiles and calls only seams that there are, imported at the top of the module.

    :raises SeriesFailed: it does not
    """
    try:
        module = ast.parse(data, name)
        compile(module, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise SeriesFailed(f"{name} is not Python once patched: {error}") from error
    offered = {"fpga": _exported("seams"), "hooks": _exported("hooks")}
    imported = {
        alias.name
        for statement in module.body
        if isinstance(statement, ast.ImportFrom) and statement.module == "nova.compute"
        for alias in statement.names
    }
    for node in _walk_mentions(module, data, offered):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in offered:
            owner = node.value.id
            if owner not in imported or node.attr not in offered[owner]:
                raise SeriesFailed(f"{name}, line {node.lineno}: there is no {owner}.{node.attr}")


def _walk_mentions(module: ast.Module, data: bytes, names: Collection[str]) -> Iterator[ast.AST]:
    """Give the nodes of the statements in whose lines one of `names` is; Nova's largest files have 100,000 others."""
    mentions = re.compile(r"\b(?:" + "|".join(names) + r")\b")
    lines = [number for number, line in enumerate(data.decode().splitlines(), 1) if mentions.search(line)]
    waiting: list[ast.AST] = [module]
    while waiting:
        node = waiting.pop()
        yield node
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                last = child.end_lineno or child.lineno
                first = min(part.lineno for part in (child, *getattr(child, "decorator_list", [])))
                if not any(first <= line <= last for line in lines):
                    continue
            waiting.append(child)


def _exported(module: str) -> set[str]:
    """Return what `fpga_nova/nova/MODULE.py` names in `__all__`; read, since importing it would import Nova."""
    for statement in ast.parse((paths.CLONE / "fpga_nova" / "nova" / f"{module}.py").read_bytes()).body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", None) == "__all__":
            return set(ast.literal_eval(statement.value))
    raise SeriesFailed(f"fpga_nova/nova/{module}.py has no __all__")


def _write(path: pathlib.Path, text: str) -> bool:
    """Write a file unless it has that text; return whether it was written."""
    if path.is_file() and path.read_text() == text:
        return False
    path.write_text(text)
    return True


if __name__ == "__main__":
    sys.exit(main())
