# SPDX-License-Identifier: Apache-2.0
"""The commands of fpga-cli for IP-core archives: pack, inspect, upload."""

from __future__ import annotations

import argparse
import json
import sys

from fpga_nova import errors
from fpga_nova.fpga_cli import output
from fpga_nova.ip_cores import archive, core_lookup

#: Most bytes of an archive that these commands check; hosts have a limit of their own, max_archive_size.
_LOCAL_LIMIT = (1 << 32) - 1

_COLUMNS = ("manifest_version", "name", "version", "vendor", "description", "function", "bitstreams", "files")


def pack(arguments: argparse.Namespace) -> None:
    """Make an archive of a directory."""
    archive.pack(arguments.directory, arguments.output)


def inspect(arguments: argparse.Namespace) -> None:
    """Check an archive and print its manifest."""
    with core_lookup.open_file(arguments.archive) as file:
        core = archive.Archive(file, _LOCAL_LIMIT)
        core.verify()
    if arguments.format is None and not arguments.column and not sys.stdout.isatty():
        print(core.manifest_text.decode(), end="")
        return
    data = {**dict.fromkeys(_COLUMNS), **json.loads(core.manifest_text)}
    if arguments.format in ("json", "yaml"):
        present = [name for name in _COLUMNS if data[name] is not None]
        output.print_one(arguments, present, present, data)
        return
    data["function"] = f"{data['function']['type']} {data['function']['id']}"
    for name in ("bitstreams", "files"):
        data[name] = ", ".join(" ".join(str(value) for value in entry.values()) for entry in data[name] or ())
    output.print_one(arguments, _COLUMNS, [name for name in _COLUMNS if data[name]], data)


def upload(arguments: argparse.Namespace) -> None:
    """Put an archive into Glance."""
    with core_lookup.open_file(arguments.archive) as file:
        core = archive.Archive(file, _LOCAL_LIMIT)
        core.verify()
        try:
            import openstack
        except ImportError as error:
            raise errors.FpgaError(
                "upload needs the Python package openstacksdk: install it beside fpga-nova"
            ) from error
        from fpga_nova.clients import glance

        try:
            session = openstack.connection.from_config().session
        except Exception as error:
            raise errors.FpgaError(f"no usable credentials in the environment (OS_*, clouds.yaml): {error}") from error
        attributes = {"id": arguments.id, "name": arguments.name, "visibility": arguments.visibility}
        file.seek(0)
        image_id = glance.GlanceImages(session).upload(
            file,
            core.manifest,
            core.manifest_text.decode(),
            **{key: value for key, value in attributes.items() if value is not None},
        )
    print(image_id)
