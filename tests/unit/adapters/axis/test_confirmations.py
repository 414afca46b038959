import asyncio

import pytest

from adapters.axis.soap.confirmations import AT_ONCE, Confirmations
from adapters.axis.soap.replies import refusal
from gateway.errors import NeedsOperator, Unknown


class Axis:
    """Takes groups when told to; what it answers can be set between calls."""

    def __init__(self):
        self.calls = []
        self.open = asyncio.Event()
        self.refused = {}
        self.failure = None

    async def take(self, receipts):
        self.calls.append([axis_id for axis_id, _ in receipts])
        await self.open.wait()
        if self.failure:
            raise self.failure
        return self.refused


@pytest.fixture
async def axis():
    return Axis()


@pytest.fixture
async def confirmations(axis):
    made = Confirmations(axis.take)
    yield made
    await made.close()


async def waiting(confirmations, *names):
    tasks = [asyncio.create_task(confirmations.confirm(name, b"receipt")) for name in names]
    await asyncio.sleep(0)
    return tasks


async def test_nobody_waits_for_company_and_what_comes_meanwhile_shares_the_next_call(axis, confirmations):
    first = await waiting(confirmations, "a")
    await asyncio.sleep(0)
    others = await waiting(confirmations, "b", "c", "d")
    axis.open.set()
    await asyncio.gather(*first, *others)
    assert axis.calls == [["a"], ["b", "c", "d"]]


async def test_a_refused_confirmation_does_not_spoil_the_others_of_its_call(axis, confirmations):
    tasks = await waiting(confirmations, "good", "bad", "fine")
    axis.refused = {"bad": NeedsOperator("axis-bad-receipt")}
    axis.open.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in done] == [type(None), NeedsOperator, type(None)]


async def test_a_call_that_failed_failed_for_all_of_it_and_the_next_goes_out(axis, confirmations):
    axis.open.set()
    axis.failure = Unknown("axis-reply-lost")
    done = await asyncio.gather(*await waiting(confirmations, "a", "b"), return_exceptions=True)
    assert all(isinstance(each, Unknown) for each in done)
    axis.failure = None
    await asyncio.gather(*await waiting(confirmations, "a", "b"))
    assert axis.calls[-1] == ["a", "b"]


async def test_one_call_carries_no_more_than_the_axis_takes(axis, confirmations):
    names = [f"m{number}" for number in range(AT_ONCE * 2 + 1)]
    axis.open.set()
    await asyncio.gather(*await waiting(confirmations, *names))
    assert max(map(len, axis.calls)) == AT_ONCE
    assert [name for call in axis.calls for name in call] == names


async def test_a_caller_that_stops_waiting_leaves_the_others_alone(axis, confirmations):
    gone, stays = await waiting(confirmations, "gone", "stays")
    await asyncio.sleep(0)
    gone.cancel()
    axis.open.set()
    await stays
    assert gone.cancelled()


async def test_closing_ends_what_waits(axis, confirmations):
    tasks = await waiting(confirmations, "a")
    await asyncio.sleep(0)
    tasks += await waiting(confirmations, "b")
    await confirmations.close()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in done)


def test_a_receipt_whose_signer_the_axis_does_not_know_yet_is_handed_over_again_and_a_wrong_one_is_not():
    assert isinstance(refusal("BadSignature"), Unknown)
    assert isinstance(refusal("BadReceipt"), NeedsOperator)
    assert isinstance(refusal("NotFound"), NeedsOperator)
