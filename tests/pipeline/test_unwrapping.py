"""Zips that only wrap one file: what the office gets, what stays as it came, and what is left alone."""

import asyncio
import hashlib
import io
import os
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.journal import PurgeLedger
from gateway.pipeline.acts import Acts
from gateway.pipeline.handing import Handing
from gateway.pipeline.purging import Purging
from gateway.pipeline.quarantine import Quarantine
from gateway.pipeline.unwrapping import UNWRAPPED, _Held
from gateway.states import Stage
from mock_axis.pdf import draw
from tests.assets import make_edxml as assets
from tests.doors import bytes_on_disk
from tests.pipeline.road import NEIGHBOUR, NEIGHBOURS, OFFICE, OURS, document_file
from tests.pipeline.test_pdf_policies import looking, pen  # noqa: F401  # a fixture
from tests.pipeline.test_scanning import scanned
from tests.pipeline.test_secrets import MARKED
from tests.scanner import EICAR

PDF = assets.PDF
TABLE = b"col-1;col-2\n" * 500


def wrap(data, entry="7f3c.pdf"):
    return assets.zipped(data, name=entry)


async def handed(road, *files, office=OFFICE, to=(OURS,)):
    """What the office gets, as (name, type, bytes), and the message id."""
    message_id = await road.receive(document_file(*to, files=files))
    assert await road.state(message_id) == "closed"
    [got] = road.offices[office].got
    return [
        (source.attachment.name, source.attachment.content_type, b"".join([part async for part in source.chunks()]))
        for source in got.attachments
    ], message_id


async def roles(road, message_id):
    return [ref.role for ref in await road.journal.contents(message_id)]


async def codes(road, message_id):
    found = (await road.journal.extra(message_id)).get("findings", ())
    return [(each["field"], each["code"]) for each in found]


async def test_an_office_gets_what_a_zip_wraps_under_the_attachment_s_name(road):
    got, message_id = await handed(
        road, ("a.pdf", PDF), ("công văn.pdf", wrap(PDF + b"1")), ("số liệu.csv", wrap(TABLE, "9.CSV"))
    )
    assert got == [
        ("a.pdf", "application/pdf", PDF),
        ("công văn.pdf", "application/pdf", PDF + b"1"),
        ("số liệu.csv", "text/csv", TABLE),
    ]
    assert await codes(road, message_id) == [
        ("attachments[1]", "attachment-wrapped"),
        ("attachments[2]", "attachment-wrapped"),
    ]


async def test_the_bytes_that_came_stay_what_signature_and_evidence_cover(road):
    zipped = wrap(PDF)
    _, message_id = await handed(road, ("a.pdf", zipped))
    edxml, *refs = await road.journal.contents(message_id)
    assert [(ref.role, await road.contents.read(ref.content)) for ref in refs[:2]] == [
        ("attachment", zipped),
        (UNWRAPPED, PDF),
    ]
    assert edxml.role == "edxml"
    assert (await road.facts(message_id, "trusted"))[0]["signature"] == "valid"
    assert hashlib.sha256(zipped).hexdigest() != refs[1].content.sha256


async def test_an_office_that_wants_zips_as_they_come_gets_them_and_its_neighbour_does_not(road):
    handing = Handing(road.journal, road.contents, road.partners, road.clock, as_they_came={NEIGHBOURS})
    road.stages[Stage.HAND_OVER] = handing.hand_over
    zipped = wrap(PDF)
    ((_, _, ours),), _ = await handed(road, ("a.pdf", zipped), to=(OURS, NEIGHBOUR))
    [theirs] = road.offices[NEIGHBOURS].got
    assert ours == PDF
    assert b"".join([part async for part in theirs.attachments[0].chunks()]) == zipped


async def test_a_document_without_such_zips_has_no_second_content(road):
    _, message_id = await handed(road, ("a.pdf", PDF), ("b.zip", wrap(PDF)))
    assert UNWRAPPED not in await roles(road, message_id)


def bomb():
    return wrap(b"\0" * (64 << 20))


def torn():
    """Its directory is whole; the data before it is not."""
    data = bytearray(wrap(PDF * 50))
    data[60:90] = bytes(30)
    return bytes(data)


def secret():
    """Encrypted, says its flag."""
    data = bytearray(wrap(PDF))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


LEFT = {
    "another suffix": (wrap(PDF, "virus.exe"), "zip-entry-differs"),
    "no suffix": (wrap(PDF, "pdf"), "zip-entry-differs"),
    "another kind": (wrap(b"MZ not a PDF"), "zip-entry-differs"),
    "a zip in a zip": (wrap(wrap(PDF)), "zip-entry-differs"),
    "nothing inside": (wrap(b""), "zip-entry-differs"),
    "a folder": (assets.zipped(b"", name="a.pdf/"), "zip-entry-differs"),
    "encrypted": (secret(), "zip-entry-differs"),
    "a bomb": (bomb(), "zip-bomb"),
    "torn": (torn(), "zip-damaged"),
}


