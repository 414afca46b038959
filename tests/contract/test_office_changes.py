"""Recalling, updating, replacing, and answering that, promise the same by each way in which an office connects (see
`test_office`).
"""

import pytest

from gateway.model import Business, Kind, Replacement
from gateway.states import Act, Concerns, Entry, Outcome, Purge, State
from tests.contract.office_callers import CALLERS
from tests.contract.test_office import STANDS
from tests.doors import FAR, NEIGHBOUR, OURS, record
from tests.web.offices import form, open_street

OTHER = "000.00.01.G98"
NEW = "000.00.02.G98"
WHY = "Gửi nhầm nơi nhận"
PDF = b"%PDF-1.7 not much of one\n" * 50
BY_DOCUMENT = {"number": "16", "notation": "STN-VP", "promulgation": {"date": "2026-03-02"}, "subject": "V/v thu hồi"}
CHANGED = {"number": "15", "notation": "STN-VP", "promulgation": {"date": "2026-03-02"}, "subject": "V/v sửa đổi"}


def test_every_way_of_connecting_asks_here():
    assert CALLERS.keys() == STANDS.keys()


@pytest.fixture
async def street(tmp_path):
    async with open_street(tmp_path) as opened:
        yield opened


@pytest.fixture(params=sorted(CALLERS))
def office(request, street, tmp_path):
    caller = CALLERS[request.param](street, tmp_path)
    yield caller
    if hasattr(caller, "close"):
        caller.close()


async def born(street, earlier):
    """The messages that do something to the earlier one, as (what, message)."""
    rows = await street.house.journal.relations(earlier)
    return [(row.act.value, await street.house.journal.message(row.message_id)) for row in rows]


async def states(street, message_id):
    return {row.organ: row.state for row in await street.house.journal.recalls(message_id)}


async def test_a_recall_by_status_asks_each_organ_that_has_it(street, office):
    message_id = await street.sent(to=[FAR, OTHER])
    assert await office.ask("recall", message_id, "r1", reason=WHY) == {"asked": [FAR, OTHER], "withdrawn": []}
    assert await states(street, message_id) == {FAR: "asked", OTHER: "asked"}
    asking = await born(street, message_id)
    assert {(act, each.kind, each.detail["status"]["code"]) for act, each in asking} == {("recall", Kind.STATUS, "13")}
    assert {each.detail["status"]["description"] for _, each in asking} == {WHY}


async def test_a_recall_asks_only_the_organs_that_are_named(street, office):
    message_id = await street.sent(to=[FAR, OTHER])
    told = await office.ask("recall", message_id, "r1", reason=WHY, receivers=[OTHER])
    assert told == {"asked": [OTHER], "withdrawn": []}
    assert await states(street, message_id) == {OTHER: "asked"}


async def test_the_same_recall_again_gets_the_same_answer_and_asks_nobody_twice(street, office):
    message_id = await street.sent()
    first = await office.ask("recall", message_id, "r1", reason=WHY)
    assert await office.ask("recall", message_id, "r1", reason=WHY) == first
    assert len(await born(street, message_id)) == 1
    assert "already-recalled" in (await office.ask("recall", message_id, "r2", reason=WHY))["problems"]


async def test_what_has_not_left_is_withdrawn(street, office):
    message_id = (await (await street.ours.submit(record())).json())["message_id"]
    assert await office.ask("recall", message_id, "r1", reason=WHY) == {"asked": [], "withdrawn": [FAR]}
    assert (await street.house.journal.message(message_id)).state is State.REJECTED


