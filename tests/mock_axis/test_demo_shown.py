"""The demo's journeys at the widths of people's terminals."""

import io

import pytest
from rich.console import Console

from mock_axis import demo_shown

STEPS = (
    "accepted",
    "packed",
    "put-off",
    "put-off",
    "sent",
    "status-received",
    "recall-asked",
    "update-agreed",
    "closed",
)
RESULT = {
    **dict.fromkeys(
        ("sent", "received", "lost", "doubled", "receipts_verified", "receipts_bad", "receipts_missing"), 0
    ),
    **dict.fromkeys(("secrets_rejected", "recalls", "updates", "evidence_verified", "webhooks_lost", "seconds"), 0),
    "journal_verified": True,
    "kept": True,
    "faults_struck": {},
}
SHORT = {
    "message_id": "m-1",
    "code": "101/UBND-VX",
    "state": "closed",
    "proof": "signed-receipt",
    "deliveries": [{"organ": "000.00.00.G22", "status": "01"}],
    "recalls": [],
    "relations": [],
    "timeline": [{"code": code} for code in STEPS],
}
LONG = SHORT | {
    "code": "102/UBND-VX",
    "deliveries": [{"organ": f"000.00.00.G{number}", "status": None} for number in ("22", "09", "12")],
    "recalls": [{"organ": "000.00.00.G22", "state": "unanswered"}],
    "relations": [{"act": "update", "message_id": "m-1"}],
}


def rendered(width):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    demo_shown.show(console, RESULT, [SHORT, LONG])
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 109, 110, 120])
def test_every_word_of_a_journey_can_be_read(width):
    lines = rendered(width)
    assert max(map(len, lines)) <= width
    words = " ".join(lines).split()
    for document in (SHORT, LONG):
        assert document["code"] in words
    for word in ("closed", "signed-receipt", "000.00.00.G12", "unanswered", "earlier", "put-off×2", "status-received"):
        assert any(each.strip(",") == word for each in words), word


def test_a_narrow_terminal_gets_two_lines_a_document():
    title, first, second, *_ = rendered(80)
    assert title == "Each document's journey"
    assert first == "101/UBND-VX  closed  signed-receipt  000.00.00.G22 → 01"
    assert second.startswith("    accepted packed put-off×2 sent")


def test_a_wide_terminal_gets_a_table():
    row = next(line for line in rendered(120) if "101/UBND-VX" in line)
    assert row.count("│") == 7
    assert "accepted" in row
