# SPDX-License-Identifier: Apache-2.0
"""Make the pictures of README.rst from their graphviz sources: ``python3 -m build_scripts.pictures``.

Each `docs/pictures/NAME.dot` gives `NAME.svg` beside it, which is committed, as a hosting site shows README without
building anything. The manuals' build makes its own from the same sources.
"""

from __future__ import annotations

import hashlib
import pathlib
import re
import subprocess
import sys

PICTURES = pathlib.Path(__file__).resolve().parents[1] / "docs/pictures"


def source_mark(source: pathlib.Path) -> str:
    """Return the SVG comment that names `source` and its SHA-256, by which a test tells a stale picture."""
    return f"<!-- {source.name} sha256:{hashlib.sha256(source.read_bytes()).hexdigest()} -->"


def make(source: pathlib.Path) -> pathlib.Path:
    """Write the SVG beside `source`; return its path.

    :raises subprocess.CalledProcessError: graphviz refuses the source
    """
    drawn = subprocess.run(["dot", "-Tsvg", str(source)], capture_output=True, text=True, check=True).stdout
    svg = drawn[drawn.index("<svg") :]  # without graphviz's version and document type
    svg = re.sub(r"<!-- [^>]* -->\n", "", svg)
    target = source.with_suffix(".svg")
    target.write_text(f"{source_mark(source)}\n{svg}")
    return target


def main() -> int:
    """Make all pictures; return the exit code."""
    for source in sorted(PICTURES.glob("*.dot")):
        print(make(source))
    return 0


if __name__ == "__main__":
    sys.exit(main())