async def test_a_recall_by_a_document_hands_in_one_of_type_1_with_its_file(street, office):
    message_id = await street.sent()
    said = {"by": "document", "record": BY_DOCUMENT}
    if not isinstance(office, CALLERS["webhook"]):  # by HTTP a document with files has its reason in the record
        said |= {"record": {**BY_DOCUMENT, "attachments": [{"name": "a.pdf"}]}, "file": ("a.pdf", PDF)}
    assert await office.ask("recall", message_id, "r1", reason=WHY, **said) == {"asked": [FAR], "withdrawn": []}
    ((act, by),) = await born(street, message_id)
    assert (act, by.kind, by.detail["document"]["business"]) == ("recall", Kind.DOCUMENT, {"type": 1, "reason": WHY})
    assert by.detail["document"]["response_for"][0]["document_id"]


@pytest.mark.parametrize(("act", "kind"), [("update", 2), ("replace", 3)])
async def test_a_change_is_a_document_that_names_the_earlier_one(street, office, act, kind):
    message_id = await street.sent(to=[FAR, OTHER])
    changed = {**CHANGED, "number": "15" if act == "update" else "99", "to": [FAR, NEW]}
    changed["attachments"] = [{"name": "a.pdf"}]
    told = await office.ask(act, message_id, "c1", reason=WHY, record=changed, file=("a.pdf", PDF))
    assert told == {"asked": [FAR, NEW], "withdrawn": []}
    ((done, by),) = await born(street, message_id)
    business = by.detail["document"]["business"]
    assert (done, business["type"], business["reason"]) == (act, kind, WHY)
    (ref,) = await street.house.journal.contents(by.message_id)
    assert await street.house.contents.read(ref.content) == PDF
    if act == "update":
        assert {each["organ"]: each["added"] for each in business["receiver_changes"]} == {NEW: True, OTHER: False}


async def test_the_receivers_of_a_change_follow_from_the_earlier_document(street, office):
    message_id = await street.sent(to=[FAR, OTHER])
    await office.ask("update", message_id, "c1", reason=WHY, record=CHANGED)
    ((_, by),) = await born(street, message_id)
    assert [each["code"] for each in by.detail["document"]["to"]] == [FAR, OTHER]
    assert by.detail["document"]["sender"]["code"] == OURS


BY_DOCUMENT_OF_ITS_OWN = [
    ("update", {"record": CHANGED}),
    ("replace", {"record": {**CHANGED, "number": "99"}}),
    ("recall", {"by": "document", "record": BY_DOCUMENT}),
]


async def purged(street, message_id):
    outcome = Outcome(Entry("purge-ordered"), effects=(Purge(message_id, "purged-by-operator"),))
    await street.house.journal.apply(message_id, outcome, who="test", why=None)
    assert (await street.house.journal.message(message_id)).detail is None


@pytest.mark.parametrize(("act", "said"), BY_DOCUMENT_OF_ITS_OWN, ids=["update", "replace", "recall"])
async def test_a_repeat_gets_the_first_answer_though_the_earlier_document_was_purged(street, office, act, said):
    message_id = await street.sent(to=[FAR, OTHER])
    first = await office.ask(act, message_id, "c1", reason=WHY, **said)
    ((_, by),) = await born(street, message_id)
    for each in (message_id, by.message_id):
        await purged(street, each)
        assert await office.ask(act, message_id, "c1", reason=WHY, **said) == first
    assert len(await born(street, message_id)) == 1


@pytest.mark.parametrize(("act", "said"), BY_DOCUMENT_OF_ITS_OWN, ids=["update", "replace", "recall"])
async def test_after_the_purge_neither_a_new_key_nor_another_request_is_taken(street, office, act, said):
    message_id = await street.sent()
    await office.ask(act, message_id, "c1", reason=WHY, **said)
    await purged(street, message_id)
    assert "purged" in (await office.ask(act, message_id, "c2", reason=WHY, **said))["problems"]
    other = {**said, "record": {**said["record"], "subject": "V/v khác"}}
    # In a folder the key is made of the content: another request has another one.
    expected = "purged" if isinstance(office, CALLERS["folder"]) else "key-reused"
    assert expected in (await office.ask(act, message_id, "c1", reason=WHY, **other))["problems"]
    assert len(await born(street, message_id)) == 1


