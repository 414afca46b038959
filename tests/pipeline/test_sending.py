"""The road out: what is frozen, what counts as sent, and what a doubt leads to."""

import hashlib

import pytest

from gateway.errors import Busy, Rejection, Unknown, Unreachable
from gateway.model import Kind
from gateway.pipeline.outgoing import MISMATCHES_BEFORE_HOLD
from gateway.ports import Finds
from gateway.states import Entry, Outcome
from gateway.trust.keys import KeyPair
from tests import pki
from tests.fakes import FakeAxis
from tests.pipeline.road import ALSO_FAR, FAR, LEASE, OFFICE, OURS, open_road


def axis(*, deduplicates=False, finds=Finds.NO, signs_receipts=True):
    return FakeAxis(deduplicates=deduplicates, finds=finds, signs_receipts=signs_receipts)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "gateway-received"),
        ("issued_by", pki.OTHER),
        ("addressed_to", "another-gateway"),
        ("message_id", "another-message"),
        ("axis_id", "another-axis-id"),
        ("document_id", "another-document"),
        ("sender", FAR),
        ("to", (FAR, ALSO_FAR)),
        ("size", 1),
        ("sha256", "0" * 64),
        ("attachments", ()),
    ],
)
async def test_a_receipt_with_any_one_field_wrong_is_kept_as_a_mismatch_and_settles_nothing(road, field, value):
    road.axis.alter = {field: value}
    message_id = await road.submit(FAR)
    await road.run()
    assert await road.state(message_id) == "packed"
    [kept] = await road.journal.receipts(message_id)
    assert (kept.mismatch, kept.given) == ("signer-unknown" if field == "issued_by" else field, False)
    road.axis.alter = {}
    await road.later(minutes=2)
    assert await road.state(message_id) == "sent"
    assert [each.mismatch is None for each in await road.journal.receipts(message_id)] == [False, True]
    assert len(road.axis.held) == 1


async def test_a_receipt_that_another_party_signed_settles_nothing(road):
    road.axis.signer = pki.valid(pki.OTHER).pair()
    message_id = await road.submit(FAR)
    await road.run()
    assert await road.state(message_id) == "packed"
    assert [each.mismatch for each in await road.journal.receipts(message_id)] == ["signer-unknown"]


def roll(road):
    """The axis signs with another key; the certificate for it is not in our folder yet."""
    road.axis.signer = KeyPair.of(pki.private_key("rolled"), pki.certificate("rolled"))
    return lambda: (road.folder / "trust" / pki.AXIS / "rolled.pem").write_bytes(pki.valid("rolled").certificate_pem)


async def test_a_certificate_that_came_a_moment_ago_counts_at_once(road):
    road.keys.look_every = 3600
    roll(road)()
    message_id = await road.submit(FAR)
    await road.run()
    assert await road.state(message_id) == "sent"
    assert [each.mismatch for each in await road.journal.receipts(message_id)] == [None]


async def test_a_receipt_whose_signer_becomes_known_later_is_the_same_receipt_and_proves(road):
    make_known = roll(road)
    message_id = await road.submit(FAR)
    await road.run()
    assert [each.mismatch for each in await road.journal.receipts(message_id)] == ["signer-unknown"]
    make_known()
    await road.later(minutes=2)
    assert await road.state(message_id) == "sent"
    [kept] = await road.journal.receipts(message_id)
    assert (kept.mismatch, kept.kind) == (None, "axis-accepted")


async def test_an_axis_that_owes_a_receipt_and_gives_none_has_not_proven_anything(road, monkeypatch):
    class Silent(FakeAxis):
        def _acceptance(self, parcel, axis_id, data):
            from gateway.ports import Acceptance

            return Acceptance(axis_id, None)

    road.axis.__class__ = Silent
    message_id = await road.submit(FAR)
    await road.run()
    assert await road.state(message_id) == "packed"
    assert "receipt-mismatch" in await road.codes(message_id)


