"""What the law's rules found is shown to the offices: times on documents, findings on inbox items."""

import datetime as dt

import pytest

from gateway.states import Due, Entry, Outcome
from tests.assets.make_edxml import PDF
from tests.doors import NOW, with_files
from tests.web.offices import open_street


@pytest.fixture
async def street(tmp_path):
    async with open_street(tmp_path) as opened:
        yield opened


async def test_a_document_shows_its_times_with_the_clause(street):
    handed = await (await street.ours.submit(with_files("a.pdf"), ("a.pdf", PDF))).json()
    shown = await (await street.ours.get(f"/v1/documents/{handed['message_id']}")).json()
    [term] = shown["deadlines"]
    assert (term["rule"], term["met_at"], term["late"]) == ("urgent", None, False)
    assert "QĐ 28/2018/QĐ-TTg Đ6.2" in term["clause"]
    assert dt.datetime.fromisoformat(term["due_at"]) == NOW + dt.timedelta(minutes=5)


async def test_a_second_document_of_the_same_number_is_answered_with_a_sentence_that_names_the_first(street):
    first = await (await street.ours.submit(with_files("a.pdf"), ("a.pdf", PDF))).json()
    again = await street.ours.submit(with_files("a.pdf"), ("a.pdf", PDF), key="k2", headers={"Accept-Language": "en"})
    assert again.status == 202
    [warning] = (await again.json())["warnings"]
    assert warning["code"] == "duplicate-document-id"
    assert first["message_id"] in warning["message"]


async def test_an_inbox_item_shows_its_times_and_what_is_odd_about_it(street):
    message_id = await street.arrive()
    finding = {"code": "duplicate-number", "severity": "warning", "message_id": "in-0"}
    outcome = Outcome(Entry("looked"), changes={"findings": [finding]}, effects=(Due("arrival", NOW),))
    assert await street.house.journal.apply(message_id, outcome, who="test")
    shown = await (await street.ours.get(f"/v1/inbox/{message_id}")).json()
    assert shown["findings"] == [finding]
    assert [(term["rule"], term["late"]) for term in shown["deadlines"]] == [("arrival", False)]
