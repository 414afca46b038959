"""Every road at once: two axes, an office told by webhook, one that pulls, one with a folder."""

import asyncio
import json

import pytest
import pytest_asyncio

from mock_axis.office_letters import letter
from mock_axis.recount import looking_at
from mock_axis.scene import DEPARTMENT_ORGAN, OFFICE_ORGAN
from tests.e2e.second_axis import REFUSED, SecondAxis
from tests.e2e.stage import CHANCELLERY, FINANCE, HOME_AFFAIRS, control, eventually, on_stage, registered, statuses

pytestmark = pytest.mark.asyncio(loop_scope="module")
DISTRICT_ORGAN = "000.00.20.H08"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def second(tmp_path_factory):
    return SecondAxis(tmp_path_factory.mktemp("second"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The folder of the district's office."""
    return tmp_path_factory.mktemp("shared")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory, second, shared):
    office = f'[[office]]\nname = "huyen"\nadapter = "folder"\norgans = ["{DISTRICT_ORGAN}"]\n[office.options]\n'
    office += f'path = "{shared}"\ninterval_seconds = 0.1\nsettle_seconds = 0.1\n'
    more = f"{second.config()}\n{office}"
    async with on_stage(tmp_path_factory.mktemp("first"), answers="01,03,06", more=more, before=second) as ready:
        yield ready


async def test_one_document_takes_every_road_once(stage, second, shared):
    document_id, answer = await stage.send(CHANCELLERY, FINANCE, DEPARTMENT_ORGAN, DISTRICT_ORGAN)
    roads = {message["axis"]: message["organs"] for message in answer["messages"]}
    assert roads == {
        "quoc-gia": [CHANCELLERY],
        "tinh": [FINANCE],
        "local": [DEPARTMENT_ORGAN, DISTRICT_ORGAN],
    }
    assert len(answer["messages"]) == 3

    async def pulled():
        await stage.department.pull()
        await stage.department.work_off(())
        return [d["document_id"] for d in await stage.department.store.documents()].count(document_id)

    assert await eventually(pulled) == 1
    for message in answer["messages"]:
        found = await stage.closed(message["message_id"])
        assert [one["organ"] for one in found["deliveries"]] == message["organs"]
        assert all(one["answered"] for one in found["deliveries"])
        assert found["proof"] == "signed-receipt"
    assert (await registered(stage.scene, CHANCELLERY)).count(document_id) == 1
    assert (await registered(second.scene, FINANCE)).count(document_id) == 1
    assert await registered(stage.scene, FINANCE) == []
    assert len(_in_the_folder(shared, document_id)) == 1


async def test_one_organ_s_refusal_stops_no_other_and_the_office_is_told(stage):
    document_id, answer = await stage.send(CHANCELLERY, REFUSED, DEPARTMENT_ORGAN)
    by_axis = {message["axis"]: message["message_id"] for message in answer["messages"]}

    async def told():
        return (await stage.office.state())["notices"].get(by_axis["tinh"])

    assert await eventually(told) == "message.rejected"
    assert (await stage.office.client.document(by_axis["tinh"]))["state"] == "rejected"
    await stage.closed(by_axis["quoc-gia"])
    assert (await registered(stage.scene, CHANCELLERY)).count(document_id) == 1

    async def pulled():
        await stage.department.pull()
        return [d["document_id"] for d in await stage.department.store.documents()].count(document_id)

    assert await eventually(pulled) == 1


async def test_statuses_of_agencies_reach_the_office_and_the_timeline(stage):
    document_id, answer = await stage.send(CHANCELLERY, HOME_AFFAIRS)
    (message,) = answer["messages"]
    await stage.closed(message["message_id"])
    wanted = {f"{agency} {code}" for agency in (CHANCELLERY, HOME_AFFAIRS) for code in ("01", "03", "06")}

    async def heard():
        return wanted <= set((await stage.office.state())["statuses"].get(document_id, ()))

    await eventually(heard)
    found = await stage.office.client.document(message["message_id"])
    assert {(one["organ"], one["status"]) for one in found["deliveries"]} == {(CHANCELLERY, "06"), (HOME_AFFAIRS, "06")}
    in_timeline = {
        f"{entry['facts']['organ']} {entry['facts']['status']}"
        for entry in found["timeline"]
        if {"organ", "status"} <= entry["facts"].keys()
    }
    assert wanted <= in_timeline


async def test_a_document_sent_back_tells_the_office_why(stage):
    reason = "Gửi nhầm đơn vị, đề nghị gửi Bộ Tài chính"
    document_id, answer = await stage.send(HOME_AFFAIRS)

    async def taken():
        return document_id in await registered(stage.scene, HOME_AFFAIRS)

    await eventually(taken)
    told = {"document_id": document_id, "code": "02", "description": reason}
    await control(stage.scene, "POST", f"/agencies/{HOME_AFFAIRS}/status", told)

    async def heard():
        rows = await stage.office.store._rows(
            "select message_id from heard where document_id = ? and code = '02'", document_id
        )
        return rows and rows[0][0]

    item = await stage.office.client.item(await eventually(heard))
    assert reason in json.dumps(item["detail"], ensure_ascii=False)
    assert answer["messages"][0]["axis"] == "quoc-gia"


async def test_the_office_s_own_statuses_travel_back(stage):
    registers = await stage.receive(CHANCELLERY)
    returns = await stage.receive(CHANCELLERY)
    await stage.office.client.report(await stage.heard_of(registers), "03")
    await stage.office.client.report(await stage.heard_of(returns), "02", "Sai thẩm quyền giải quyết")

    async def arrived():
        first = {code for code, _, _ in await statuses(stage.scene, CHANCELLERY, registers)}
        second = {(code, why) for code, why, _ in await statuses(stage.scene, CHANCELLERY, returns)}
        return first == {"01", "03"} and {code for code, _ in second} == {"01", "02"} and second

    assert ("02", "Sai thẩm quyền giải quyết") in await eventually(arrived)


async def test_a_reader_that_dies_before_it_acknowledges_loses_nothing(stage):
    document_id = await stage.receive(HOME_AFFAIRS, DEPARTMENT_ORGAN)

    async def peeked():
        return next((i for i in await stage.department.client.inbox() if i["document_id"] == document_id), None)

    item = await eventually(peeked)
    await stage.department.client.content(item["message_id"])  # read whole, and then the reader dies
    await asyncio.sleep(1)
    assert await statuses(stage.scene, HOME_AFFAIRS, document_id) == []
    assert (await peeked())["message_id"] == item["message_id"]
    await stage.department.client.acknowledge(item["message_id"])
    assert await peeked() is None

    async def arrived():
        return await statuses(stage.scene, HOME_AFFAIRS, document_id)

    assert [(code, organ) for code, _, organ in await eventually(arrived)] == [("01", DEPARTMENT_ORGAN)]


async def test_a_folder_is_an_office_both_ways(stage, shared):
    record, files = letter(900, DISTRICT_ORGAN, [CHANCELLERY], [b"%PDF-1.7 from a folder"], priority=0)
    for file in files:
        (shared / "outbox" / file.name).write_bytes(file.data)
    (shared / "outbox" / "cv-900.json").write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")

    async def out():
        return record["document_id"] in await registered(stage.scene, CHANCELLERY)

    await eventually(out)
    assert (shared / "taken" / "cv-900" / files[0].name).read_bytes() == files[0].data

    document_id = await stage.receive(CHANCELLERY, DISTRICT_ORGAN)

    async def came():
        return _in_the_folder(shared, document_id)

    (place,) = await eventually(came)
    sizes = [path.stat().st_size for path in place.rglob("*") if path.suffix == ".bin"]
    assert sizes == [2000]

    async def arrived():
        return await statuses(stage.scene, CHANCELLERY, document_id)

    assert [(code, organ) for code, _, organ in await eventually(arrived)] == [("01", DISTRICT_ORGAN)]


async def test_delivered_twice_is_handed_over_once_and_confirmed_twice(stage):
    await stage.faults("delivered-twice:Deliver:1")
    try:
        document_id = await stage.receive(CHANCELLERY)
    finally:
        await stage.faults()

    async def confirmed():
        receipts = await control(stage.scene, "GET", "/receipts")
        return [one for one in receipts if one["document_id"] == document_id][1:]

    await eventually(confirmed)

    async def done():
        return not _unfinished(stage.scene, document_id)

    await eventually(done)
    handed = [d["document_id"] for d in await stage.office.store.documents()]
    assert handed.count(document_id) == 1
    assert [code for code, _, _ in await statuses(stage.scene, CHANCELLERY, document_id)] == ["01"]
    with looking_at(stage.scene.journal) as journal:
        linked = journal.execute(
            "select count(*), count(duplicate_of) from message where document_id = ? and kind = 'document'",
            (document_id,),
        ).fetchone()
    assert linked == (2, 1)


async def test_one_letter_for_two_offices_is_stored_once_and_handed_to_both(stage):
    document_id = await stage.receive(CHANCELLERY, OFFICE_ORGAN, DEPARTMENT_ORGAN)
    first = await stage.heard_of(document_id)

    async def pulled():
        await stage.department.pull()
        return next((d for d in await stage.department.store.documents() if d["document_id"] == document_id), None)

    assert (await eventually(pulled))["message_id"] == first

    async def arrived():
        got = [organ for code, _, organ in await statuses(stage.scene, CHANCELLERY, document_id) if code == "01"]
        return sorted(got) if len(got) > 1 else None

    assert await eventually(arrived) == [OFFICE_ORGAN, DEPARTMENT_ORGAN]


def _in_the_folder(shared, document_id):
    """Folders of the inbox that hold this document."""
    return [
        place
        for place in (shared / "inbox").iterdir()
        if place.is_dir() and any(document_id in path.read_text(encoding="utf-8") for path in place.glob("*.json"))
    ]


def _unfinished(scene, document_id):
    with looking_at(scene.journal) as journal:
        return journal.execute(
            "select count(*) from message where document_id = ? and state not in ('closed', 'rejected')", (document_id,)
        ).fetchone()[0]
