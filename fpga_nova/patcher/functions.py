# SPDX-License-Identifier: Apache-2.0
"""Compares the functions of a Nova with those of the releases that the series was tried on.

A hunk has one line of context on each side, so it fits many releases, but it says nothing of the code around that line.
Therefore `patches/functions.yaml` has, for each release that the series is tried on, a hash of the source of every
function and class that a hunk changes, as it is when patched, and of those that our code relies on. Another point
release is accepted if all of these are the same. It is refused if one differs, and the refusal names that one.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Optional

import yaml

from fpga_nova import errors

#: Name of a function or class after that of its file, as `compute/claims.py: Claim.abort`.
Name = str
#: The source of each, as its hash.
Hashes = dict[Name, str]

#: Gives the bytes of a file of Nova's package by its path, None where there is none.
Reader = Callable[[str], Optional[bytes]]

#: Stands for the lines of a file outside of all functions and classes.
MODULE = "(module)"

# libyaml's is ten times as fast, and PyYAML may have been built without it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NotAsTried(errors.FpgaError):
    """A function is not as it is in a release that the series was tried on."""


def changed(before: Reader, after: Mapping[str, bytes | None], relied_on: Iterable[Name]) -> Hashes:
    """Return the hashes of what the patches change, as patched, and of what is relied on.

    A function that is relied on, but missing, is not in the result.

    :param before: gives the bytes of a file of the unpatched Nova, None where there is none
    :param after: the files that the patches change, by path, as patched
    :param relied_on: names of functions
    :raises NotAsTried: a file is not Python, or not of a version that this interpreter understands
    """
    found = {}
    for path, data in after.items():
        original = before(path)
        if data is None or original is None:
            continue
        old, new = _sources(path, original), _sources(path, data)
        for name, source in new.items():
            if source == old.get(name):
                continue
            if name == MODULE:
                # Imports come and go from release to release; it counts only that ours is at the top of the module.
                known = set(old[name])
                source = [line for line in source if line not in known]
            found[f"{path}: {name}"] = _hash(source)
    parsed: dict[str, dict[str, list[str]]] = {}
    for each in relied_on:
        path, _, name = each.partition(": ")
        if path not in parsed:
            data = after.get(path) or before(path)
            parsed[path] = {} if data is None else _sources(path, data)
        if name in parsed[path]:
            found[each] = _hash(parsed[path][name])
    return found


def load(path: pathlib.Path) -> dict[str, Hashes]:
    """Return the hashes by the name of the release that they were made of.

    :raises fpga_nova.errors.ConfigurationInvalid: `path` cannot be read
    """
    releases: dict[str, Hashes] = {}
    try:
        for name, variants in yaml.load(path.read_text(encoding="utf-8"), _LOADER).items():  # noqa: S506 - a safe one
            for digest, of in variants.items():
                for release in of:
                    releases.setdefault(release, {})[name] = digest
    except (OSError, yaml.YAMLError, AttributeError, TypeError) as error:
        raise errors.ConfigurationInvalid(f"{path} cannot be read: {errors.one_line(str(error))}") from error
    return releases


def dump(releases: Mapping[str, Hashes]) -> str:
    """Return the text that :func:`load` reads: each function once, with the releases that have it alike."""
    data: dict[Name, dict[str, list[str]]] = {}
    for release, hashes in releases.items():
        for name, digest in hashes.items():
            data.setdefault(name, {}).setdefault(digest, []).append(release)
    text: str = yaml.safe_dump(data, default_flow_style=None, width=1000)
    return text


def require(found: Hashes, known: Mapping[str, Hashes], tried: Sequence[str]) -> str:
    """Return the release of `tried` that has exactly the functions `found`.

    :raises NotAsTried: none has; names the first difference to the nearest one
    """
    least = None
    for release in tried:
        differences = differing(found, known.get(release, {}))
        if not differences:
            return release
        if least is None or len(differences) < len(least[1]):
            least = (release, differences)
    if least is None:
        raise NotAsTried("the series was tried on no release of this Nova")
    release, names = least
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    raise NotAsTried(f"{names[0]} is not what it is in Nova {release}, which the series was tried on{more}")


def differing(one: Hashes, other: Hashes) -> list[Name]:
    """Return the names of the functions that are missing in one, or differ."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


@functools.lru_cache(maxsize=128)  # ast takes a second for Nova's largest files
def _sources(path: str, data: bytes) -> dict[str, list[str]]:
    """Return the lines of each function, of each class without its functions, and of the rest, without empty lines."""
    try:
        text = data.decode()
        module = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise NotAsTried(f"{path} is not Python that this interpreter understands: {error}") from error
    lines = text.splitlines()
    found: dict[str, list[str]] = {}

    def visit(node: Any, prefix: str, first: int, last: int) -> None:
        own = set(range(first, last))
        for child in node.body:
            if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                continue
            begin = min(part.lineno for part in (child, *child.decorator_list)) - 1
            end = child.end_lineno or begin
            own.difference_update(range(begin, end))
            if isinstance(child, ast.ClassDef):
                visit(child, f"{prefix}{child.name}.", begin, end)
            else:
                # A property and its setter have one name.
                found.setdefault(prefix + child.name, []).extend(lines[begin:end])
        found.setdefault(prefix.rstrip(".") or MODULE, []).extend(
            lines[line] for line in sorted(own) if lines[line].strip()
        )

    visit(module, "", 0, len(lines))
    return found


def _hash(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
