"""Every fault does what its name says, and leaves the axis's own books right."""

import asyncio
import time

import aiohttp
import pytest

from mock_axis import faults, mailbox, pki, receipts, soap
from mock_axis.faults import BadRule, Faults
from mock_axis.wssecurity import Stale
from mock_axis.xmlsig import BadSignature

from .client import OURS, Fault, new_id
from .test_receiving import letter


async def count(mock, what="messages"):
    return (await mock.mailbox.ask(mailbox.counts))[what]


@pytest.fixture
def quiet(mock):
    mock.habits.answers = ()
    return mock


async def test_reply_lost_acts_and_then_says_nothing(quiet, client):
    quiet.faults.add("reply-lost:SendDocument:1:1")
    file, message_id = client.document(), new_id()
    with pytest.raises(aiohttp.ClientError):
        await client.send(file, message_id)
    assert await count(quiet) == 1
    assert (await client.send(file, message_id))["AxisId"]
    assert await count(quiet) == 1


async def test_cut_ends_the_reply_after_so_many_bytes(quiet, client):
    sent = await letter(quiet, content=b"x" * 300_000)
    quiet.faults.add("cut:GetDocument:1:1:bytes=100000")
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.get(sent.axis_id)
    assert len((await client.get(sent.axis_id)).file) == sent.size
    quiet.faults.add("cut:SendDocument:1:1:bytes=500")
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.send(client.document())


async def test_busy_does_nothing_and_says_when_to_come_back(quiet, client):
    quiet.faults.add("busy:SendDocument:1:1:seconds=7")
    file, message_id = client.document(), new_id()
    with pytest.raises(Fault) as caught:
        await client.send(file, message_id)
    assert (caught.value.code, caught.value.detail.findtext("{*}RetryAfter")) == ("Busy", "7")
    assert await count(quiet) == 0
    await client.send(file, message_id)


@pytest.mark.parametrize("name", ["slow", "slow-reply"])
async def test_slow_takes_its_time(client, quiet, name):
    quiet.faults.add(f"{name}:CheckPermission:1:seconds=0.3")
    start = time.monotonic()
    await client.call("CheckPermission", soap.field("OrganId", OURS))
    assert time.monotonic() - start >= 0.3


async def test_disk_full_does_nothing_and_sends_no_envelope(quiet, client):
    quiet.faults.add("disk-full:SendDocument")
    with pytest.raises(Fault) as caught:
        await client.send(client.document())
    assert caught.value.code == "http-507"
    assert await count(quiet) == 0


async def test_an_unsigned_fault_is_a_soap_fault_that_nobody_signed(quiet, client):
    quiet.faults.add("unsigned-fault:SendDocument:1:code=UnknownOrgan")
    with pytest.raises(BadSignature):
        await client.send(client.document())
    assert await count(quiet) == 0


async def test_wrong_digest_spoils_the_part_on_its_way_out(quiet, client):
    sent = await letter(quiet)
    quiet.faults.add("wrong-digest:GetDocument:1:1")
    spoilt, good = (await client.get(sent.axis_id)).file, (await client.get(sent.axis_id)).file
    assert spoilt != good
    assert len(spoilt) == len(good)


async def test_wrong_digest_gives_a_receipt_for_other_bytes_and_keeps_the_right_one(quiet, client):
    quiet.faults.add("wrong-digest:SendDocument:1:1")
    file, message_id = client.document(), new_id()
    wrong = receipts.read(
        (await client.send(file, message_id)).receipt_bytes(), client.trust.parties[pki.AXIS], client.now()
    )
    found = await client.find(message_id)
    right = receipts.read(found.receipt_bytes(), client.trust.parties[pki.AXIS], client.now())
    assert right.sha256 == found["Sha256"] != wrong.sha256


async def test_a_foreign_receipt_comes_in_a_reply_that_is_in_order(quiet, client):
    quiet.faults.add("foreign-receipt:SendDocument")
    reply = await client.send(client.document())
    with pytest.raises(BadSignature):
        receipts.read(reply.receipt_bytes(), client.trust.parties[pki.AXIS], client.now())


