# SPDX-License-Identifier: Apache-2.0
"""Reports that a tool wrote: broken, oversized, or not a file."""

from __future__ import annotations

import os

import pytest

from fpga_nova import errors
from fpga_nova.system import tool_reports

FAILURE = errors.ProgrammingFailed


@pytest.mark.parametrize("text", ["", "{", "[" * 200_000, "9" * 10_000, '{"a": NaN', "\0"])
def test_unusable_json_is_refused_in_few_words(text):
    with pytest.raises(FAILURE, match="xbutil gave no usable JSON") as caught:
        tool_reports.parse_json(text, FAILURE, "xbutil")
    assert len(str(caught.value)) < 1000


def test_report_that_is_not_a_file_of_few_bytes_is_refused(tmp_path):
    path = tmp_path / "report"
    with pytest.raises(FAILURE, match="left no readable report"):
        tool_reports.read_file(path, FAILURE, "xbutil")
    path.write_bytes(b"x" * (tool_reports.MAX_SIZE + 1))
    with pytest.raises(FAILURE, match="more than 1048576 bytes"):
        tool_reports.read_file(path, FAILURE, "xbutil")
    path.unlink()
    path.symlink_to("/etc/shadow")
    with pytest.raises(FAILURE, match="left no readable report"):
        tool_reports.read_file(path, FAILURE, "xbutil")
    path.unlink()
    os.mkfifo(path)
    assert tool_reports.read_file(path, FAILURE, "xbutil") == ""


def test_report_is_parsed(tmp_path):
    path = tmp_path / "report"
    path.write_text('{"devices": []}')
    text = tool_reports.read_file(path, FAILURE, "xbutil")
    assert tool_reports.parse_json(text, FAILURE, "xbutil") == {"devices": []}
