# SPDX-License-Identifier: Apache-2.0
"""Compares manuals, samples and README with the code.

To generate the samples again:

    oslo-config-generator --config-file etc/fpga-nova/config-generator.conf
    oslo-config-generator --config-file etc/nova/config-generator-fpga.conf
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import tty
import zlib

import pytest
from oslo_config import generator

from build_scripts import pictures
from fpga_nova import errors
from fpga_nova.ip_cores import manifest
from fpga_nova.patcher import series

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.rst"

#: Exit codes that no class of errors.py has: done, and those of signals, as shells have them.
OTHER_CODES = {0, errors.INTERRUPTED, errors.OUTPUT_CLOSED}


#: The folders of the tree.
TOPS = sorted(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))


def pages() -> list[pathlib.Path]:
    return [
        README,
        ROOT / "CONTRIBUTING.rst",
        *sorted(page for page in DOCS.rglob("*.rst") if "_build" not in page.parts),
    ]


def relative(path: pathlib.Path) -> str:
    return str(path.relative_to(ROOT))


# The samples


@pytest.mark.parametrize("config", ["etc/fpga-nova/config-generator.conf", "etc/nova/config-generator-fpga.conf"])
def test_sample_equals_output_of_generator(config, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    committed = re.search(r"^output_file = (.*)$", (ROOT / config).read_text(), re.MULTILINE)[1]
    generator.main(["--config-file", config, "--output-file", str(tmp_path / "sample")])
    assert (tmp_path / "sample").read_text() == (ROOT / committed).read_text()


def test_every_option_of_samples_has_help_text():
    for sample in (ROOT / "etc/fpga-nova/fpga-nova.conf.sample", ROOT / "etc/nova/fpga.conf.sample"):
        assert "(no help" not in sample.read_text()


# Exit codes


def codes_of_errors() -> set[int]:
    found = set()
    classes = [errors.FpgaError]
    for cls in classes:
        found.add(cls.exit_code)
        classes.extend(cls.__subclasses__())
    return found


def list_table(page: pathlib.Path, first: str) -> list[list[str]]:
    """Return the rows of the list-table in `page` whose first head cell is `first`."""
    for block in re.split(r"^\.\. list-table::\n", page.read_text(), flags=re.MULTILINE)[1:]:
        rows: list[list[str]] = []
        for line in block.splitlines():
            if line.startswith("   * - "):
                rows.append([line[7:]])
            elif line.startswith("     - "):
                rows[-1].append(line[7:])
            elif line.startswith("       ") and rows:
                rows[-1][-1] += " " + line.strip()
            elif line and not line.startswith("   "):
                break
        if rows[0][0] == first:
            return rows[1:]
    raise AssertionError(f"no table of {first} in {page}")


def test_manual_has_every_exit_code():
    rows = list_table(DOCS / "operator" / "fpga-cli.rst", "Code")
    assert {int(row[0]) for row in rows} == codes_of_errors() | OTHER_CODES


def test_readme_has_every_exit_code():
    table = re.search(r"^==== =.*?^==== =.*?^==== =", README.read_text(), re.DOTALL | re.MULTILINE)[0]
    said = {int(code) for line in table.splitlines() for code in re.findall(r"(?:^|\s{2,})(\d+)\s{2,}\S", line)}
    assert said == (codes_of_errors() | {0}) - {1, 2}  # the README names 1 and 141 below its table


def test_help_has_every_exit_code():
    command = [sys.executable, "-m", "fpga_nova.fpga_cli", "--help"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = text[text.index("exit codes:") : text.index("examples:")]
    said = {int(code) for code in re.findall(r"(?:^|\s{2}|; )(\d+)\s+[a-z]", listed, re.MULTILINE)}
    assert said == codes_of_errors() | OTHER_CODES


# The manifest


def schema_rows() -> dict[str, tuple[str, str, str]]:
    schema = json.loads(manifest.SCHEMA_PATH.read_text())
    rows: dict[str, tuple[str, str, str]] = {}

    def walk(node: dict, prefix: str) -> None:
        for name, field in node["properties"].items():
            definition = schema["$defs"][field["$ref"].rpartition("/")[2]] if "$ref" in field else {}
            merged = {**definition, **field}
            kind = "1" if merged.get("const") == 1 else merged["type"]
            needed = "yes" if name in node["required"] else "no"
            rows[f"``{prefix}{name}``"] = (kind, needed, merged.get("description", ""))
            if kind == "object":
                walk(merged, f"{prefix}{name}.")
            elif kind == "array":
                walk(merged["items"], f"{prefix}{name}[].")

    walk(schema, "")
    return rows


def test_manifest_table_equals_schema():
    rows = {row[0]: tuple(row[1:]) for row in list_table(DOCS / "user" / "archives.rst", "Field")}
    expected = schema_rows()
    assert list(rows) == list(expected)
    for field, (kind, needed, description) in expected.items():
        assert rows[field][:2] == (kind, needed), field
        assert rows[field][2] and rows[field][2] == (description or rows[field][2]), field


# Paths, messages, commands


@pytest.mark.parametrize("page", pages(), ids=relative)
def test_paths_of_the_tree_exist(page):
    """A text in the form of a path of this tree is one; also in literal blocks."""
    tops = "|".join(TOPS)
    text = page.read_text().replace("/path/to/fpga-nova/", " ")
    found = re.findall(rf"(?<![\w/.~<>-])((?:{tops})/[\w./-]*[\w/])", text)
    # Files made by installing or building are not in the tree; NAME and NN stand for any name.
    made = re.compile(r"docs/_build|.*\b(?:test_)?NAME\.|.*-NN\.")
    missing = [path for path in found if not (ROOT / path).exists() and not made.match(path)]
    assert not missing


#: Names of option namespaces and entry points, which have the form of modules.
NAMES = {"fpga_nova.host"}


@pytest.mark.parametrize("page", pages(), ids=relative)
def test_modules_exist(page):
    """A dotted name of our packages is a module or a name in one; also in literal blocks."""
    found = re.findall(
        r"(?<![\w./-])((?:fpga_nova|fpga_hooks|build_scripts|tests|benchmarks)(?:\.\w+)+)", page.read_text()
    )
    assert [name for name in sorted(set(found) - NAMES) if not resolves(name)] == []


def resolves(name: str) -> bool:
    if name.rpartition(".")[2] in ("py", "rst", "yaml"):  # a file's name
        return True
    module = name
    while not is_module(module):
        module = module.rpartition(".")[0]
    rest = name[len(module) :].strip(".").split(".")
    if rest == [""]:
        return True
    code = (ROOT / module.replace(".", "/")).with_suffix(".py")
    code = code if code.exists() else ROOT / module.replace(".", "/") / "__init__.py"
    return re.search(rf"\b{rest[0]}\b", code.read_text()) is not None


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").exists()


@pytest.mark.parametrize("page", pages(), ids=relative)
def test_python_files_exist(page):
    """A Python file that is named without its folder is somewhere in the tree."""
    known = {path.name for path in ROOT.glob("*.py")}
    known |= {path.name for top in TOPS for path in (ROOT / top).rglob("*.py")}
    found = re.findall(r"``(\w+\.py)``", page.read_text())
    assert set(found) - known == set()


def texts_of_the_code() -> str:
    """Return all text that the product can print: the constant parts of its strings, with NUL between two strings."""
    parts = []
    for path in sorted([*(ROOT / "fpga_nova").rglob("*.py"), *(ROOT / "patches").glob("*.patch")]):
        if path.suffix == ".patch":
            # Texts of added files, whose lines are joined as Python joins adjacent strings.
            added = "".join(line[1:].strip() for line in path.read_text().splitlines() if line.startswith("+"))
            parts.append(added.replace('""', ""))
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                parts.append(node.value)
    return "\0".join(parts)


def test_messages_of_manual_are_in_code():
    texts = texts_of_the_code()
    page = (DOCS / "operator" / "troubleshooting.rst").read_text()
    terms = [term for line in re.findall(r"^``.*``$", page, re.MULTILINE) for term in re.findall(r"``(.*?)``", line)]
    assert len(terms) > 40
    wrong = []
    for term in terms:
        pieces = [piece for piece in re.split(r"<[^>]*>|%[sd]", term) if re.search(r"\w\w", piece)]
        assert pieces, term
        wrong += [f"{term}: {piece!r}" for piece in pieces if piece.strip() not in texts]
    assert not wrong


def test_manual_has_every_command():
    command = [sys.executable, "-m", "fpga_nova.fpga_cli", "--help"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^    ([a-z]+) ", text[text.index("commands:") : text.index("exit codes:")], re.MULTILINE)
    page = (DOCS / "operator" / "fpga-cli.rst").read_text()
    assert len(names) > 5
    assert [name for name in names if f"python -m fpga_nova.fpga_cli {name} --help" not in page] == []


def test_dpkg_output_names_files_of_series():
    page = (DOCS / "operator" / "debian.rst").read_text()
    quoted = re.findall(r"^    \?\?5\?{6}   /usr/lib/python3/dist-packages/nova/(\S+)$", page, re.MULTILINE)
    text = "".join(patch.read_text() for patch in series.load().release("26.2.2").patches)
    assert quoted == sorted(set(re.findall(r"^--- a/(\S+)", text, re.MULTILINE)))


def test_make_targets_of_manuals_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    said = {
        name
        for page in pages()
        for name in re.findall(r"(?:``|^    )make ([a-z][a-z-]*)", page.read_text(), re.MULTILINE)
    }
    assert said - targets == set()


# The pictures


@pytest.mark.parametrize("source", sorted(pictures.PICTURES.glob("*.dot")), ids=lambda source: source.stem)
def test_committed_picture_is_made_from_its_source(source):
    """`make pictures` writes the source's hash into each SVG."""
    assert source.with_suffix(".svg").read_text().startswith(pictures.source_mark(source))