async def test_a_document_that_is_asked_back_is_not_updated(street, office):
    message_id = await street.sent()
    await office.ask("recall", message_id, "r1", reason=WHY)
    assert "recalled" in (await office.ask("update", message_id, "c1", reason=WHY, record=CHANGED))["problems"]


@pytest.mark.parametrize("act", ["recall", "update", "replace"])
async def test_what_this_office_never_handed_in_is_not_found(street, office, act):
    headers = {"Idempotency-Key": "k"}
    theirs = {**record(), "from": NEIGHBOUR, "to": [FAR]}
    taken = await street.theirs.post("/v1/documents", data=form(theirs), headers=headers)
    for message_id in ((await taken.json())["message_id"], "never"):
        said = {} if act == "recall" else {"record": CHANGED}
        assert "not-found" in (await office.ask(act, message_id, "r1", reason=WHY, **said))["problems"]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"reason": ""}, "missing"),
        ({"reason": WHY, "receivers": [NEIGHBOUR]}, "not-a-receiver"),
        ({"reason": WHY, "by": "letter"}, "unknown-value"),
    ],
    ids=["a reason", "receivers that had it", "a way that there is"],
)
async def test_what_a_recall_needs_is_said(street, office, said, problem):
    message_id = await street.sent()
    assert problem in (await office.ask("recall", message_id, "r1", **said))["problems"]
    assert await states(street, message_id) == {}


# --- the office answers -----------------------------------------------------------------------------------------

CHANGES = {
    "update": Business(type=2, document_id="d1", reason=WHY),
    "replace": Business(type=3, replacements=(Replacement("d1", (OURS,)),), reason=WHY),
}


async def changed(street, act):
    """A document received, and one received that changes it."""
    earlier, later = await street.arrive(), await street.arrive(message_id="in-2", business=CHANGES[act])
    concerns = Outcome(Entry("trusted"), effects=(Concerns(earlier, Act(act)),))
    await street.house.journal.apply(later, concerns, who="test", why=None)
    return earlier, later


async def told(street, message_id, code):
    return [dict(entry.facts) for entry in await street.house.journal.timeline(message_id) if entry.code == code]


@pytest.mark.parametrize(("code", "word"), [("15", "agreed"), ("16", "declined")])
@pytest.mark.parametrize("act", ["update", "replace"])
async def test_a_received_change_is_agreed_to_or_declined_and_stays(street, office, act, code, word):
    earlier, later = await changed(street, act)
    said = await office.report(later, "s1", code, WHY)
    status = await street.house.journal.message(said)
    assert (status.direction, status.detail["status"]["code"], status.sender) == ("out", code, OURS)
    assert status.detail["status"]["response_for"]["organ"] == FAR
    assert await told(street, later, f"{act}-{word}") == [{"organ": OURS, "by": said}]
    assert await told(street, earlier, f"{act}-{word}") == [{"organ": OURS, "by": said, "message_id": later}]
    assert await office.report(later, "s2", code, WHY) == said
    assert len(await told(street, later, f"{act}-{word}")) == 1
    for each in (earlier, later):
        assert (await street.house.journal.message(each)).purged_at is None
        assert await states(street, each) == {}


async def test_an_answer_to_a_received_change_is_not_taken_back(street, office):
    _, later = await changed(street, "update")
    assert "reason-required" in (await office.report(later, "s1", "16"))["problems"]
    await office.report(later, "s2", "16", WHY)
    await office.report(later, "s3", "15")
    assert "change-answered" in (await office.report(later, "s4", "16", "Lại không"))["problems"]
    assert isinstance(await office.report(later, "s5", "06"), str)


@pytest.mark.parametrize("code", ["15", "16"])
async def test_what_was_not_asked_back_and_changes_nothing_is_not_answered(street, office, code):
    earlier, _ = await changed(street, "update")
    assert "recall-not-asked" in (await office.report(earlier, "s1", code, WHY))["problems"]
