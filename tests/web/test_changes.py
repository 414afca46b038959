"""Recall, update and replace over HTTP."""

import datetime as dt
import io
import json

import pytest
from aiohttp import FormData

from gateway.model import Business
from gateway.states import Act, ChangeAnswered, Concerns, Entry, Outcome, Purge, RecallAnswered
from tests.doors import FAR, OFFICE, OURS, record
from tests.web.offices import open_street

OTHER = "000.00.01.G98"


@pytest.fixture
async def street(tmp_path):
    async with open_street(tmp_path) as opened:
        yield opened


async def recall(street, message_id, key="r1", office=None, **asked):
    caller = office or street.ours
    headers = {"Idempotency-Key": key} if key else {}
    return await caller.post(
        f"/v1/documents/{message_id}/recall", json={"reason": "Gửi nhầm", **asked}, headers=headers
    )


async def change(street, message_id, act, key="c1", **changes):
    made = FormData()
    said = {**record(), "business": {"reason": "Sửa phụ lục"}, **changes}
    made.add_field("record", io.BytesIO(json.dumps(said).encode()), content_type="application/json")
    return await street.ours.post(
        f"/v1/documents/{message_id}/{act}", data=made, headers={"Idempotency-Key": key, "Accept-Language": "en"}
    )


async def codes(response):
    return response.status, [each["code"] for each in (await response.json())["errors"]]


async def test_a_recall_by_status_is_answered_and_shown_in_the_document(street):
    message_id = await street.sent()
    response = await recall(street, message_id)
    told = await response.json()
    assert (response.status, told["document"], told["withdrawn"]) == (202, message_id, [])
    assert [one["organs"] for one in told["messages"]] == [[FAR]]
    shown = await (await street.ours.get(f"/v1/documents/{message_id}")).json()
    assert [(one["organ"], one["state"]) for one in shown["recalls"]] == [(FAR, "asked")]
    by = told["messages"][0]["message_id"]
    assert [(one["act"], one["message_id"], one["earlier"]) for one in shown["relations"]] == [
        ("recall", by, message_id)
    ]
    followed = await street.ours.get(f"/v1/documents/{by}")
    assert (await followed.json())["kind"] == "status"