def test_every_committed_picture_has_a_source():
    assert {path.stem for path in pictures.PICTURES.glob("*.svg")} == {
        path.stem for path in pictures.PICTURES.glob("*.dot")
    }


# The examples


def test_stand_in_example_keeps_contract(tmp_path):
    example = DOCS / "operator" / "stand-in-example.py"

    def run(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, str(example), *arguments],
            env={"STAND_IN_STATE": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    assert run("status") == (0, "Used regions: 0/2\n", "")
    assert run("burn", "image") == (0, "region-a\n", "")
    assert run("burn", "image")[0] == 0
    assert run("burn", "image") == (65, "", "Error: cannot program `image' - no free region\n")
    assert run("status") == (0, "Used regions: 2/2\n", "")
    assert run("erase", "region-a") == (0, "", "")
    assert run("erase", "region-a") == (0, "", "")
    assert run("erase", "nonsense")[0] == 33
    assert run("status") == (0, "Used regions: 1/2\n", "")
    assert run("burn")[0] == 2


@pytest.fixture
def port(host):
    """A character device that leads to a programmed region running CRC-32, as the guest's port does."""
    with tempfile.TemporaryDirectory(prefix="fd") as run_path:  # short, for a socket's path has little room
        host.configure(devices="soft", soft_cards="a:soft-hx1k:1", run_path=run_path)
        host.cli("pack", ROOT / "accelerators" / "crc32", "-o", host.path / "crc32.zip")
        region = host.cli("burn", "--file", host.path / "crc32.zip").strip()
        master, slave = os.openpty()
        tty.setraw(slave)
        with socket.socket(socket.AF_UNIX) as endpoint:
            endpoint.connect(f"{run_path}/endpoints/{region}.sock")

            def carry(source: int, target: int) -> None:
                with contextlib.suppress(OSError):  # EIO: the terminal's other end is closed
                    while piece := os.read(source, 4096):
                        while piece:
                            piece = piece[os.write(target, piece) :]

            threads = [
                threading.Thread(target=carry, args=ends, daemon=True)
                for ends in ((master, endpoint.fileno()), (endpoint.fileno(), master))
            ]
            for thread in threads:
                thread.start()
            yield os.ttyname(slave)
            host.cli("erase", region)  # closes the connection
            os.close(slave)
            for thread in threads:
                thread.join(10)
                assert not thread.is_alive()
            os.close(master)


MESSAGE = bytes(range(256)) * 300


def test_python_example_exchanges_messages_with_region(port):
    spec = importlib.util.spec_from_file_location("region", DOCS / "user" / "region.py")
    region = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(region)
    with pathlib.Path(port).open("r+b", buffering=0) as device:
        for message in (MESSAGE, b"hello", b""):
            answer = region.exchange(device, message)
            assert answer == (zlib.crc32(message).to_bytes(4, "big") if message else b"")


def test_shell_example_exchanges_message_with_region(port, tmp_path):
    (tmp_path / "message").write_bytes(MESSAGE)
    done = subprocess.run(
        ["sh", str(DOCS / "user" / "region.sh"), str(tmp_path / "message")],
        env={**os.environ, "PORT": port},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == zlib.crc32(MESSAGE).to_bytes(4, "big")
