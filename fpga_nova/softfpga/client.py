# SPDX-License-Identifier: Apache-2.0
"""Client of a region's socket, for a shell and for tests: one message, one answer.

`python -m fpga_nova.softfpga.client SOCKET < message > answer`
"""

from __future__ import annotations

import socket
import struct
import sys

_HEADER = struct.Struct(">I")


def exchange(socket_path: str, data: bytes, timeout: float = 60.0) -> bytes:
    """Send `data` as one frame and return the answer's bytes.

    :param timeout: seconds that each step may take
    :raises OSError: no server listens there, it does not answer in time, or it closes the connection before the
        answer's end (the reason is then in the server's log)
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(socket_path)
        connection.sendall(_HEADER.pack(len(data)) + data)
        (length,) = _HEADER.unpack(_receive(connection, _HEADER.size))
        return _receive(connection, length)


def _receive(connection: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        piece = connection.recv(min(1 << 16, length - len(received)))
        if not piece:
            raise ConnectionAbortedError("the region closed the connection; its server's log says why")
        received += piece
    return bytes(received)


def main() -> int:
    """Run as a command."""
    if len(sys.argv) != 2:
        print("usage: python -m fpga_nova.softfpga.client SOCKET < message > answer", file=sys.stderr)
        return 2
    try:
        answer = exchange(sys.argv[1], sys.stdin.buffer.read())
    except (OSError, struct.error) as exc:
        print(f"Error: {sys.argv[1]}: {getattr(exc, 'strerror', None) or exc}", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
