"""What an office that fetches gets of a zip that only wraps one file."""

import pytest
from lxml import etree

from gateway.model import Attachment
from gateway.pipeline.unwrapping import UNWRAPPED
from gateway.states import ContentRef, Entry, Outcome
from gateway.web.inbox import Inbox
from gateway.web.soap_xml import SOAP
from tests.doors import OFFICE
from tests.web.offices import ATTACHED, open_street

INSIDE = b"%PDF-1.7 what the zip wraps"
NAME = "Quyết định số 1.pdf"


@pytest.fixture
async def street(tmp_path):
    async with open_street(tmp_path) as opened:
        yield opened


@pytest.fixture
async def arrived(street):
    """A document whose one attachment was wrapped."""
    message_id = await street.arrive()
    content = await street.house.contents.store_bytes(INSIDE)
    inside = ContentRef(UNWRAPPED, content, Attachment("c1", NAME, "application/pdf"))
    await street.house.journal.apply(message_id, Outcome(Entry("test"), effects=(inside,)), who="test", why=None)
    return message_id


async def test_the_inbox_shows_and_gives_what_was_inside(street, arrived):
    item = await (await street.ours.get(f"/v1/inbox/{arrived}")).json()
    assert [(one["n"], one["name"], one["size"]) for one in item["attachments"]] == [(0, NAME, len(INSIDE))]
    got = await street.ours.get(f"/v1/inbox/{arrived}/attachments/0", headers={"Range": "bytes=5-"})
    assert (got.status, await got.read()) == (206, INSIDE[5:])
    assert (await street.ours.get(f"/v1/inbox/{arrived}/attachments/1")).status == 404


async def test_the_soap_face_gives_the_same(street, arrived):
    asked = f"<o:message_id>{arrived}</o:message_id><o:n>0</o:n><o:inline>true</o:inline>"
    body = f'<o:GetAttachment xmlns:o="urn:lienthong:office:1">{asked}</o:GetAttachment>'
    envelope = f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{body}</s:Body></s:Envelope>'
    answer = await street.ours.post("/soap/v1", data=envelope, headers={"Content-Type": "text/xml"})
    assert etree.fromstring(await answer.read()).findtext(".//{*}size") == str(len(INSIDE))


async def test_an_office_that_wants_zips_as_they_come_gets_the_attachment_itself(street, arrived):
    inbox = Inbox(street.house.journal, street.house.contents, None, 1 << 20, as_they_came={OFFICE})
    attachment, content = await inbox.file(OFFICE, arrived, "0")
    assert (attachment.name, await street.house.contents.read(content)) == (NAME, ATTACHED)
    assert [one.size for one in (await inbox.item(OFFICE, arrived)).attachments] == [len(ATTACHED)]
