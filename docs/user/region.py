# SPDX-License-Identifier: Apache-2.0
"""Send a message to the region of this server and print how long the answer is: region.py FILE"""

import pathlib
import struct
import sys

PORT = pathlib.Path("/dev/virtio-ports/org.fpga-nova.region.0")


def read_exactly(port, count):
    """Return the next `count` bytes."""
    data = b""
    while len(data) < count:
        piece = port.read(count - len(data))
        if not piece:
            raise ConnectionError("the region is not connected")
        data += piece
    return data


def exchange(port, message):
    """Send one message; return its answer."""
    left = memoryview(struct.pack(">I", len(message)) + message)
    while left:
        left = left[port.write(left) :]
    (length,) = struct.unpack(">I", read_exactly(port, 4))
    return read_exactly(port, length)


if __name__ == "__main__":
    with PORT.open("r+b", buffering=0) as port:
        answer = exchange(port, pathlib.Path(sys.argv[1]).read_bytes())
    print(f"{len(answer)} bytes: {answer[:16].hex(' ')}")
