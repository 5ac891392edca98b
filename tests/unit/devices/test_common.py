# SPDX-License-Identifier: Apache-2.0
"""The part that drivers share: lists of cards, blanks, identities, cards that only their tool can see, sysfs."""

from __future__ import annotations

import io
import pathlib

import pytest

from fpga_nova import errors, formats, model
from fpga_nova.devices.common import blanks, card_list, identity, option_entries, sysfs
from fpga_nova.devices.common.probed_card import ProbedCard
from tests.support import xvc

BLANK = "b1a00000-0000-4000-8000-000000000001"
FUNCTION = "5e481729-fe54-42e2-90f1-1748a0e803c2"


# lists of cards


@pytest.mark.parametrize(
    ("cards", "reason"),
    [
        (["fpga0"], "'fpga0' is not NAME:BOARD:REGIONS"),
        (["fpga0:soft-hx1k"], "is not NAME:BOARD:REGIONS"),
        (["Fpga:soft-hx1k:1"], "'Fpga:soft-hx1k:1' is not NAME"),
        (["../x:soft-hx1k:1"], "is not NAME"),
        (["a" * 33 + ":soft-hx1k:1"], "is not NAME"),
        (["f:ice40:1"], "there is no board 'ice40', only soft-hx1k, soft-hx8k"),
        (["f:soft-hx1k:0"], "1 to 64 regions"),
        (["f:soft-hx1k:65"], "1 to 64 regions"),
        (["f:soft-hx1k:two"], "1 to 64 regions"),
        (["f:soft-hx1k:1", "f:soft-hx8k:1"], "a card 'f' is already listed"),
    ],
)
def test_wrong_card_is_refused_by_its_entry(cards: list[str], reason: str) -> None:
    with pytest.raises(errors.ConfigurationInvalid, match=rf"\[fpga\] soft_cards: .*{reason}"):
        card_list.parse("soft_cards", cards, ["soft-hx8k", "soft-hx1k"])


def test_cards_are_read_as_name_board_and_regions() -> None:
    assert card_list.parse("sim_cards", ["a:b:64", " c-1:d:1 "]) == [("a", "b", 64), ("c-1", "d", 1)]


def test_pulled_card_is_not_plugged_in_by_the_next_look(tmp_path: pathlib.Path) -> None:
    path = card_list.plug_directory(tmp_path, "a")
    assert path.is_dir()
    path.rmdir()
    assert card_list.plug_directory(tmp_path, "a") == path
    assert not path.exists()


# blanks


def test_blank_is_found_by_its_kind() -> None:
    fields = {"platform": option_entries.WORD, "file": option_entries.PATH}
    found = blanks.read("xrt_blank", ["platform=u50 file=/blank"], fields)
    assert "u50" in found and "u200" not in found and None not in found
    assert found.of("u50")["file"] == "/blank"
    with pytest.raises(errors.ConfigurationInvalid, match=r"\[fpga\] xrt_blank has no blank for platform u200"):
        found.of("u200")


# identities


def bitstream(function_id: str | None = None, path: pathlib.Path | None = None) -> model.Bitstream:
    return model.Bitstream("0" * 64, 1, path, function_id)


def test_blank_region_shows_the_blank(tmp_path: pathlib.Path) -> None:
    assert identity.expected_by_function_id(None, BLANK) == BLANK
    assert identity.expected_by_header(tmp_path / "record", None, BLANK, lambda header: None) == BLANK


def test_function_id_must_be_there_and_differ_from_the_blank() -> None:
    assert identity.expected_by_function_id(bitstream(FUNCTION), BLANK) == FUNCTION
    with pytest.raises(errors.ReadBackMismatch, match="function id"):
        identity.expected_by_function_id(bitstream(), BLANK)
    with pytest.raises(errors.ReadBackMismatch, match="is the blank's"):
        identity.expected_by_function_id(bitstream(BLANK), BLANK)


