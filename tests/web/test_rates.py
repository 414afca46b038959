import asyncio

import pytest

from gateway.errors import Busy
from gateway.web.rates import Rates
from tests.web.offices import open_street

ENVELOPE = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:o="urn:lienthong:office:1">'
    "<s:Body><o:ListInbox/></s:Body></s:Envelope>"
)


async def asked(office, times):
    return [await office.get("/v1/inbox") for _ in range(times)]


async def test_a_key_that_asks_too_often_is_told_when_to_come_back_and_others_go_on(tmp_path):
    async with open_street(tmp_path, requests_per_second=0.2, requests_burst=3) as street:
        answers = await asked(street.ours, 4)
        assert [each.status for each in answers] == [200, 200, 200, 429]
        assert answers[3].headers["Retry-After"] == "5"
        assert (await answers[3].json())["type"] == "urn:lienthong:problem:too-many-requests"
        assert [each.status for each in await asked(street.theirs, 3)] == [200] * 3


async def test_a_key_may_ask_again_as_its_time_comes(tmp_path):
    async with open_street(tmp_path, requests_per_second=20, requests_burst=1) as street:
        assert [each.status for each in await asked(street.ours, 2)] == [200, 429]
        await asyncio.sleep(0.06)
        assert (await street.ours.get("/v1/inbox")).status == 200


async def test_the_soap_face_counts_to_the_same_bucket(tmp_path):
    async with open_street(tmp_path, requests_per_second=0.01, requests_burst=2) as street:
        more = {"data": ENVELOPE, "headers": {"Content-Type": "text/xml"}}
        told = [await (await street.ours.post("/soap/v1", **more)).text() for _ in range(2)]
        assert not [each for each in told if "Fault" in each]
        assert "too-many-requests" in await (await street.ours.post("/soap/v1", **more)).text()
        assert (await street.ours.get("/v1/inbox")).status == 429


async def test_what_needs_no_key_is_not_counted(tmp_path):
    async with open_street(tmp_path, requests_per_second=0.01, requests_burst=1) as street:
        told = [(await street.client.get("/v1/openapi.json")).status for _ in range(3)]
        assert told == [200] * 3
        street.ours.key = "lt_" + "x" * 43
        assert [each.status for each in await asked(street.ours, 3)] == [401] * 3


async def test_the_openapi_document_tells_of_the_limit_wherever_a_key_is_needed(tmp_path):
    async with open_street(tmp_path) as street:
        spec = await (await street.client.get("/v1/openapi.json")).json()
        keyed = [one for path in spec["paths"].values() for one in path.values() if one.get("security") != []]
        assert keyed
        for operation in keyed:
            assert "Retry-After" in operation["responses"]["429"]["headers"]


def test_a_bucket_fills_at_its_rate_and_never_over_the_burst():
    now = 0.0
    rates = Rates(2, 4, clock=lambda: now)

    def possible():
        for count in range(100):
            try:
                rates.take("k")
            except Busy as busy:
                return count, busy.after
        raise AssertionError

    assert possible() == (4, 0.5)
    now = 1.25
    assert possible() == (2, pytest.approx(0.25))
    now = 1000.0
    assert possible() == (4, 0.5)
