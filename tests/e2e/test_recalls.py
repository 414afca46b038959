"""Recalls and updates over real processes, there and back, on both drivers."""

import pytest
import pytest_asyncio

from mock_axis.office_letters import letter
from mock_axis.scene import OFFICE_ORGAN
from tests.e2e.stage import CHANCELLERY, control, eventually, on_stage, registered, statuses

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["soap", "vxp"])
async def stage(request, tmp_path_factory):
    async with on_stage(tmp_path_factory.mktemp(request.param), driver=request.param) as ready:
        yield ready


async def states(stage, message_id):
    return [one["state"] for one in (await stage.office.client.document(message_id))["recalls"]]


async def test_our_recall_is_answered_by_the_agency_and_both_sides_show_it(stage):
    document_id, answer = await stage.send(CHANCELLERY)
    message_id = answer["messages"][0]["message_id"]
    await stage.closed(message_id)
    await stage.office.client.recall(message_id, "recall-1", "Gửi nhầm")

    async def agreed():
        return await states(stage, message_id) == ["agreed"]

    await eventually(agreed)
    heard = await statuses(stage.scene, CHANCELLERY, document_id)
    assert ("13", "Gửi nhầm", OFFICE_ORGAN) in heard
    codes = [entry["code"] for entry in (await stage.office.client.document(message_id))["timeline"]]
    assert [code for code in codes if code.startswith("recall")] == ["recall-asked", "recall-agreed"]


async def test_an_agency_that_never_reacts_leaves_the_recall_asked_and_holds_nothing_up(stage):
    await control(stage.scene, "PUT", "/behaviour", {"recall": ""})
    _, answer = await stage.send(CHANCELLERY)
    message_id = answer["messages"][0]["message_id"]
    await stage.closed(message_id)
    asked = await stage.office.client.recall(message_id, "recall-2", "Gửi nhầm")
    await stage.closed(asked["messages"][0]["message_id"])
    assert await states(stage, message_id) == ["asked"]
    await control(stage.scene, "PUT", "/behaviour", {"recall": "15"})


@pytest.mark.parametrize(("said", "state"), [("15", "agreed"), ("16", "declined")])
async def test_agencies_answer_our_recall_by_a_document_as_they_are_told_to(stage, said, state):
    await control(stage.scene, "PUT", "/behaviour", {"recall_document": said})
    _, answer = await stage.send(CHANCELLERY)
    message_id = answer["messages"][0]["message_id"]
    await stage.closed(message_id)
    record, files = letter(600 + int(said), OFFICE_ORGAN, [CHANCELLERY], [b"%PDF-1.7 recall"], priority=0)
    record["business"] = {"reason": "Ban hành sai"}
    told = await stage.office.send(f"by-document-{said}", record, files, act="recall", earlier=message_id)
    await stage.closed(told["messages"][0]["message_id"])

    async def answered():
        return await states(stage, message_id) == [state]

    await eventually(answered)
    asking = await stage.office.client.document(told["messages"][0]["message_id"])
    assert [one["answer"]["state"] for one in asking["deliveries"]] == [state]
    assert (await registered(stage.scene, CHANCELLERY)).count(record["document_id"]) == 1


async def test_our_update_reaches_the_agency_and_names_the_earlier_document(stage):
    _, answer = await stage.send(CHANCELLERY)
    earlier = answer["messages"][0]["message_id"]
    await stage.closed(earlier)
    record, files = letter(500, OFFICE_ORGAN, [CHANCELLERY], [b"%PDF-1.7 two"], priority=0)
    record["business"] = {"reason": "Sửa phụ lục"}
    told = await stage.office.send("update-1", record, files, act="update", earlier=earlier)
    later = await stage.closed(told["messages"][0]["message_id"])
    assert [(one["act"], one["earlier"]) for one in later["relations"]] == [("update", earlier)]
    assert (await registered(stage.scene, CHANCELLERY)).count(record["document_id"]) == 1


async def test_an_agency_s_recall_is_told_to_the_office_whose_15_travels_back(stage):
    document_id = await stage.receive(CHANCELLERY)
    received = await stage.heard_of(document_id)
    await control(
        stage.scene, "POST", f"/agencies/{CHANCELLERY}/recall", {"document_id": document_id, "reason": "Gửi nhầm"}
    )

    async def back():
        await stage.office.work_off(())
        return "15" in [code for code, _, _ in await statuses(stage.scene, CHANCELLERY, document_id)]

    await eventually(back)
    item = await stage.office.client.item(received)
    assert [one["state"] for one in item["recalls"]] == ["agreed"]


@pytest.mark.parametrize(("kind", "act"), [(2, "update"), (3, "replace"), (1, "recall")])
async def test_an_agency_s_change_is_linked_to_the_document_received_before(stage, kind, act):
    document_id = await stage.receive(CHANCELLERY)
    earlier = await stage.heard_of(document_id)
    change = {"type": kind, "reason": "Ban hành sai", "document_ids": [document_id]}
    later = await stage.heard_of(await stage.receive(CHANCELLERY, change=change))
    item = await stage.office.client.item(earlier)
    assert [(one["act"], one["message_id"]) for one in item["relations"]] == [(act, later)]


@pytest.mark.parametrize("code", ["15", "16"])
async def test_the_offices_answer_to_an_agency_s_update_travels_back_and_destroys_nothing(stage, code):
    earlier = await stage.receive(CHANCELLERY)
    await stage.heard_of(earlier)
    change = {"type": 2, "reason": "Ban hành sai", "document_ids": [earlier]}
    document_id = await stage.receive(CHANCELLERY, change=change)
    received = await stage.heard_of(document_id)
    await stage.office.client.report(received, code, "Đã xem")

    async def back():
        return [told[:2] for told in await statuses(stage.scene, CHANCELLERY, document_id) if told[0] == code]

    assert await eventually(back) == [(code, "Đã xem")]
    item = await stage.office.client.item(received)
    assert (item["purged_at"], [one["reason"] for one in item["answers"]]) == (None, ["Đã xem"])