def test_identity_comes_from_the_record_when_the_file_is_gone(tmp_path: pathlib.Path) -> None:
    record = tmp_path / "state/record"
    with pytest.raises(errors.ReadBackMismatch, match="bytes are gone"):
        identity.expected_by_header(record, bitstream(), BLANK, lambda header: None)
    identity.write_record(record, bitstream(), "12345678")
    assert identity.expected_by_header(record, bitstream(), BLANK, lambda header: None) == "12345678"
    other = model.Bitstream("1" * 64, 1, None, None)
    with pytest.raises(errors.ReadBackMismatch, match="bytes are gone"):
        identity.expected_by_header(record, other, BLANK, lambda header: None)


@pytest.mark.parametrize("content", [b"junk", xvc.bitstream(1)[:-1]], ids=["unknown", "broken"])
def test_file_without_a_header_shows_nothing(tmp_path: pathlib.Path, content: bytes) -> None:
    path = tmp_path / "core"
    path.write_bytes(content)
    with pytest.raises(errors.ReadBackMismatch, match="does not say what the region should show"):
        identity.expected_by_header(tmp_path / "record", bitstream(path=path), BLANK, lambda header: "1")


def test_header_gives_the_identity(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "core"
    path.write_bytes(xvc.bitstream(0x12345678))
    header = formats.identify(io.BytesIO(path.read_bytes()))
    assert header is not None and header.user_id == 0x12345678
    found = identity.expected_by_header(
        tmp_path / "record", bitstream(path=path), BLANK, lambda header: f"{header.user_id:x}"
    )
    assert found == "12345678"


# cards that only their tool can see


@pytest.fixture
def card(tmp_path: pathlib.Path) -> ProbedCard:
    return ProbedCard(tmp_path / "acme/a")


def gone() -> str:
    raise errors.DeviceNotAccessible("no answer")


def test_probe_keeps_a_marker_while_the_card_is_there(card: ProbedCard) -> None:
    assert card.probe(lambda: "2") == "2"
    assert card.marker.read_text() == "2"
    assert card.probe(gone) is None
    assert not card.marker.exists()


def test_probe_of_a_busy_card_returns_the_last_finding(card: ProbedCard) -> None:
    with card.exclusive(0):
        assert card.probe(gone) is None
    card.probe(lambda: "2")
    with card.exclusive(0):
        assert card.probe(gone) == "2"
    assert card.marker.exists()


def test_busy_card_is_not_accessible(card: ProbedCard) -> None:
    busy = pytest.raises(errors.DeviceNotAccessible, match="card a is busy: another process has used it for 0 s")
    with card.exclusive(0), busy, card.exclusive(0):
        pass


# sysfs


@pytest.mark.parametrize(
    ("text", "value"), [("1\n", 1), ("-1\n", None), ("", None), ("x", None), ("99999", None), ("\u0661", None)]
)
def test_numa_node_is_a_small_number_or_unknown(tmp_path: pathlib.Path, text: str, value: int | None) -> None:
    device = sysfs.pci_device(tmp_path, "0000:3b:00.0")
    device.mkdir(parents=True)
    (device / "numa_node").write_text(text)
    assert sysfs.numa_node(tmp_path, "0000:3b:00.0") == value


def test_pci_address_is_the_name_of_the_devices_directory(tmp_path: pathlib.Path) -> None:
    device = tmp_path / "devices/0000:3b:00.0"
    device.mkdir(parents=True)
    (tmp_path / "link").symlink_to(device)
    assert sysfs.pci_address(tmp_path / "link") == "0000:3b:00.0"
    assert sysfs.pci_address(tmp_path) is None


def test_card_id_carries_the_pci_address(tmp_path: pathlib.Path) -> None:
    card = sysfs.pci_card(tmp_path, "dfl", "intel", "ofs", "0000:3b:00.0", model.Slot(0, "afu"))
    region = model.Region("r", card.id, "dfl", "intel", "ofs", 0, "afu", None, model.RegionState.FREE)
    assert sysfs.card_address(region) == "0000:3b:00.0"


def test_attribute_that_cannot_be_read_is_none(tmp_path: pathlib.Path) -> None:
    assert sysfs.attribute(tmp_path / "nothing") is None
    assert sysfs.attribute(tmp_path) is None
