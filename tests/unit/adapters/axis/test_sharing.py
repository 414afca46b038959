import asyncio

import pytest

from adapters.axis.soap.replies import refusal
from adapters.axis.soap.sharing import Sharing
from gateway.errors import NeedsOperator, Unknown


class Axis:
    """Takes groups when told to; what it answers can be set between calls."""

    def __init__(self):
        self.calls = []
        self.open = asyncio.Event()
        self.refused = {}
        self.failure = None

    async def take(self, names):
        self.calls.append(list(names))
        await self.open.wait()
        if self.failure:
            raise self.failure
        return [self.refused.get(name, f"receipt of {name}") for name in names]


@pytest.fixture
async def axis():
    return Axis()


AT_ONCE = 5


@pytest.fixture
async def sharing(axis):
    made = Sharing(axis.take, at_once=AT_ONCE)
    yield made
    await made.close()


async def waiting(sharing, *names):
    tasks = [asyncio.create_task(sharing.put(name)) for name in names]
    await asyncio.sleep(0)
    return tasks


async def until(happened):
    async with asyncio.timeout(10):
        while not happened():
            await asyncio.sleep(0.001)


async def test_what_comes_while_a_call_is_under_way_shares_the_next(axis, sharing):
    first = await waiting(sharing, "a")
    await until(lambda: axis.calls)
    others = await waiting(sharing, "b", "c", "d")
    axis.open.set()
    assert await asyncio.gather(*first, *others) == [f"receipt of {name}" for name in "abcd"]
    assert axis.calls == [["a"], ["b", "c", "d"]]


async def test_the_first_waits_a_moment_for_company(axis):
    sharing = Sharing(axis.take, at_once=AT_ONCE, company=0.05)
    axis.open.set()
    first = await waiting(sharing, "a")
    await asyncio.sleep(0.01)
    second = await waiting(sharing, "b")
    await asyncio.gather(*first, *second)
    assert axis.calls == [["a", "b"]]
    await sharing.close()


async def test_a_full_call_begins_at_once(axis):
    sharing = Sharing(axis.take, at_once=AT_ONCE, company=3600)
    axis.open.set()
    await asyncio.gather(*await waiting(sharing, *"abcde"))
    assert axis.calls == [[*"abcde"]]
    await sharing.close()


async def test_a_call_that_takes_long_does_not_hold_up_the_others_and_no_more_begin_than_allowed(axis):
    sharing = Sharing(axis.take, at_once=AT_ONCE, calls=2, patience=0.01)
    tasks = []
    for number, name in enumerate("ab", start=1):
        tasks += await waiting(sharing, name)
        await until(lambda calls=number: len(axis.calls) == calls)
    tasks += await waiting(sharing, "c", "d")
    await asyncio.sleep(0.05)
    assert axis.calls == [["a"], ["b"]]
    axis.open.set()
    await asyncio.gather(*tasks)
    assert axis.calls == [["a"], ["b"], ["c", "d"]]
    await sharing.close()


async def test_a_short_call_is_not_joined_by_another(axis):
    sharing = Sharing(axis.take, at_once=AT_ONCE, calls=2, patience=3600)
    first = await waiting(sharing, "a")
    await until(lambda: axis.calls)
    second = await waiting(sharing, "b")
    await asyncio.sleep(0.01)
    assert axis.calls == [["a"]]
    axis.open.set()
    await asyncio.gather(*first, *second)
    assert axis.calls == [["a"], ["b"]]
    await sharing.close()


async def test_what_nobody_waits_for_any_more_is_not_sent(axis, sharing):
    first = await waiting(sharing, "a")
    await until(lambda: axis.calls)
    gone, stays = await waiting(sharing, "gone", "stays")
    gone.cancel()
    axis.open.set()
    await asyncio.gather(*first, stays)
    assert axis.calls == [["a"], ["stays"]]


async def test_a_refused_item_does_not_spoil_the_others_of_its_call(axis, sharing):
    tasks = await waiting(sharing, "good", "bad", "fine")
    axis.refused = {"bad": NeedsOperator("axis-bad-receipt")}
    axis.open.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in done] == [str, NeedsOperator, str]


async def test_a_call_that_failed_failed_for_all_of_it_and_the_next_goes_out(axis, sharing):
    axis.open.set()
    axis.failure = Unknown("axis-reply-lost")
    done = await asyncio.gather(*await waiting(sharing, "a", "b"), return_exceptions=True)
    assert all(isinstance(each, Unknown) for each in done)
    axis.failure = None
    await asyncio.gather(*await waiting(sharing, "a", "b"))
    assert axis.calls[-1] == ["a", "b"]


async def test_one_call_carries_no_more_than_the_axis_takes(axis, sharing):
    names = [f"m{number}" for number in range(AT_ONCE * 2 + 1)]
    axis.open.set()
    await asyncio.gather(*await waiting(sharing, *names))
    assert max(map(len, axis.calls)) == AT_ONCE
    assert [name for call in axis.calls for name in call] == names


async def test_a_caller_that_stops_waiting_leaves_the_others_alone(axis, sharing):
    gone, stays = await waiting(sharing, "gone", "stays")
    await asyncio.sleep(0)
    gone.cancel()
    axis.open.set()
    await stays
    assert gone.cancelled()


async def test_closing_ends_what_waits(axis, sharing):
    tasks = await waiting(sharing, "a")
    await asyncio.sleep(0)
    tasks += await waiting(sharing, "b")
    await sharing.close()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in done)


def test_a_receipt_whose_signer_the_axis_does_not_know_yet_is_handed_over_again_and_a_wrong_one_is_not():
    assert isinstance(refusal("BadSignature"), Unknown)
    assert isinstance(refusal("BadReceipt"), NeedsOperator)
    assert isinstance(refusal("NotFound"), NeedsOperator)


async def test_what_comes_after_the_end_is_told_so(axis):
    sharing = Sharing(axis.take, at_once=AT_ONCE, company=3600)
    first = await waiting(sharing, "a")
    await sharing.close()
    done = await asyncio.wait_for(asyncio.gather(*first, sharing.put("b"), return_exceptions=True), 5)
    assert [type(each) for each in done] == [asyncio.CancelledError] * 2
    assert axis.calls == []


async def test_too_short_an_answer_is_nobodys(axis):
    async def short(names):
        return names[1:]

    sharing = Sharing(short, at_once=AT_ONCE)
    done = await asyncio.wait_for(asyncio.gather(*await waiting(sharing, "a", "b"), return_exceptions=True), 5)
    assert [type(each) for each in done] == [ValueError] * 2
    await sharing.close()