async def test_a_receipt_that_never_matches_is_shown_to_a_person(road):
    road.axis.alter = {"size": 1}
    message_id = await road.submit(FAR)

    async def held():
        return await road.held(message_id) == "receipt-mismatch"

    await road.until(held, minutes=2)
    assert road.axis.calls["send"] == MISMATCHES_BEFORE_HOLD
    assert await road.state(message_id) == "packed"


async def test_a_reply_lost_after_sending_does_not_send_twice_where_the_axis_can_be_asked(tmp_path):
    async with open_road(tmp_path, axis=axis(finds=Finds.BY_MESSAGE_ID)) as road:
        road.axis.replies = [("after", Unknown("reply-lost"))]
        message_id = await road.submit(FAR)
        await road.run()
        assert (await road.state(message_id), len(road.axis.held)) == ("packed", 1)
        assert (await road.journal.stats()).in_doubt == 1
        await road.later(minutes=3)
        assert await road.state(message_id) == "sent"
        assert (len(road.axis.held), road.axis.calls["find"]) == (1, 1)


async def test_what_never_arrived_is_asked_for_and_then_sent(tmp_path):
    async with open_road(tmp_path, axis=axis(finds=Finds.BY_MESSAGE_ID)) as road:
        road.axis.replies = [Unknown("cut-before")]
        message_id = await road.submit(FAR)
        await road.run()
        await road.later(minutes=3)
        assert await road.state(message_id) == "sent"
        assert (len(road.axis.held), road.axis.calls["find"], road.axis.calls["send"]) == (1, 1, 2)


async def test_an_axis_that_deduplicates_is_simply_sent_the_same_bytes_again(road):
    road.axis.replies = [("after", Unknown("reply-lost"))]
    message_id = await road.submit(FAR)
    await road.run()
    await road.later(minutes=3)
    assert await road.state(message_id) == "sent"
    assert (len(road.axis.held), road.axis.calls["find"], road.axis.calls["send"]) == (1, 0, 2)


async def test_before_an_axis_is_asked_the_longest_call_has_surely_ended(tmp_path):
    async with open_road(tmp_path, axis=axis(finds=Finds.BY_MESSAGE_ID)) as road:
        road.axis.replies = [("after", Unknown("reply-lost"))]
        await road.submit(FAR)
        await road.run()
        await road.later(seconds=road.settings.times.longest_call_seconds - 1)
        assert road.axis.calls["find"] == 0


async def test_in_doubt_on_an_axis_that_can_neither_be_asked_nor_deduplicates_a_person_decides(tmp_path):
    async with open_road(tmp_path, axis=axis()) as road:
        road.axis.replies = [("after", Unknown("reply-lost"))]
        message_id = await road.submit(FAR)
        await road.run()
        await road.later(minutes=3)
        assert (await road.held(message_id), len(road.axis.held)) == ("in-doubt", 1)
        await road.later(days=30)
        assert (await road.state(message_id), await road.held(message_id)) == ("packed", "in-doubt")


async def test_a_person_who_knows_that_it_never_arrived_lets_it_be_sent(tmp_path):
    async with open_road(tmp_path, axis=axis()) as road:
        road.axis.replies = [Unknown("cut-before")]
        message_id = await road.submit(FAR)
        await road.run()
        await road.later(minutes=3)
        assert await road.held(message_id) == "in-doubt"
        await road.acts.release(message_id, "lan", "the axis's operators say they never saw it")
        await road.run()
        assert (await road.state(message_id), len(road.axis.held)) == ("sent", 1)


async def test_releasing_what_is_held_for_another_reason_leaves_its_doubt(tmp_path):
    async with open_road(tmp_path, axis=axis(finds=Finds.BY_MESSAGE_ID)) as road:
        road.axis.alter = {"size": 1}
        message_id = await road.submit(FAR)

        async def held():
            return await road.held(message_id) is not None

        await road.until(held, minutes=3)
        road.axis.alter = {}
        await road.acts.release(message_id, "lan", "the axis was repaired")
        await road.run()
        assert (await road.state(message_id), len(road.axis.held)) == ("sent", 1)