@pytest.mark.parametrize(
    ("name", "reason"),
    [("broken-signature", "value"), ("foreign-signature", "not known"), ("expired-certificate", "not valid now")],
)
async def test_a_reply_is_spoilt_after_the_act(quiet, client, name, reason):
    quiet.faults.add(f"{name}:SendDocument:1:1")
    file, message_id = client.document(), new_id()
    with pytest.raises(BadSignature, match=reason):
        await client.send(file, message_id)
    assert await count(quiet) == 1
    await client.send(file, message_id)


async def test_clock_skew_stamps_the_reply_in_the_future(quiet, client):
    quiet.faults.add("clock-skew:SendDocument:1:1")
    with pytest.raises(Stale):
        await client.send(client.document())


async def test_a_replayed_older_reply_answers_another_request(quiet, client):
    await client.send(client.document(number="1"))
    quiet.faults.add("replayed-older-reply:SendDocument:1:1")
    with pytest.raises(Fault) as caught:
        await client.send(client.document(number="2"))
    assert caught.value.code == "not-our-reply"
    assert await count(quiet) == 2


async def test_delivered_twice_lists_one_message_under_two_ids(quiet, client):
    quiet.faults.add("delivered-twice:Deliver:1:1")
    sent = await letter(quiet)
    first, second = await client.pending()
    assert first["AxisId"] != second["AxisId"]
    assert first["Sha256"] == second["Sha256"] == sent.sha256
    file = (await client.get(first["AxisId"])).file
    await client.confirm(first["AxisId"], client.receipt(first, file))
    assert [item["AxisId"] for item in await client.pending()] == [second["AxisId"]]


async def test_delivered_again_lists_a_confirmed_item_once_more(quiet, client):
    quiet.faults.add("delivered-again:ConfirmReceived:1:1")
    await letter(quiet)
    (item,) = await client.pending()
    file = (await client.get(item["AxisId"])).file
    for left in (1, 0):
        await client.confirm(item["AxisId"], client.receipt(item, file))
        assert len(await client.pending()) == left


async def test_late_is_listed_late(quiet, client):
    quiet.faults.add("late:Deliver:1:seconds=0.3")
    await letter(quiet)
    assert await client.pending() == []
    await asyncio.sleep(0.35)
    assert len(await client.pending()) == 1


async def test_out_of_order_lists_everything_in_no_order(quiet, client):
    for number in range(8):
        await letter(quiet, number=str(number))
    ordered = [item["AxisId"] for item in await client.pending()]
    quiet.faults.add("out-of-order:*")
    shuffled = [item["AxisId"] for item in await client.pending()]
    assert sorted(shuffled) == sorted(ordered)
    assert shuffled != ordered


def test_draws_are_the_same_for_the_same_seed():
    def draws(seed):
        rules = Faults(["busy:Send*:0.5"], seed=seed)
        return [rules.strikes("busy", "SendDocument") is not None for _ in range(50)]

    assert draws(1) == draws(1) != draws(2)
    assert 10 < sum(draws(1)) < 40
    assert Faults(["busy:Send*"]).strikes("busy", "GetDocument") is None


def test_count_and_time_limits_end_a_fault():
    rules = Faults(["busy:*:1:2", "slow:*:1:for=0"])
    assert [rules.strikes("busy", "X") is not None for _ in range(3)] == [True, True, False]
    assert rules.strikes("slow", "X") is None


@pytest.mark.parametrize("rule", ["", "nonsense", "busy:*:2", "busy:*:x", "busy:*:1:x", "busy:*:1:1:1"])
def test_a_rule_that_cannot_be_read_is_refused_and_changes_nothing(rule):
    rules = Faults(["busy"])
    with pytest.raises(BadRule):
        rules.replace([rule])
    assert len(rules.rules) == 1


@pytest.mark.parametrize("name", ["faults.toml", "faults.json"])
def test_rules_come_from_a_file(tmp_path, name):
    texts = {
        "faults.toml": 'seed = 7\nfaults = ["busy:*:0.5"]\n',
        "faults.json": '{"seed": 7, "faults": ["busy:*:0.5"]}',
    }
    (tmp_path / name).write_text(texts[name])
    assert faults.load(tmp_path / name) == (["busy:*:0.5"], 7)
    (tmp_path / name).write_text("x")
    with pytest.raises(BadRule):
        faults.load(tmp_path / name)
