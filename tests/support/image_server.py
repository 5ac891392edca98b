# SPDX-License-Identifier: Apache-2.0
"""A small server that speaks as much of the Image API v2 as burns need, and misbehaves as it is told."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import threading

IMAGE = "0e4a9a1c-6f1f-4d39-8a52-3c1c5a9d7be4"


class Glance(http.server.BaseHTTPRequestHandler):
    """One image, told by the server's attributes how to behave."""

    def do_GET(self):
        server = self.server
        server.requests.append(self.path)
        server.tokens.append(self.headers["X-Auth-Token"])
        if server.readers is not None and server.tokens[-1] not in server.readers and "schemas" not in self.path:
            self.send_error(404)
            return
        if self.path.endswith("/file"):
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(server.content)))
            self.end_headers()
            self.wfile.write(server.sent)
            server.served += len(server.sent)
            return
        status, body = server.answer
        if self.path.startswith("/v2/schemas/"):
            properties = {"container_format": {"type": ["null", "string"], "enum": [None, *server.formats]}}
            schema = {"name": "image", "properties": properties, "additionalProperties": {"type": "string"}}
            status, body = server.schema_status, schema if server.schema_status == 200 else "<html>"
        body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if body.startswith(b"{") else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    """A Glance with one image, whose data are `content`.

    :param content: the image's data; `sent` is what a download gives of them
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Glance)
        self.requests: list[str] = []
        #: bytes of image data that went out
        self.served = 0
        self.tokens: list[str | None] = []
        #: Tokens of those who see the image; None where anyone does.
        self.readers: set[str] | None = None
        self.formats = ["bare", "fpga"]
        self.schema_status = 200
        self.answer = (
            200,
            {
                "id": IMAGE,
                "name": "core",
                "status": "active",
                "container_format": "fpga",
                "disk_format": "raw",
                "os_hash_algo": "sha512",
                "tags": ["FPGA"],
            },
        )
        self.store(content)

    def store(self, content: bytes) -> None:
        """Have `content` as the image's data, with size and hash."""
        self.content = self.sent = content
        self.answer[1]["size"] = len(content)
        self.answer[1]["os_hash_value"] = hashlib.sha512(content).hexdigest()

    def downloads(self) -> int:
        """Return how often the image's data were asked for."""
        return sum(path.endswith("/file") for path in self.requests)


@contextlib.contextmanager
def serving(content: bytes):
    """Give a running server."""
    with Server(content) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
