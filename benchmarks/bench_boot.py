# SPDX-License-Identifier: Apache-2.0
"""The time that an FPGA adds to a boot: from the request to ACTIVE, against a plain server on the same cloud.

The cloud must be up (`make bench` brings it up). Each server is deleted before the next is asked for, and the deletion
is not timed.
"""

from __future__ import annotations

import time

from benchmarks.pairs import compare
from build_scripts.cloud.client import Client
from build_scripts.lib import paths
from build_scripts.lib.state import State

#: Pairs; each takes about half a minute on two cores.
ROUNDS = 7


def main() -> None:
    client = Client(State(paths.state_path()), "bench-")
    client.delete_all()
    fpga = client.flavor("fpga-crc32", client.upload("crc32", paths.CLONE / "accelerators" / "crc32"))
    plain = client.flavor("plain", None)

    def boot(flavor: object) -> float:
        start = time.perf_counter()
        server = client.until(client.boot("server", flavor), "ACTIVE", pause=0.1)
        seconds = time.perf_counter() - start
        client.delete(server)
        return seconds

    compare("boot of a server with an FPGA to ACTIVE", lambda: boot(fpga), lambda: boot(plain), ROUNDS, "a plain one")


if __name__ == "__main__":
    main()
