import asyncio
import datetime as dt
import itertools

import pytest

from tests.doors import record
from tests.web.offices import open_street


@pytest.fixture
async def street(tmp_path):
    async with open_street(tmp_path) as opened:
        yield opened


def report(street, item, key, code="05", reason="", office=None):
    headers = {} if key is None else {"Idempotency-Key": key}
    return (office or street.ours).post(
        f"/v1/inbox/{item}/status", json={"code": code, "reason": reason}, headers=headers
    )


async def born(street, item):
    return [each.message_id for each in await street.house.journal.submission(item) if each.direction == "out"]


async def test_a_report_repeated_under_its_key_is_one_status_whenever_it_comes(street):
    item = await street.arrive()
    first = await report(street, item, "k1")
    street.house.clock.time += dt.timedelta(days=2)
    again = await report(street, item, "k1")
    assert (first.status, again.status) == (202, 202)
    assert await first.json() == await again.json()
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (False, "true")
    assert await born(street, item) == [(await first.json())["message_id"]]


async def test_the_same_under_another_key_is_another_status_and_without_one_a_repeat(street):
    item = await street.arrive()
    told = [(await (await report(street, item, key)).json())["message_id"] for key in ("k1", "k2", None, None)]
    assert len(set(told[:2])) == 2
    assert set(told[2:]) <= set(told[:2])
    assert len(await born(street, item)) == 2


@pytest.mark.parametrize("other", [{"code": "03"}, {"reason": "khác"}])
async def test_a_key_names_one_report_only(street, other):
    item = await street.arrive()
    await report(street, item, "k1")
    refused = await report(street, item, "k1", **other)
    assert (refused.status, (await refused.json())["type"]) == (422, "urn:lienthong:problem:key-reused")
    assert len(await born(street, item)) == 1


async def test_a_key_names_one_item_only_and_each_office_has_its_own_keys(street):
    item, other = await street.arrive(), await street.arrive(message_id="in-2")
    theirs = await street.arrive(message_id="in-3", organs=("000.00.07.H99",), office="huyen-thu-nghiem")
    assert (await report(street, item, "k1")).status == 202
    assert (await report(street, other, "k1")).status == 422
    assert (await report(street, theirs, "k1", office=street.theirs)).status == 202


async def test_a_key_used_for_a_document_is_taken_for_reports_and_the_other_way_round(street):
    item = await street.arrive()
    assert (await street.ours.submit(record(), key="k1")).status == 202
    assert (await report(street, item, "k1")).status == 422
    assert (await report(street, item, "k2")).status == 202
    assert (await street.ours.submit(record(), key="k2")).status == 422


async def test_a_key_under_which_a_document_is_still_coming_is_told_to_come_back(street):
    item = await street.arrive()
    await street.house.journal.reserve("so-thu-nghiem", "k1", dt.timedelta(seconds=30))
    waits = await report(street, item, "k1")
    assert (waits.status, waits.headers["Retry-After"]) == (409, "30")
    street.house.clock.time += dt.timedelta(seconds=31)
    assert (await report(street, item, "k1")).status == 202


async def test_many_reports_at_once_under_one_key_are_one_status(street):
    item = await street.arrive()
    answers = await asyncio.gather(*(report(street, item, "k1") for _ in range(10)))
    assert [each.status for each in answers] == [202] * 10
    assert len({(await each.json())["message_id"] for each in answers}) == 1
    assert len(await born(street, item)) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "khóa"])
async def test_a_key_of_no_form_is_refused(street, key):
    item = await street.arrive()
    assert (await report(street, item, key)).status == 400
    assert await born(street, item) == []


async def test_a_refused_report_leaves_its_key_free(street):
    item = await street.arrive()
    assert (await report(street, item, "k1", code="02")).status == 422
    assert (await report(street, item, "k1", code="02", reason="thiếu phụ lục")).status == 202


async def test_reports_under_different_keys_that_race_are_all_kept(street):
    item = await street.arrive()
    await asyncio.gather(*(report(street, item, f"k{n}") for n in range(8)))
    ids = await born(street, item)
    assert len(ids) == len(set(ids)) == 8
    assert all(a != b for a, b in itertools.pairwise(ids))
