# SPDX-License-Identifier: Apache-2.0
"""fpga-cli as a process: what a status costs nova-compute's audit, and a burn of a core that the host knows already.

Aim: status at most 3 times `python3 -c pass`.
"""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
import tempfile

from benchmarks.pairs import compare

ROOT = pathlib.Path(__file__).resolve().parents[1]
CLI = pathlib.Path(sys.executable).with_name("fpga-cli")


def run(*command: object) -> str:
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="fb") as name:
        path = pathlib.Path(name)
        config = path / "fpga.conf"
        config.write_text(
            f"[fpga]\nstate_path = {path}/state\nrun_path = {path}/run\ndevices = soft\nsoft_cards = a:soft-hx1k:1\n"
        )
        cli = (CLI, "--config-file", config)
        run(*cli, "pack", ROOT / "accelerators" / "crc32", "-o", path / "crc32.zip")

        def nothing() -> None:
            run(sys.executable, "-c", "pass")

        def status() -> None:
            run(*cli, "status")

        def burn_and_erase() -> None:
            run(*cli, "erase", run(*cli, "burn", "--file", path / "crc32.zip").strip())

        def cold_burn_and_erase() -> None:
            shutil.rmtree(path / "state" / "cache", ignore_errors=True)
            burn_and_erase()

        compare("fpga-cli status", status, nothing, 40, "python3 -c pass")
        compare("burn and erase of a cached core", burn_and_erase, nothing, 15, "python3 -c pass")
        compare("burn and erase of a cached core", burn_and_erase, cold_burn_and_erase, 7, "the same, not cached")


if __name__ == "__main__":
    main()
