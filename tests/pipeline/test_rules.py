"""The law's rules on the road: times, duplicates, statuses that count once, organs that changed their code."""

import dataclasses
import datetime as dt
import itertools

import pytest

from gateway.edxml import parse
from gateway.errors import Unreachable
from gateway.pipeline import deadlines
from gateway.pipeline.directory import sync
from gateway.ports import AxisOrgan
from gateway.rules.clock import today
from tests.pipeline.road import (
    FAR,
    NEIGHBOUR,
    NEIGHBOURS,
    OFFICE,
    OURS,
    PULLED,
    PULLS,
    _uploads,
    document_file,
    open_road,
)

DAY = dt.timedelta(days=1)
_keys = itertools.count()


async def look(road):
    await deadlines.look(road.journal, road.clock)
    await road.run()


async def terms(road, message_id):
    """rule → (met, late)"""
    return {row.rule: (row.met_at is not None, row.late) for row in await road.journal.deadlines(message_id)}


def today_on(road):
    return today(road.clock()).isoformat()


async def fresh(road, *to, **fields):
    """A document signed today."""
    return await road.submit(*to, promulgation={"place": "Thử", "date": today_on(road)}, **fields)


# --- sending ----------------------------------------------------------------------------------------------------


async def test_a_document_sent_in_time_has_met_its_term_at_the_time_of_sending(road):
    message_id = await fresh(road, FAR)
    assert await terms(road, message_id) == {"sending": (False, False)}
    await road.run()
    sent_at = (await road.message(message_id)).sent_at
    road.clock.advance(days=9)
    await look(road)
    [row] = await road.journal.deadlines(message_id)
    assert (row.met_at, row.late) == (sent_at, False)
    assert road.told(kind="deadline.missed") == []


async def test_a_document_that_the_axis_does_not_take_is_late_once_and_its_office_hears(road):
    road.axis.down = Unreachable("axis-down")
    message_id = await fresh(road, FAR, expires=(road.clock() + 30 * DAY).isoformat())
    await road.run()
    road.clock.advance(days=5)
    for _ in range(3):
        await look(road)
    assert await terms(road, message_id) == {"sending": (False, True)}
    assert road.told(kind="deadline.missed") == ["deadline.missed"]
    [got] = [each for each in road.offices[OFFICE].got if each.event.type == "deadline.missed"]
    assert (got.event.data["about"], got.event.data["code"]) == (message_id, "sending")
    [facts] = await road.facts(message_id, "deadline-missed")
    assert facts["rule"] == "sending"
    assert await road.journal.open_deadlines() == {("sending", True): 1}
    road.axis.down = None
    await road.later(days=1)
    await look(road)
    assert await terms(road, message_id) == {"sending": (True, True)}
    assert await road.journal.open_deadlines() == {}


async def test_an_urgent_document_without_a_receipt_tells_its_office_after_five_minutes(road):
    road.axis.down = Unreachable("axis-down")
    message_id = await fresh(road, FAR, priority=1)
    await road.run()
    road.clock.advance(minutes=4, seconds=59)
    await look(road)
    assert road.told() == []
    road.clock.advance(seconds=1)
    await look(road)
    assert road.told() == ["urgent.unconfirmed"]
    assert await terms(road, message_id) == {"urgent": (False, True)}


async def test_a_term_that_was_over_at_the_door_is_late_and_nobody_is_told(road):
    long_ago = (today(road.clock()) - 30 * DAY).isoformat()
    message_id = await road.submit(FAR, promulgation={"place": "Thử", "date": long_ago})
    await road.run()
    await look(road)
    assert await terms(road, message_id) == {"sending": (True, True)}
    assert road.told() == []


# --- arrival and answer -----------------------------------------------------------------------------------------


async def test_notice_of_arrival_is_met_when_the_status_is_at_the_axis(road):
    message_id = await road.receive(document_file(OURS))
    await look(road)
    assert await terms(road, message_id) == {"arrival": (True, False)}


async def test_an_office_that_does_not_take_a_document_all_day_is_told_what_it_owes(road):
    message_id = await road.receive(document_file(PULLED))
    road.clock.advance(days=4)
    await look(road)
    assert await terms(road, message_id) == {"arrival": (False, True)}
    rows = await road.journal.inbox(PULLS, 0, 10)
    notice = rows[-1].message
    assert notice.detail["event"] == "deadline.missed"
    assert (notice.detail["about"], notice.detail["code"]) == (message_id, "arrival")
    await road.office_acts.acknowledge(PULLS, message_id)
    await road.run()
    await look(road)
    assert await terms(road, message_id) == {"arrival": (True, True)}


