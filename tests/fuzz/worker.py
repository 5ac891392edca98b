# SPDX-License-Identifier: Apache-2.0
"""One target's run in a process of its own: libFuzzer ends its process. `python -m tests.fuzz.worker TARGET DIR ARG...`

`DIR` gets the seeds and the dictionary, and what libFuzzer adds to the corpus; ARG are libFuzzer's own.
"""

from __future__ import annotations

import pathlib
import sys

import atheris

with atheris.instrument_imports(include=["fpga_nova", "zipfile", "jsonschema", "yaml"]):
    # These are imported by ours when they are first needed, which would be too late for the instruments.
    import jsonschema  # noqa: F401
    import yaml  # noqa: F401

    from tests.fuzz import targets


def main(name: str, directory: pathlib.Path, *arguments: str) -> None:
    """Fuzz until libFuzzer ends the process."""
    target = targets.TARGETS[name]
    corpus = directory / "corpus"
    corpus.mkdir()
    accepted = 0
    for index, seed in enumerate(target.seeds()):
        accepted += target.run(seed)
        (corpus / f"seed-{index}").write_bytes(seed)
    if not accepted:
        sys.exit(f"{name}: every seed is refused, so that nothing behind the first check would be fuzzed")
    if target.words:
        words = ("".join(f"\\x{byte:02x}" for byte in word) for word in target.words)
        (directory / "words").write_text("".join(f'"{word}"\n' for word in words), encoding="ascii")
        arguments = (*arguments, f"-dict={directory / 'words'}")

    def execute(data: bytes) -> None:
        target.run(data)

    atheris.Setup([sys.argv[0], *arguments, str(corpus)], execute)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]), *sys.argv[3:])