async def test_the_same_recall_again_gets_the_same_answer(street):
    message_id = await street.sent()
    first, again = await recall(street, message_id), await recall(street, message_id)
    assert (await first.json()) == (await again.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await codes(await recall(street, message_id, reason="Khác")) == (422, ["key-reused"])
    assert await codes(await recall(street, message_id, key="r2")) == (409, ["already-recalled"])


async def test_what_a_recall_needs_is_said(street):
    message_id = await street.sent()
    assert await codes(await recall(street, message_id, key="")) == (400, ["idempotency-key-missing"])
    assert await codes(await recall(street, message_id, reason=" ")) == (422, ["missing"])
    assert await codes(await recall(street, message_id, receivers=["000.00.77.G98"])) == (422, ["not-a-receiver"])
    assert await codes(await recall(street, message_id, by="document")) == (422, ["missing"])
    assert (await recall(street, message_id, office=street.theirs)).status == 404


async def test_what_has_not_left_is_withdrawn(street):
    message_id = (await (await street.ours.submit(record())).json())["message_id"]
    told = await (await recall(street, message_id, by="document")).json()
    assert ([one["message_id"] for one in told["withdrawn"]], told["messages"]) == ([message_id], [])


@pytest.mark.parametrize("said", [{"by": "status"}, {"by": "document"}, {"by": "document", "record": {"number": "16"}}])
async def test_the_same_withdrawal_again_gets_the_same_answer(street, said):
    message_id = (await (await street.ours.submit(record())).json())["message_id"]
    first, again = await recall(street, message_id, **said), await recall(street, message_id, **said)
    assert (first.status, again.status) == (202, 202), await again.text()
    assert await first.json() == await again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    for different in ({"reason": "Khác", **said}, {"by": "document", "record": {"number": "17"}}):
        assert (await recall(street, message_id, **different)).status == 422


async def test_a_recall_by_a_document_is_a_document_of_type_1(street):
    message_id = await street.sent()
    said = {"number": "16", "notation": "STN-VP", "promulgation": {"date": "2026-03-02"}, "subject": "V/v thu hồi"}
    told = await (await recall(street, message_id, by="document", record=said)).json()
    born = await street.house.journal.message(told["messages"][0]["message_id"])
    assert born.detail["document"]["business"] == {"type": 1, "reason": "Gửi nhầm"}
    earlier = await street.house.journal.message(message_id)
    assert born.detail["document"]["response_for"][0]["document_id"] == earlier.document_id
    shown = await (await street.ours.get(f"/v1/documents/{message_id}")).json()
    assert [(one["state"], one["asked_by"]) for one in shown["recalls"]] == [("asked", born.message_id)]


async def test_an_update_carries_what_follows_from_the_earlier_document(street):
    message_id = await street.sent(to=[FAR, "000.00.01.G98"])
    response = await change(street, message_id, "update", to=[FAR, "000.00.02.G98"])
    assert response.status == 202, await response.text()
    born = await street.house.journal.message((await response.json())["message_id"])
    earlier = await street.house.journal.message(message_id)
    business = born.detail["document"]["business"]
    assert (business["type"], business["document_id"], business["receivers_changed"]) == (2, earlier.document_id, True)
    changed = {one["organ"]: one["added"] for one in business["receiver_changes"]}
    assert changed == {"000.00.02.G98": True, "000.00.01.G98": False}
    shown = await (await street.ours.get(f"/v1/documents/{message_id}")).json()
    assert [one["act"] for one in shown["relations"]] == ["update"]
    assert "updated-by" in [entry["code"] for entry in shown["timeline"]]


async def test_a_replacement_names_the_organs_that_had_the_old_document(street):
    message_id = await street.sent()
    response = await change(street, message_id, "replace", number="99")
    born = await street.house.journal.message((await response.json())["message_id"])
    earlier = await street.house.journal.message(message_id)
    assert born.detail["document"]["business"]["replacements"] == [
        {"document_id": earlier.document_id, "organs": [FAR]}
    ]


async def purge(street, message_id):
    outcome = Outcome(Entry("purge-ordered"), effects=(Purge(message_id, "purged-by-operator"),))
    await street.house.journal.apply(message_id, outcome, who="test", why=None)


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("act", ["update", "replace", "recall"])
async def test_a_key_of_an_earlier_version_is_known_by_the_record_as_it_was_filled_up(street, monkeypatch, act, gone):
    async def ask(**more):
        if act == "recall":
            said = {"number": "16", "notation": "STN-VP", "promulgation": {"date": "2026-03-02"}, "subject": "V/v"}
            return await recall(street, message_id, by="document", record={**said, **more})
        return await change(street, message_id, act, **{"number": "99", **more})

    async def submit(office, key, record, uploads, given):
        return await new_version(office, key, record, uploads)

    message_id, new_version = await street.sent(), street.house.door.submit
    monkeypatch.setattr(street.house.door, "submit", submit)
    first = await ask()
    monkeypatch.undo()
    if gone:
        await purge(street, message_id)
    repeated = await ask()
    assert (await first.json(), repeated.status) == (await repeated.json(), 202)
    assert repeated.headers["Idempotency-Replayed"] == "true"
    assert await codes(await ask(subject="Khác")) == (422, ["key-reused"])


async def test_one_key_is_not_for_two_kinds_of_change_nor_for_two_documents(street):
    message_id, another = await street.sent(), await street.sent(key="another", number="17")
    assert (await change(street, message_id, "update", number="99")).status == 202
    assert await codes(await change(street, message_id, "replace", number="99")) == (422, ["key-reused"])
    assert await codes(await change(street, another, "update", number="99")) == (422, ["key-reused"])


async def test_a_repeat_of_what_is_still_being_taken_is_told_so_though_the_earlier_document_was_purged(street):
    message_id = await street.sent()
    await street.house.journal.reserve(OFFICE, "c1", dt.timedelta(seconds=15))
    await purge(street, message_id)
    response = await change(street, message_id, "update")
    assert (response.status, (await response.json())["type"].rpartition(":")[2]) == (409, "key-running")


async def test_what_is_recalled_takes_no_change(street):
    message_id = await street.sent()
    await recall(street, message_id)
    assert await codes(await change(street, message_id, "update")) == (409, ["recalled"])


async def test_a_change_without_reason_or_of_another_kind_is_refused(street):
    message_id = await street.sent()
    assert await codes(await change(street, message_id, "update", business={})) == (422, ["reason-required"])
    other = {"type": 3, "reason": "x"}
    assert await codes(await change(street, message_id, "update", business=other)) == (422, ["not-of-this-kind"])
    named = {"document_id": "d-0", "reason": "x"}
    assert await codes(await change(street, message_id, "update", business=named)) == (422, ["earlier-differs"])


async def test_an_inbox_item_shows_that_it_is_asked_back_and_takes_15(street):
    document, asker = await street.arrive(), await street.arrive(message_id="in-2")
    asked = Outcome(Entry("recall-heard"), effects=(Concerns(document, Act.RECALL, (OURS,)),))
    refused = await street.ours.post(f"/v1/inbox/{document}/status", json={"code": "15"})
    assert await codes(refused) == (409, ["recall-not-asked"])
    await street.house.journal.apply(asker, asked, who="test", why=None)
    shown = await (await street.ours.get(f"/v1/inbox/{document}")).json()
    assert [(one["organ"], one["state"], one["asked_by"]) for one in shown["recalls"]] == [(OURS, "asked", asker)]
    assert (await street.ours.post(f"/v1/inbox/{document}/status", json={"code": "14"})).status == 202
    shown = await (await street.ours.get(f"/v1/inbox/{document}")).json()
    assert shown["recalls"][0]["state"] == "agreed"


async def deliveries(street, message_id):
    shown = await (await street.ours.get(f"/v1/documents/{message_id}")).json()
    return {one["organ"]: one["answer"] for one in shown["deliveries"]}


@pytest.mark.parametrize("act", ["update", "replace"])
async def test_a_change_shows_for_each_organ_what_it_says_to_it(street, act):
    message_id = await street.sent(to=[FAR, OTHER])
    response = await change(street, message_id, act, number="99", to=[FAR, OTHER])
    later = await street.leaves((await response.json())["message_id"])
    assert await deliveries(street, later) == {FAR: None, OTHER: None}
    by = "said-1"
    await street.hear("16", "Chưa rõ", ChangeAnswered(message_id, FAR, "16", by), message_id=by)
    said = {"state": "declined", "reason": "Chưa rõ", "answered_by": by, "answered_at": "2026-03-02T01:30:00Z"}
    assert await deliveries(street, later) == {FAR: said, OTHER: None}
    assert await deliveries(street, message_id) == {FAR: None, OTHER: None}
    await purge(street, by)
    assert (await deliveries(street, later))[FAR] == said | {"reason": ""}


@pytest.mark.parametrize("by", ["status", "document"])
async def test_what_asks_a_document_back_shows_what_is_said_to_it(street, by):
    message_id = await street.sent()
    said = {"number": "16", "notation": "STN-VP", "promulgation": {"date": "2026-03-02"}, "subject": "V/v thu hồi"}
    more = {"record": said} if by == "document" else {}
    told = await (await recall(street, message_id, by=by, **more)).json()
    asker = told["messages"][0]["message_id"]
    assert await deliveries(street, asker) == {FAR: None}
    await street.hear("15", "", RecallAnswered(message_id, FAR, "15", "said-1"))
    assert (await deliveries(street, asker))[FAR]["state"] == "agreed"
    assert await deliveries(street, message_id) == {FAR: None}


async def test_an_inbox_item_shows_what_the_office_says_to_the_change(street):
    item = await street.arrive(business=Business(type=2, document_id="d0", reason="Sửa"))
    assert (await (await street.ours.get(f"/v1/inbox/{item}")).json())["answers"] == []
    reported = await street.ours.post(f"/v1/inbox/{item}/status", json={"code": "16", "reason": "Chưa rõ"})
    by = (await reported.json())["message_id"]
    [said] = (await (await street.ours.get(f"/v1/inbox/{item}")).json())["answers"]
    assert said.pop("answered_at")
    assert said == {"organ": OURS, "state": "declined", "reason": "Chưa rõ", "answered_by": by}
