import asyncio
import contextlib
import datetime as dt
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from gateway.evidence.pdfs import commitment
from gateway.journal import DiskContents
from gateway.pipeline.pdfs import Looked, Pdfs
from gateway.rules.signatures import Policy
from gateway.trust.pdf import PdfExaminer, PdfOptions
from mock_axis.pdf import SignedPdfs, draw


@pytest.fixture(scope="module")
def pen():
    return SignedPdfs()


@contextlib.asynccontextmanager
async def looking(folder, pen, **policies):
    (folder / "trust").mkdir()
    (folder / "trust" / "ca.pem").write_bytes(pen.ca.certificate.public_bytes(serialization.Encoding.PEM))
    contents = DiskContents(folder / "contents")
    async with PdfExaminer(PdfOptions(Path(folder, "trust"), workers=1)) as examiner:
        yield contents, Pdfs(contents, examiner, policies, lambda: dt.datetime.now(dt.UTC))
    await contents.close()


def codes(problems):
    return [(each.field, each.code) for each in problems]


async def test_each_pdf_is_examined_and_its_verdict_kept_without_its_text(tmp_path, pen):
    signed = await asyncio.to_thread(pen.make, ["Kính gửi: Sở Thử nghiệm", "TỐI MẬT"])
    async with looking(tmp_path, pen, here=Policy("require")) as (contents, pdfs):
        held = [await contents.store_bytes(data) for data in (b"no pdf", signed)]
        looked = await pdfs.look(held, ["here"])
    assert (looked.refused, looked.warned) == ((), ())
    (detail,) = looked.detail
    assert (detail["field"], detail["verdict"], detail["text"]) == (
        "attachments[1]",
        "valid",
        {"verdict": "read", "pages": 1},
    )
    assert [each["signer"]["kind"] for each in detail["signatures"]] == ["person", "organisation"]
    assert looked.facts == {"pdfs": "valid", "pdf_reports": commitment(looked.detail, looked.at, looked.salt)}
    assert [(each.field, each.code, each.facts) for each in looked.suspected] == [
        ("attachments[1]", "secret-suspected", {"degree": "toi-mat"})
    ]
    assert "Kính gửi" not in repr(looked)


async def test_a_document_is_refused_only_where_all_offices_concerned_would(tmp_path, pen):
    async with looking(tmp_path, pen, strict=Policy("require"), mild=Policy("warn"), deaf=Policy("off")) as (
        contents,
        pdfs,
    ):
        held = [await contents.store_bytes(draw(["một dòng văn bản"]))]
        alone = await pdfs.look(held, ["strict"])
        both = await pdfs.look(held, ["strict", "mild"])
        assert ("attachments[0]", "pdf-unsigned") in codes(alone.refused)
        assert both.refused == ()
        assert codes(both.warned) == codes(alone.refused)
        assert await pdfs.look(held, ["deaf"]) == Looked()


async def test_a_scan_is_told_as_not_searched(tmp_path, pen):
    async with looking(tmp_path, pen) as (contents, pdfs):
        looked = await pdfs.look([await contents.store_bytes(await asyncio.to_thread(pen.make, []))], ["any"])
    assert codes(looked.warned) == [("attachments[0]", "pdf-text-not-examined")]


async def test_a_document_without_a_pdf_starts_no_worker(tmp_path, pen):
    async with looking(tmp_path, pen) as (contents, pdfs):
        looked = await pdfs.look([await contents.store_bytes(b"plain"), None], ["any"])
        assert codes(looked.warned) == [("attachments", "pdf-missing")]
        assert pdfs._examiner._idle == []