async def test_a_doubt_survives_an_attempt_that_could_not_even_ask(tmp_path):
    async with open_road(tmp_path, axis=axis(finds=Finds.BY_MESSAGE_ID)) as road:
        road.axis.replies = [("after", Unknown("reply-lost"))]
        message_id = await road.submit(FAR)
        await road.run()
        road.axis.down = Unreachable("connection-refused")
        await road.later(minutes=3)
        assert road.axis.calls["find"] == 1
        road.axis.down = None
        await road.later(minutes=3)
        assert (await road.state(message_id), len(road.axis.held), road.axis.calls["send"]) == ("sent", 1, 1)


async def test_an_attempt_cut_short_is_found_in_doubt(tmp_path):
    async with open_road(tmp_path, axis=axis(finds=Finds.BY_MESSAGE_ID)) as road:
        message_id = await road.submit(FAR)
        [work] = await road.journal.claim("node-that-died", 1, LEASE)
        await road.stages["send"](work)  # it sent, and never wrote what came of it
        await road.later(seconds=LEASE.total_seconds() + 1)
        assert (await road.state(message_id), len(road.axis.held)) == ("sent", 1)


async def test_an_unsigned_reply_proves_less_and_is_kept_byte_for_byte(tmp_path):
    async with open_road(tmp_path, axis=axis(signs_receipts=False)) as road:
        message_id = await road.submit(FAR)
        await road.run()
        assert (await road.state(message_id), (await road.message(message_id)).proof) == ("sent", "acknowledged")
        [kept] = await road.journal.receipts(message_id)
        assert kept.body == b'{"status":"OK"}'


async def test_what_the_axis_will_never_take_is_rejected_and_its_office_hears(road):
    road.axis.replies = [Rejection("organ-unknown")]
    message_id = await road.submit(FAR)
    await road.run()
    assert await road.state(message_id) == "rejected"
    [notice] = road.offices[OFFICE].got
    assert (notice.event.type, notice.event.data["about"]) == ("message.rejected", message_id)
    assert notice.event.data["code"] == "organ-unknown"


async def test_a_receiver_who_is_busy_is_given_the_time_it_asked_for(road):
    road.axis.replies = [Busy("busy", after=50)]
    message_id = await road.submit(FAR)
    await road.run()
    await road.later(seconds=49)
    assert road.axis.calls["send"] == 1
    await road.later(seconds=2)
    assert await road.state(message_id) == "sent"


async def test_an_unreachable_axis_holds_all_its_messages_by_its_endpoint_and_a_sign_of_life_frees_them(road):
    road.axis.down = Unreachable("connection-refused")
    first = await road.submit(FAR)
    await road.run()
    [row] = await road.journal.partners.endpoints()
    assert row.name == "axis:national"
    others = [await road.submit(FAR) for _ in range(5)]
    await road.run()
    assert road.axis.calls["send"] == 1, "nobody else tried in vain"
    assert (await road.journal.stats()).in_doubt == 0
    road.axis.down = None
    await road.later(minutes=1)
    assert not await road.journal.partners.endpoints()
    assert {await road.state(each) for each in [first, *others]} == {"sent"}


async def test_many_failures_at_once_are_one_failure_of_the_endpoint(road):
    road.axis.down = Unreachable("connection-refused")
    for _ in range(20):
        await road.submit(FAR)
    await road.run()
    [row] = await road.journal.partners.endpoints()
    assert row.next_try_at - road.clock() < pki.dt.timedelta(seconds=5)


# --- expiry -----------------------------------------------------------------------------------------------------


async def expired(road, message_id):
    road.axis.down = Unreachable("connection-refused")

    async def done():
        return await road.state(message_id) == "expired"

    await road.until(done, hours=12)
    road.axis.down = None
    await road.later(minutes=20)