async def due_soon(road, *to):
    term = today(road.clock()) + 3 * DAY
    return await road.receive(document_file(*(to or (OURS,)), due_date=term))


@pytest.mark.parametrize("code", ["06", "02"])
async def test_a_status_that_ends_the_work_meets_the_answers_term(road, code):
    message_id = await due_soon(road)
    assert (await terms(road, message_id))["answer"] == (False, False)
    await road.office_acts.report_status(OFFICE, message_id, "03", "")
    assert (await terms(road, message_id))["answer"] == (False, False)
    await road.office_acts.report_status(OFFICE, message_id, code, "gửi nhầm")
    assert (await terms(road, message_id))["answer"] == (True, False)


async def test_a_reply_meets_the_answers_term_when_the_axis_has_it(road):
    message_id = await due_soon(road)
    asked = await road.message(message_id)
    reply = await fresh(road, FAR, response_for=[{"organ": FAR, "document_id": asked.document_id, "code": "1/A"}])
    assert (await terms(road, message_id))["answer"] == (False, False)
    await road.run()
    assert (await road.message(reply)).sent_at is not None
    assert (await terms(road, message_id))["answer"] == (True, False)


async def test_an_answer_never_given_is_told_to_each_office_that_has_the_document(road):
    message_id = await due_soon(road, OURS, NEIGHBOUR)
    road.clock.advance(days=10)
    await look(road)
    assert (await terms(road, message_id))["answer"] == (False, True)
    for office in (OFFICE, NEIGHBOURS):
        assert road.told(office, "deadline.missed") == ["deadline.missed"]


# --- duplicates -------------------------------------------------------------------------------------------------


async def warned(road, **fields):
    record = {
        "from": {"code": OURS, "name": "Sở Thử nghiệm"},
        "to": [{"code": FAR, "name": "Cơ quan thử"}],
        "number": "77",
        "notation": "STN-VP",
        "promulgation": {"place": "Thử nghiệm", "date": "2026-03-01"},
        "subject": "V/v trùng số",
        **fields,
    }
    submitted = await road.intake.submit(OFFICE, f"twice-{next(_keys)}", record, _uploads(()))
    told = [(each.code, each.facts["earlier"]) for each in submitted.warnings if each.code.startswith("duplicate")]
    return submitted.submission_id, told


async def test_a_second_document_of_the_same_number_is_taken_with_a_warning_that_names_the_first(road):
    first, told = await warned(road)
    assert told == []
    assert (await warned(road))[1] == [("duplicate-document-id", first)]
    assert (await warned(road, document_id="another"))[1] == [("duplicate-number", first)]
    assert (await warned(road, document_id="third", notation="stn-vp "))[1] == [("duplicate-number", first)]


async def test_another_year_or_another_number_is_no_duplicate(road):
    await warned(road)
    assert (await warned(road, document_id="x", promulgation={"place": "T", "date": "2025-12-31"}))[1] == []
    assert (await warned(road, number="78"))[1] == []


async def test_an_incoming_document_of_a_number_already_used_is_handed_over_with_the_earlier_one_named(road):
    first = await road.receive(document_file(OURS, number="5", document_id="d-1"))
    second = await road.receive(document_file(OURS, number="5", document_id="d-2"))
    [facts] = await road.facts(second, "trusted")
    assert facts["same_number"] == first
    findings = (await road.journal.extra(second))["findings"]
    assert findings == [{"code": "duplicate-number", "severity": "warning", "message_id": first}]
    assert road.told(kind="document.received") == ["document.received"] * 2


# --- statuses ---------------------------------------------------------------------------------------------------


async def test_a_status_said_twice_is_told_once_and_work_in_progress_each_time(road):
    message_id = await road.submit(FAR)
    await road.run()
    for code in ("01", "03", "03", "05", "05"):
        road.clock.advance(minutes=1)
        await road.hear(message_id, code, at=road.clock())
    assert road.told() == ["status.received"] * 4
    assert [row.status for row in await road.journal.statuses(message_id)] == ["01", "03", "05", "05"]


