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


async def test_nobody_waits_for_company_and_what_comes_meanwhile_shares_the_next_call(axis, sharing):
    first = await waiting(sharing, "a")
    await asyncio.sleep(0)
    others = await waiting(sharing, "b", "c", "d")
    axis.open.set()
    assert await asyncio.gather(*first, *others) == [f"receipt of {name}" for name in "abcd"]
    assert axis.calls == [["a"], ["b", "c", "d"]]


async def test_as_many_calls_as_allowed_are_under_way_and_no_more(axis):
    sharing = Sharing(axis.take, at_once=AT_ONCE, calls=2)
    tasks = []
    for name in "abcd":
        tasks += await waiting(sharing, name)
        await asyncio.sleep(0)
    assert axis.calls == [["a"], ["b"]]
    axis.open.set()
    await asyncio.gather(*tasks)
    assert axis.calls == [["a"], ["b"], ["c", "d"]]
    await sharing.close()


async def test_what_nobody_waits_for_any_more_is_not_sent(axis, sharing):
    first = await waiting(sharing, "a")
    await asyncio.sleep(0)
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