async def test_a_message_never_confirmed_expires_and_its_office_hears(road):
    message_id = await road.submit(FAR)
    await expired(road, message_id)
    assert road.told() == ["message.expired"]
    assert (await road.message(message_id)).due_at is None


async def test_the_last_act_before_expired_is_to_find_it(road):
    road.axis.replies = [Busy("busy", after=850)] * 400
    message_id = await road.submit(FAR)
    await road.run()
    await road.later(hours=73)
    assert await road.state(message_id) == "expired"
    assert road.axis.calls["find"] == 1


async def test_what_is_found_at_the_last_moment_is_sent_after_all(tmp_path):
    async with open_road(tmp_path, axis=axis(finds=Finds.BY_MESSAGE_ID)) as road:
        road.axis.replies = [("after", Unknown("reply-lost"))]
        message_id = await road.submit(FAR)
        await road.run()
        await road.later(hours=80)
        assert (await road.state(message_id), len(road.axis.held)) == ("sent", 1)


async def test_a_message_in_doubt_does_not_expire(tmp_path):
    async with open_road(tmp_path, axis=axis(finds=Finds.BY_MESSAGE_ID)) as road:
        road.axis.replies = [("after", Unknown("reply-lost"))]
        message_id = await road.submit(FAR)
        await road.run()
        road.axis.down = Unreachable("connection-refused")
        for _ in range(10):
            await road.later(hours=12)
        assert await road.state(message_id) == "packed"
        assert road.told() == []


async def test_in_doubt_too_late_on_an_axis_that_deduplicates_and_cannot_be_asked_repeating_is_asking(tmp_path):
    async with open_road(tmp_path, axis=axis(deduplicates=True)) as road:
        road.axis.replies = [("after", Unknown("reply-lost"))]
        message_id = await road.submit(FAR)
        await road.run()
        await road.later(hours=80)
        assert (await road.state(message_id), len(road.axis.held)) == ("sent", 1)


async def test_an_expired_message_resent_asks_first_and_is_told_as_late(tmp_path):
    async with open_road(tmp_path, axis=axis(finds=Finds.BY_MESSAGE_ID)) as road:
        message_id = await road.submit(FAR)
        await expired(road, message_id)
        asked = road.axis.calls["find"]
        await road.acts.resend(message_id, "lan", "the line is repaired")
        await road.run()
        assert await road.state(message_id) == "sent"
        assert road.axis.calls["find"] == asked + 1
        assert road.told() == ["message.expired", "message.late"]
        entry = next(each for each in await road.journal.timeline(message_id) if each.code == "resend")
        assert (entry.who, entry.detail) == ("lan", "the line is repaired")
        digest = hashlib.sha256(road.axis.held[0][2]).hexdigest()
        assert digest == (await road.message(message_id)).sha256


async def test_a_message_that_expired_before_it_was_packed_can_be_resent_too(road):
    message_id = await road.submit(FAR)
    road.clock.advance(hours=80)
    await road.run()
    assert await road.state(message_id) == "expired"
    await road.acts.resend(message_id, "lan", "we were down for days")
    await road.run()
    assert await road.state(message_id) == "sent"


# --- pack and chase ---------------------------------------------------------------------------------------------


async def test_keys_that_end_before_the_longest_wait_refuse_to_pack(road):
    pki.write_keys(
        road.folder / "keys",
        pki.Member(pki.GATEWAY, pki.certificate(pki.GATEWAY, ends=pki.NOW + pki.dt.timedelta(hours=71))),
    )
    message_id = await road.submit(FAR)
    await road.run()
    assert (await road.state(message_id), await road.held(message_id)) == ("accepted", "key-ends-soon")
    pki.write_keys(road.folder / "keys", pki.valid(pki.GATEWAY))
    await road.acts.release(message_id, "lan", "a new key is there")
    await road.run()
    assert await road.state(message_id) == "sent"


