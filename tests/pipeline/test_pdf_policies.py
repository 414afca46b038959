"""What an office's policy on signatures in PDFs does to documents on the road, both ways."""

import asyncio
import contextlib
import datetime as dt

import pytest
from cryptography.hazmat.primitives import serialization

from gateway.errors import Busy, Refused, Retryable
from gateway.pipeline.pdfs import Pdfs
from gateway.rules.signatures import Policy
from gateway.states import Stage
from gateway.trust.pdf import PdfExaminer, PdfOptions
from gateway.web import pdf_answers
from mock_axis.pdf import SignedPdfs, draw
from tests.pipeline.road import FAR, NEIGHBOUR, NEIGHBOURS, OFFICE, OURS, document_file


@pytest.fixture(scope="module")
def pen():
    return SignedPdfs()


@pytest.fixture(scope="module")
def signed(pen):
    return pen.make(["Kính gửi: Sở Thử nghiệm"])


@pytest.fixture(scope="module")
def unsigned():
    return draw(["Kính gửi: Sở Thử nghiệm"])


@contextlib.asynccontextmanager
async def looking(road, pen, **policies):
    """The road, with eyes for PDFs."""
    trust = road.folder / "pdf-trust"
    await asyncio.to_thread(trust.mkdir)
    await asyncio.to_thread((trust / "ca.pem").write_bytes, pen.ca.certificate.public_bytes(serialization.Encoding.PEM))
    async with PdfExaminer(PdfOptions(trust, workers=1)) as examiner:
        named = {name.replace("_", "-"): Policy(mode) for name, mode in policies.items()}
        pdfs = Pdfs(road.contents, examiner, named, lambda: dt.datetime.now(dt.UTC))  # certificates are made now
        road.intake._pdfs = road.stages[Stage.EXAMINE].__self__._documents._pdfs = pdfs
        yield road


async def test_what_is_required_and_missing_is_refused_at_the_door_and_leaves_nothing(road, pen, signed, unsigned):
    async with looking(road, pen, so_thu="require"):
        with pytest.raises(Refused) as refused:
            await road.submit(files=(("a.pdf", unsigned),))
        assert (refused.value.code, refused.value.status) == ("pdf-signatures", 422)
        assert "pdf-unsigned" in [each.code for each in refused.value.problems]
        message_id = await road.submit(files=(("a.pdf", signed),))
        assert (await road.facts(message_id, "accepted"))[0]["pdfs"] == "valid"
        (kept,) = (await road.message(message_id)).detail["pdfs"]
        assert [each["signer"]["kind"] for each in kept["signatures"]] == ["person", "organisation"]
        (told,) = pdf_answers.pdfs((await road.message(message_id)).detail)
        assert [(each.kind, each.verdict, each.revocation) for each in told.signatures] == [
            ("person", "passed", "unknown"),
            ("organisation", "passed", "unknown"),
        ]
        assert told.signatures[0].reasons == ["revocation-unknown"]


async def test_by_default_it_is_only_told(road, pen, unsigned):
    async with looking(road, pen):
        message_id = await road.submit(files=(("a.pdf", unsigned),))
        assert (await road.facts(message_id, "accepted"))[0]["pdfs"] == "unsigned"
        await road.run()
        assert await road.state(message_id) == "sent"


async def test_a_marking_of_a_state_secret_in_a_pdf_holds_what_was_handed_in(road, pen):
    async with looking(road, pen):
        message_id = await road.submit(files=(("a.pdf", draw(["TỐI MẬT", "Kính gửi: Sở Thử nghiệm"])),))
        await road.run()
        assert (await road.state(message_id), await road.held(message_id)) == ("accepted", "secret-suspected")
        assert await road.codes(message_id) == ["accepted"]


async def test_an_office_that_requires_signatures_gets_no_document_without(road, pen, signed, unsigned):
    async with looking(road, pen, so_thu="require"):
        bad = await road.receive(document_file(files=(("b.pdf", unsigned),)))
        good = await road.receive(document_file(files=(("b.pdf", signed),)))
    assert (await road.state(bad), await road.state(good)) == ("rejected", "closed")
    assert await road.facts(bad, "rejected") == [{"reason": "pdf-signatures"}]
    assert (OURS, "02") in await road.owed(bad)
    assert (await road.facts(good, "trusted"))[0]["pdfs"] == "valid"


async def test_a_document_for_two_offices_is_handed_over_where_one_of_them_takes_it(road, pen, unsigned):
    async with looking(road, pen, so_thu="require", huyen_thu="warn"):
        message_id = await road.receive(document_file(OURS, NEIGHBOUR, files=(("b.pdf", unsigned),)))
    assert (await road.facts(message_id, "trusted"))[0]["pdfs"] == "unsigned"
    assert road.told(OFFICE)
    assert road.told(NEIGHBOURS)
    found = await road.journal.extra(message_id)
    assert {"code": "pdf-unsigned", "severity": "warning", "field": "attachments[0]"} in found["findings"]
    assert (await road.message(message_id)).sender == FAR


class Away:
    """PDFs cannot be judged now."""

    async def look(self, attachments, offices):
        raise Retryable("revocation-unreachable", after=60)


async def test_while_nobody_can_be_asked_about_revocation_the_door_says_later_and_the_axis_is_not_blamed(road, signed):
    road.intake._pdfs = road.stages[Stage.EXAMINE].__self__._documents._pdfs = Away()
    with pytest.raises(Busy, match="revocation-unreachable") as busy:
        await road.submit(files=(("a.pdf", signed),))
    assert busy.value.after == 60
    message_id = await road.receive(document_file(files=(("b.pdf", signed),)))
    assert await road.state(message_id) == "confirmed"
    assert {each["reason"] for each in await road.facts(message_id, "put-off")} == {"revocation-unreachable"}
    assert await road.journal.partners.endpoints() == []
