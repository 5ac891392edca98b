# SPDX-License-Identifier: Apache-2.0
"""Output of a child process in bounded memory, written here by the test itself."""

from __future__ import annotations

import os

from fpga_nova.system import bounded_output
from fpga_nova.system.bounded_output import MAX_HEAD, MAX_TAIL, BoundedOutput


def written(*pieces: bytes, on_output=None) -> BoundedOutput:
    output = BoundedOutput(on_output)
    for piece in pieces:
        os.write(output.writing, piece)
    output.close()
    return output


def test_short_output_is_kept_whole():
    output = written(b"one\n", b"two\xff\n")
    assert output.head() == output.tail() == "one\ntwo\ufffd\n"


def test_long_output_is_kept_at_both_ends():
    output = written(b"begin", *[bytes(1 << 16)] * 20, b"THE END")
    assert len(output.head()) == MAX_HEAD and output.head().startswith("begin")
    assert len(output.tail()) == MAX_TAIL and output.tail().endswith("THE END")


def test_pieces_are_handed_on_as_they_come():
    pieces = []
    output = written(b"one", b"two", on_output=pieces.append)
    output.head()
    assert b"".join(pieces) == b"onetwo"


def test_open_pipe_does_not_delay_the_result_for_ever(monkeypatch):
    monkeypatch.setattr(bounded_output, "_AFTER_END", 0.01)
    output = BoundedOutput()
    other = os.dup(output.writing)  # as a child of the tool has it
    os.write(other, b"said")
    output.close()
    try:
        assert output.head() in ("", "said")
    finally:
        os.close(other)
