"""The road over an axis that signs nothing, deduplicates nothing and can only be asked by its list of sent messages."""

from contextlib import asynccontextmanager

import pytest

from gateway.edxml.parse import read
from gateway.errors import Unknown
from gateway.model import ProofGrade
from gateway.pipeline.outgoing import TWINS_BEFORE_HOLD
from gateway.ports import Fetched, Finds
from tests.fakes import FakeAxis
from tests.pipeline.road import FAR, OFFICE, OURS, document_file, open_road


class ListingAxis(FakeAxis):
    """Finds by DocumentId and kind, as a list would: without knowing our message ids."""

    def __init__(self):
        super().__init__(deduplicates=False, finds=Finds.BY_LISTING, signs_receipts=False)
        self.asked = []

    async def find(self, parcel):
        self._called("find")
        self.asked.append(parcel)
        for _, axis_id, data in self.held:
            said = read(data)
            about = said.status.response_for.document_id if said.status else said.document.document_id
            same = (about, "status" if said.status else "document") == (parcel.document_id, parcel.kind)
            if same and not await parcel.is_another(axis_id):
                return self._acceptance(parcel, axis_id, data)
        return None

    @asynccontextmanager
    async def fetch(self, axis_id, kind):
        async with super().fetch(axis_id, kind) as fetched:
            yield Fetched(None, None, fetched.chunks)


@pytest.fixture
async def road(tmp_path):
    async with open_road(tmp_path, axis=ListingAxis(), policy="if-present-report") as opened:
        yield opened


async def kinds(road, message_id):
    return [each.kind for each in await road.journal.receipts(message_id)]


async def test_what_an_axis_only_acknowledged_is_never_shown_as_a_signed_receipt(road):
    message_id = await road.submit(FAR)
    await road.run()
    assert (await road.message(message_id)).proof is ProofGrade.ACKNOWLEDGED
    assert await kinds(road, message_id) == ["axis-acknowledged"]


async def test_a_lost_reply_is_found_in_the_list_since_the_first_try(road):
    road.axis.replies = [("after", Unknown("reply-lost"))]
    first_try = road.clock()
    message_id = await road.submit(FAR)
    await road.run()
    await road.later(minutes=3)
    assert (await road.state(message_id), len(road.axis.held)) == ("sent", 1)
    (asked,) = road.axis.asked
    assert asked.since == first_try
    assert asked.code == (await road.message(message_id)).detail["code"]


async def test_what_is_not_in_the_list_is_sent(road):
    road.axis.replies = [Unknown("cut-before")]
    message_id = await road.submit(FAR)
    await road.run()
    await road.later(minutes=3)
    assert (await road.state(message_id), len(road.axis.held), road.axis.calls["send"]) == ("sent", 1, 2)


async def received(road):
    message_id = await road.receive(document_file())
    await road.run()
    return message_id


async def statuses(road, message_id):
    first = await road.message(message_id)
    rows = await road.journal.submission(first.submission_id)
    return [each for each in rows if each.kind == "status" and each.direction == "out"]


async def test_a_line_that_belongs_to_an_earlier_status_is_not_taken_for_a_later_one(road):
    message_id = await received(road)
    road.axis.replies = [Unknown("cut-before")]
    await road.office_acts.report_status(OFFICE, message_id, "03", "", organ=OURS)
    await road.run()
    await road.later(minutes=3)
    owed = await statuses(road, message_id)
    assert [each.state.value for each in owed] == ["closed", "closed"]
    assert len({each.axis_id for each in owed}) == len(road.axis.held) == 2


async def test_two_statuses_in_doubt_that_a_list_cannot_tell_apart_are_held_and_neither_is_lost(road):
    message_id = await road.announce(document_file())
    for _ in range(4):
        await road.step()  # as far as its hand-over: 01 is owed, and not sent yet
    road.axis.replies = [Unknown("cut-before"), ("after", Unknown("reply-lost"))]
    await road.office_acts.report_status(OFFICE, message_id, "03", "", organ=OURS)
    await road.run()
    for _ in range(TWINS_BEFORE_HOLD + 1):
        await road.later(minutes=10)
    owed = await statuses(road, message_id)
    assert [(each.state.value, each.held) for each in owed] == [("packed", "in-doubt")] * 2
    assert len(road.axis.held) == 1


async def test_a_file_nobody_vouches_for_is_taken_and_our_receipt_kept_for_ourselves(road):
    message_id = await received(road)
    assert await road.state(message_id) == "closed"
    assert await kinds(road, message_id) == ["gateway-kept"]


@pytest.mark.parametrize("cut", [10, 300, -20])
async def test_a_file_nobody_vouches_for_that_came_cut_is_fetched_again_and_never_refused(road, cut):
    whole = document_file()
    message_id = await road.announce(whole[:cut])
    await road.run()
    assert (await road.state(message_id), road.axis.confirmed) == ("announced", {})
    ((axis_id, (kind, _)),) = road.axis.waiting.items()
    road.axis.waiting[axis_id] = (kind, whole)
    await road.later(minutes=20)
    assert await road.state(message_id) == "closed"


async def test_a_file_that_stays_unreadable_is_in_the_end_for_a_person(road):
    message_id = await road.announce(document_file()[:-20])

    async def held():
        return await road.held(message_id) is not None

    await road.until(held, minutes=20)
    assert (await road.held(message_id), road.axis.confirmed) == ("fetch-failed", {})