@pytest.mark.parametrize(("zipped", "code"), LEFT.values(), ids=LEFT)
async def test_what_is_not_plainly_a_wrapping_stays_as_it_came_and_is_told(road, zipped, code):
    got, message_id = await handed(road, ("a.pdf", zipped))
    assert got == [("a.pdf", "application/pdf", zipped)]
    assert await codes(road, message_id) == [("attachments[0]", "attachment-wrapped"), ("attachments[0]", code)]
    assert UNWRAPPED not in await roles(road, message_id)


async def test_what_was_taken_out_of_a_zip_for_nothing_is_erased(road):
    _, message_id = await handed(road, ("a.pdf", wrap(TABLE)))
    assert await codes(road, message_id) == [
        ("attachments[0]", "attachment-wrapped"),
        ("attachments[0]", "zip-entry-differs"),
    ]
    assert TABLE not in bytes_on_disk(road.folder)


async def test_a_purge_erases_what_was_inside_too(road):
    _, message_id = await handed(road, ("a.csv", wrap(TABLE, "x.csv")))
    assert TABLE in bytes_on_disk(road.folder)
    purging = Purging(road.journal, road.contents, PurgeLedger(road.folder / "purges"), Quarantine(road.settings))
    await Acts(road.journal, road.clock, lambda: None, lambda _: None, purged=purging.finish).purge(
        message_id, "lan", "thử"
    )
    assert TABLE not in bytes_on_disk(road.folder)


async def test_two_entries_are_an_archive_and_no_wrapping(road):
    archive = assets.zipped(PDF, PDF, name="a.pdf")
    got, message_id = await handed(road, ("a.pdf", archive))
    assert got == [("a.pdf", "application/pdf", archive)]
    assert UNWRAPPED not in await roles(road, message_id)


async def test_the_entry_s_own_name_leads_nowhere(road):
    got, _ = await handed(road, ("a.pdf", wrap(PDF, "../../../../etc/x.pdf")))
    assert got == [("a.pdf", "application/pdf", PDF)]


async def test_several_zips_share_one_limit(road):
    road.stages[Stage.FETCH].__self__._limits = road.settings.limits.model_copy(
        update={"edxml_bytes": 100_000, "attachment_bytes": 80_000}
    )
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.csv", bytes(range(48, 58)) * 6_000)
    got, message_id = await handed(road, ("a.csv", data.getvalue()), ("b.csv", data.getvalue()))
    assert [len(each) == 60_000 for _, _, each in got] == [True, False]
    assert ("attachments[1]", "zip-bomb") in await codes(road, message_id)


async def test_a_marked_pdf_in_a_zip_is_suspected_like_any_other(road, pen):  # noqa: F811
    async with looking(road, pen):
        message_id = await road.receive(document_file(files=(("a.pdf", wrap(draw([MARKED]))),)))
    assert (await road.message(message_id)).held == "secret-suspected"
    assert road.offices[OFFICE].got == []


async def test_a_virus_in_a_zip_is_found_though_the_scanner_cannot_open_it(road):
    async with scanned(road):
        message_id = await road.receive(document_file(files=(("a.txt", wrap(EICAR, "a.txt")),)))
    assert (await road.message(message_id)).held == "infected"
    assert road.offices[OFFICE].got == []


def with_zip64(whole):
    """A zip whose classic end names one entry, with a ZIP64 end before it that names whatever it likes."""
    at = whole.rindex(b"PK\x05\x06")
    directory = int.from_bytes(whole[at + 16 : at + 20], "little")
    end = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, at - directory, directory)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    return whole[:at] + end + locator + whole[at:]


async def test_a_zip_with_a_second_end_is_not_opened(road):
    zipped = with_zip64(wrap(PDF))
    assert zipfile.ZipFile(io.BytesIO(zipped)).namelist() == ["7f3c.pdf"]
    got, message_id = await handed(road, ("a.pdf", zipped))
    assert [each[2] for each in got] == [zipped]
    assert UNWRAPPED not in await roles(road, message_id)


async def test_a_reader_of_a_large_zip_waits_for_no_other_thread(road):
    content = await road.contents.store_bytes(os.urandom(3 << 20))
    pool = ThreadPoolExecutor(1)
    asyncio.get_running_loop().set_default_executor(pool)
    held = _Held(road.contents, content)
    assert len(await asyncio.wait_for(asyncio.to_thread(io.BufferedReader(held).read), 10)) == 3 << 20
