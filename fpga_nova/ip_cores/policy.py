# SPDX-License-Identifier: Apache-2.0
"""The operator's allow-list of IP cores, by project, image owner, vendor and function.

The file of `[fpga] policy_file` is YAML by the published schema (`schemas/policy-1.json`)::

    rules:
      - project: [6f70656e737461636b20342065766572]
        vendor: [lattice, xilinx]
        function: [checksum, c3dc1c41-6e2a-4d54-9f3e-2c6f34a3f0b1]
      - image_owner: [0b1d7c0a5d3e4f6a8b9c0d1e2f3a4b5c]

A core is admitted if one rule matches in all the keys that it has; a key matches if one of its values does.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from fpga_nova import errors, model
from fpga_nova.ip_cores import schema
from fpga_nova.system import trusted_paths, uuids

#: As a subject's project: the project is not known yet, so rules by project may match.
ANY_PROJECT = "*"


@dataclasses.dataclass(frozen=True)
class Subject:
    """The facts that rules match.

    :param project: Keystone's id of the project whose server gets the core; None where it was not given; ANY_PROJECT
        where it is not known yet
    :param image_owner: id of the project that owns the core's image; None for a local archive
    :param manifest: the core's; None before it is known
    """

    project: str | None
    image_owner: str | None
    manifest: model.Manifest | None


class Policy:
    """An allow-list.

    :param rules: as in the file
    :param source: its name in messages: the file's path
    """

    def __init__(self, rules: Sequence[Mapping[str, Sequence[str]]], source: str) -> None:
        self._rules = rules
        self._source = source

    def check(self, subject: Subject) -> None:
        """Admit a core; one whose manifest is not known yet, if a manifest could be admitted.

        :raises fpga_nova.errors.RefusedByPolicy: no rule admits it; the text says what was looked at
        """
        if any(_matches(rule, subject) for rule in self._rules):
            return
        project = "any" if subject.project == ANY_PROJECT else subject.project or "not given"
        seen = [f"project {project}", f"image owner {subject.image_owner or 'none'}"]
        if subject.manifest is not None:
            seen.append(f"vendor {subject.manifest.vendor}")
            seen.append(f"function {subject.manifest.function_type} {subject.manifest.function_id}")
        raise errors.RefusedByPolicy(f"no rule of {self._source} admits this IP core: {', '.join(seen)}")


def load(path: pathlib.Path) -> Policy:
    """Read a policy file.

    :raises fpga_nova.errors.ConfigurationInvalid: it cannot be read, others than root may change it, or it breaks the
        schema; the text names the field
    """
    try:
        return parse(trusted_paths.read(path, "policy_file"), str(path))
    except OSError as error:
        raise errors.ConfigurationInvalid(f"policy file {path} cannot be read: {error.strerror}") from error


def parse(text: bytes, source: str) -> Policy:
    """Read the text of a policy file.

    :param source: its name in messages: the file's path
    :raises fpga_nova.errors.ConfigurationInvalid: it breaks the schema; the text names the field
    """
    import yaml  # imported here: only hosts with a policy need it

    try:
        data = yaml.load(text, Loader=_strict_loader())  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise errors.ConfigurationInvalid(f"policy file {source} is not valid YAML: {error}") from error
    wrong = schema.violation(data, "policy-1")
    if wrong is not None:
        raise errors.ConfigurationInvalid(f"policy file {source} is not valid: {wrong}")
    return Policy(data["rules"], source)


def _matches(rule: Mapping[str, Sequence[str]], subject: Subject) -> bool:
    seen: dict[str, set[str | None]] = {"image_owner": {uuids.canonical(subject.image_owner or "")}}
    if subject.project != ANY_PROJECT:
        seen["project"] = {uuids.canonical(subject.project or "")}
    if subject.manifest is not None:
        seen["vendor"] = {subject.manifest.vendor}
        seen["function"] = {subject.manifest.function_type, subject.manifest.function_id}
    return all(
        any((uuids.canonical(value) or value) in seen[key] for value in values)
        for key, values in rule.items()
        if key in seen  # a fact that is not known yet may still match
    )


@functools.lru_cache(maxsize=1)
def _strict_loader() -> Any:
    """Return YAML's safe loader, made strict: it would silently take the last of two equal keys."""
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc] # PyYAML has no types
        pass

    def mapping(loader: Any, node: Any) -> dict[Any, Any]:
        keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"{key!r} stands twice in one mapping, again near line {node.start_mark.line + 1}")
        return dict(loader.construct_mapping(node, deep=True))

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return Loader
