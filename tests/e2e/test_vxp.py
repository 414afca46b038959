"""The whole road over the axis as it is today: nothing signed, nothing deduplicated, every file written anew."""

import datetime as dt
import json

import aiohttp
import pytest
import pytest_asyncio

from mock_axis import account, recount
from mock_axis.recount import looking_at
from mock_axis.scene import OFFICE_ORGAN
from mock_axis.vxp import VIETNAM
from tests.e2e.stage import CHANCELLERY, FINANCE, control, eventually, on_stage, registered, statuses

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory):
    async with on_stage(tmp_path_factory.mktemp("vxp"), driver="vxp") as ready:
        yield ready


async def receive(stage, agency):
    """A PDF from an agency, as it was; of other files the axis makes zips. The DocumentId."""
    form = aiohttp.FormData(quote_fields=False, charset="utf-8")
    form.add_field("letter", json.dumps({"to": [OFFICE_ORGAN], "subject": "V/v thử"}), content_type="application/json")
    form.add_field("file", b"%PDF-1.7 thu", filename="Công văn.pdf", content_type="application/pdf")
    url = f"{stage.scene.control_url}/agencies/{agency}/send"
    async with aiohttp.ClientSession() as session, session.post(url, data=form) as answer:
        assert answer.status < 300, await answer.text()
        return (await answer.json())["document_id"]


async def show(stage, message_id):
    return json.loads(await stage.command("show", message_id, "--json"))


async def test_a_document_goes_to_two_agencies_and_closes_by_their_statuses_with_the_lesser_proof(stage):
    document_id, answer = await stage.send(CHANCELLERY, FINANCE)
    (message,) = answer["messages"]
    await stage.closed(message["message_id"])
    for agency in (CHANCELLERY, FINANCE):
        assert (await registered(stage.scene, agency)).count(document_id) == 1
    told = await show(stage, message["message_id"])
    assert [(each["kind"], each["given"]) for each in told["receipts"]] == [("axis-acknowledged", False)]
    with looking_at(stage.scene.journal) as journal:
        proofs = journal.execute("select proof from message where message_id = ?", (message["message_id"],))
        assert proofs.fetchall() == [("acknowledged",)]


async def test_a_document_comes_in_with_its_attachment_and_01_goes_back(stage):
    document_id = await receive(stage, CHANCELLERY)
    await stage.heard_of(document_id)

    async def answered():
        return await statuses(stage.scene, CHANCELLERY, document_id)

    assert [code for code, _, _ in await eventually(answered)] == ["01"]


async def test_what_an_office_reports_reaches_the_agency_whose_document_it_is(stage):
    document_id = await receive(stage, FINANCE)
    message_id = await stage.heard_of(document_id)
    for code, reason in (("03", ""), ("06", "đã trả lời")):
        await stage.office.client.report(message_id, code, reason)

    async def told():
        found = await statuses(stage.scene, FINANCE, document_id)
        return sorted(found) if len(found) == 3 else None

    heard = await eventually(told)
    assert [(code, organ) for code, _, organ in heard] == [(code, OFFICE_ORGAN) for code in ("01", "03", "06")]
    assert heard[-1][1] == "đã trả lời"


async def test_what_an_agency_reports_reaches_the_office_and_the_document_s_timeline(stage):
    document_id, answer = await stage.send(FINANCE)
    message_id = answer["messages"][0]["message_id"]
    await stage.closed(message_id)
    for code in ("03", "05", "06"):
        told = {"document_id": document_id, "code": code, "description": f"bước {code}"}
        await control(stage.scene, "POST", f"/agencies/{FINANCE}/status", told)

    async def heard():
        state = await stage.office.state()
        codes = [each.rpartition(" ")[2] for each in state["statuses"].get(document_id, ())]
        return sorted(codes) == ["01", "03", "05", "06"]

    await eventually(heard)
    told = await show(stage, message_id)
    assert [(each["organ"], each["status"]) for each in told["deliveries"]] == [(FINANCE, "06")]


async def test_a_lost_answer_is_found_in_the_list_and_nothing_is_doubled(stage):
    await stage.faults("reply-lost:sendEdoc:1:1")
    document_id, answer = await stage.send(CHANCELLERY)
    await stage.closed(answer["messages"][0]["message_id"])
    assert (await registered(stage.scene, CHANCELLERY)).count(document_id) == 1


async def test_one_item_listed_under_two_ids_is_handed_over_once(stage):
    await stage.faults("delivered-twice:Deliver:1:1", "reply-lost:updateStatus:1:1", "cut:downloadEdoc:1:1:bytes=500")
    document_id = await receive(stage, FINANCE)
    await stage.heard_of(document_id)

    async def both_done():
        with looking_at(stage.scene.journal) as journal:
            rows = journal.execute(
                "select duplicate_of is not null from message where document_id = ? and direction = 'in'"
                " and kind = 'document' and state = 'closed' order by 1",
                (document_id,),
            ).fetchall()
        return rows == [(0,), (1,)]

    await eventually(both_done)


async def test_an_organ_that_the_axis_does_not_know_is_rejected_and_the_office_told(stage):
    _, answer = await stage.send("000.00.00.G98")

    async def rejected():
        state = await stage.office.state()
        return state["notices"].get(answer["messages"][0]["message_id"]) == "message.rejected"

    await eventually(rejected)


async def test_at_the_end_both_books_are_equal_and_no_signature_is_claimed(stage):
    async def settled():
        await stage.office.work_off(())
        drawn = await account.draw_up(stage.scene.folder, stage.offices)
        return not (drawn.lost or drawn.doubled or drawn.statuses_lost or drawn.statuses_doubled)

    await eventually(settled)
    today = f"{dt.datetime.now(VIETNAM):%Y-%m-%d}"
    report = json.loads(await stage.command("reconcile", "--axis", "quoc-gia", "--day", today, "--json"))
    assert (report["differences"], report["listed"]) == (0, report["ours"])
    assert report["ours"] > 0
    counted = recount.verify_receipts(stage.scene.folder)
    assert (counted.verified, counted.bad, counted.missing) == (0, [], [])