async def test_a_status_out_of_order_settles_and_is_marked_as_such(road):
    message_id = await road.submit(FAR)
    await road.run()
    heard = await road.hear(message_id, "06")
    assert (await road.delivery(message_id, FAR)).status == "06"
    [facts] = await road.facts(heard, "status-heard")
    assert facts["finding"] == "status-out-of-order"


async def test_an_unknown_status_is_carried_verbatim_and_answers_nothing(road):
    message_id = await road.submit(FAR)
    await road.run()
    await road.hear(message_id, "77")
    delivery = await road.delivery(message_id, FAR)
    assert (delivery.status, delivery.answered) == ("77", False)
    assert road.told() == ["status.received"]


async def test_the_senders_own_word_from_a_receiver_settles_nothing_but_is_passed_on(road):
    message_id = await road.submit(FAR)
    await road.run()
    heard = await road.hear(message_id, "13")
    assert (await road.delivery(message_id, FAR)).status is None
    [facts] = await road.facts(heard, "status-heard")
    assert facts["finding"] == "status-not-theirs"
    assert road.told() == ["status.received"]


# --- the directory ----------------------------------------------------------------------------------------------


class Listing:
    name = "national"

    def __init__(self, *organs):
        self.listed = organs

    async def organs(self):
        return self.listed


async def test_a_status_under_a_new_code_settles_the_delivery_under_the_old_one(tmp_path):
    new = "G98.NEW.G98"
    async with open_road(tmp_path) as road:
        message_id = await road.submit(FAR)
        await road.run()
        await sync(Listing(AxisOrgan(new, "Bộ Thử nghiệm", FAR)), road.journal, today(road.clock()))
        await road.hear(message_id, "01", sender=new)
        assert (await road.delivery(message_id, FAR)).answered
        assert await road.state(message_id) == "closed"


async def test_the_door_writes_the_listed_code_and_name_into_the_document_that_goes_out(tmp_path):
    async with open_road(tmp_path) as road:
        await sync(Listing(AxisOrgan("G98.01", "Bộ Thử nghiệm", FAR)), road.journal, today(road.clock()))
        message_id = await road.submit(to=[{"code": FAR}])
        await road.run()
        [delivery] = await road.journal.deliveries(message_id)
        assert delivery.organ == "G98.01"
        [(_, _, data)] = road.axis.held
        assert "<edXML:OrganId>G98.01<" in data.decode()
        assert "Bộ Thử nghiệm" in data.decode()


# --- the older form ---------------------------------------------------------------------------------------------


async def test_an_axis_that_wants_the_older_form_gets_it_and_its_receipt_still_fits(road):
    partner = road.partners.axes["national"]
    road.partners.axes["national"] = dataclasses.replace(partner, edxml_form="e-doc")
    message_id = await road.submit(FAR)
    await road.run()
    [(_, _, data)] = road.axis.held
    parsed = parse.read(data)
    assert (parsed.form, parsed.document.document_id) == ("e-doc", (await road.message(message_id)).document_id)
    assert b"01/03/2026" in data
    assert await road.state(message_id) == "sent"


async def test_an_update_for_an_axis_of_the_older_form_names_the_earlier_document(road):
    await road.submit(FAR, document_id="d-0")
    await road.run()
    partner = road.partners.axes["national"]
    road.partners.axes["national"] = dataclasses.replace(partner, edxml_form="e-doc")
    message_id = await road.submit(FAR, business={"type": 2, "document_id": "d-0", "reason": "Sửa phụ lục"})
    await road.run()
    assert await road.state(message_id) == "sent"
    parsed = parse.read(road.axis.held[-1][2])
    assert (parsed.form, parsed.document.business.type, parsed.document.business.document_id) == ("e-doc", 2, "d-0")
    assert road.told() == []


async def test_a_recall_by_status_13_goes_in_the_older_form_too(road):
    message_id = await road.submit(FAR, document_id="d-0")
    await road.run()
    partner = road.partners.axes["national"]
    road.partners.axes["national"] = dataclasses.replace(partner, edxml_form="e-doc")
    await road.recalls.ask(OFFICE, "r1", message_id, "Gửi nhầm", None)
    await road.run()
    parsed = parse.read(road.axis.held[-1][2])
    assert (parsed.form, parsed.status.code, parsed.status.response_for.document_id) == ("e-doc", "13", "d-0")