async def test_a_document_closes_when_the_last_organ_has_answered(road):
    message_id = await road.submit(FAR, ALSO_FAR)
    await road.run()
    await road.hear(message_id, "02", FAR, description="thiếu phụ lục")
    assert await road.state(message_id) == "sent"
    await road.hear(message_id, "01", ALSO_FAR)
    assert await road.state(message_id) == "closed"


async def test_a_document_nobody_answers_is_closed_as_unanswered_when_the_wait_is_over(road):
    message_id = await road.submit(FAR, ALSO_FAR)
    await road.run()
    await road.hear(message_id, "01", FAR)
    await road.later(hours=23)
    assert await road.state(message_id) == "sent"
    await road.later(hours=2)
    assert await road.facts(message_id, "closed-unanswered") == [{"silent": ALSO_FAR}]


async def test_a_status_after_the_end_still_settles_its_delivery(road):
    message_id = await road.submit(FAR)
    await road.run()
    await road.later(hours=25)
    assert await road.state(message_id) == "closed"
    await road.hear(message_id, "06")
    assert (await road.delivery(message_id, FAR)).status == "06"
    assert road.told() == ["status.received"]


async def test_a_status_that_overtakes_our_own_books_settles_the_delivery(tmp_path):
    async with open_road(tmp_path, axis=axis(finds=Finds.BY_MESSAGE_ID)) as road:
        road.axis.replies = [("after", Unknown("reply-lost"))]
        message_id = await road.submit(FAR)
        await road.run()
        await road.hear(message_id, "01")
        assert await road.state(message_id) == "packed"
        assert (await road.delivery(message_id, FAR)).answered
        await road.later(minutes=3)
        assert await road.state(message_id) == "closed"
        assert road.told() == ["status.received"]


async def test_a_document_to_a_thousand_organs_is_one_message_that_all_of_them_answer(road):
    organs = [f"{number:03}.00.00.G98" for number in range(1000)]
    message_id = await road.submit(*organs)
    await road.run()
    assert await road.state(message_id) == "sent"
    assert len(await road.journal.deliveries(message_id)) == 1000
    await road.later(hours=25)
    [facts] = await road.facts(message_id, "closed-unanswered")
    assert len(facts["silent"].split()) == 1000


async def test_an_axis_that_gives_one_id_to_two_messages_holds_the_second_and_stops_nothing(road):
    class Confused(FakeAxis):
        async def send(self, parcel):
            acceptance = await super().send(parcel)
            return self._acceptance(parcel, "ax-0", self.held[-1][2]) if acceptance else None

    road.axis.__class__ = Confused
    first, second = await road.submit(FAR), await road.submit(FAR)
    await road.run()
    states = sorted([await road.state(first), await road.state(second)])
    assert states == ["packed", "sent"]
    [held] = [each for each in (first, second) if await road.state(each) == "packed"]
    assert (await road.held(held)).startswith("bug-")


async def test_a_message_for_an_axis_that_is_no_longer_configured_is_held_and_counts_as_no_bug(road):
    message_id = await road.submit(FAR)
    road.partners.axes.pop("national")
    await road.run()
    assert await road.held(message_id) == "axis-unknown"
    assert road.runner.broken == frozenset()


async def test_a_note_beside_the_road_changes_nothing_on_it(road):
    message_id = await road.submit(FAR)
    before = await road.message(message_id)
    await road.journal.apply(message_id, Outcome(Entry("seen")), who="lan")
    after = await road.message(message_id)
    assert (after.due_at, after.state, after.version) == (before.due_at, before.state, before.version + 1)


async def test_a_status_ends_its_road_with_the_axis_receipt(road):
    from tests.pipeline.road import document_file

    received = await road.receive(document_file(OURS))
    [status] = [each for each in await road.journal.submission(received) if each.kind is Kind.STATUS]
    assert (status.state, status.proof) == ("closed", "signed-receipt")
