"""What a claimed message brings along, so that its stage need not read it again."""

import datetime as dt
from dataclasses import replace

import pytest

from gateway.states import ContentRef, Entry, Erase, KeepReceipt, Outcome, State
from tests.contract.journals import LEASE, content, message, new, submission

NOW = dt.timedelta(0)
PACKED = Outcome(Entry("packed"), state=State.PACKED, due_in=NOW, changes={"recipe": [1]})
FILE, ENVELOPE = ContentRef("edxml", content(place="x:1")), ContentRef("envelope", content(place="x:2"))


async def accepted_packed(journal):
    born = replace(new(message(), contents=[FILE.content]), then=PACKED)
    await journal.accept(submission(born))
    return born.message.message_id


async def test_what_was_born_packed_brings_its_contents_and_its_recipe(journal):
    message_id = await accepted_packed(journal)
    [work] = await journal.claim("node-1", 1, LEASE)
    assert work.known.contents == tuple(await journal.contents(message_id))
    assert work.known.extra == await journal.extra(message_id) == {"recipe": [1]}


async def test_what_an_outcome_adds_is_known_to_the_stage_after_it(journal):
    message_id = await accepted_packed(journal)
    [work] = await journal.claim("node-1", 1, LEASE)
    receipt = KeepReceipt("r-1", "gateway-received", given=True, body=b"<receipt/>")
    outcome = Outcome(Entry("again"), due_in=NOW, effects=(ENVELOPE, receipt), changes={"findings": []})
    _, following = await journal.advance(work, outcome, LEASE)
    assert [each.content for each in following.known.contents] == [
        each.content for each in await journal.contents(message_id)
    ]
    assert following.known.receipt == await journal.receipt_given(message_id) == b"<receipt/>"
    assert following.known.extra == await journal.extra(message_id)


async def test_whatever_anybody_does_meanwhile_makes_it_void(journal):
    message_id = await accepted_packed(journal)
    await journal.apply(message_id, Outcome(Entry("seen"), effects=(ENVELOPE,)), who="lan")
    [work] = await journal.claim("node-1", 1, LEASE)
    assert work.known is None
    assert len(await journal.contents_of(work)) == 2


async def test_what_is_erased_is_not_known_any_more(journal):
    await accepted_packed(journal)
    [work] = await journal.claim("node-1", 1, LEASE)
    _, following = await journal.advance(work, Outcome(Entry("erased"), due_in=NOW, effects=(Erase(),)), LEASE)
    assert following.known is None
    assert list(await journal.contents_of(following)) == []


async def test_a_lapsed_lease_brings_nothing(journal, clock):
    await accepted_packed(journal)
    await journal.claim("node-1", 1, LEASE)
    clock.pass_(LEASE.total_seconds() + 1)
    [work] = await journal.claim("node-2", 1, LEASE)
    assert work.known is None


async def test_no_more_is_remembered_than_a_thousand(journal):
    for _ in range(1100):
        await accepted_packed(journal)
    works = await journal.claim("node-1", 1100, LEASE)
    assert sum(work.known is not None for work in works) == 1024


@pytest.mark.parametrize("reads", ["contents_of", "extra_of"])
async def test_what_is_not_known_is_read(journal, reads):
    await accepted_packed(journal)
    [work] = await journal.claim("node-1", 1, LEASE)
    known, read = await getattr(journal, reads)(work), await getattr(journal, reads)(replace(work, known=None))
    assert tuple(known) == tuple(read)
