"""The office API on loopback over the real journal, and what an office says to it."""

import contextlib
import dataclasses
import io
import json

from aiohttp import FormData
from aiohttp.test_utils import TestClient, TestServer

from gateway.journal import NewSubmission
from gateway.model import Attachment, Business, Direction, Document, Kind, Organ, ResponseFor, Status
from gateway.pipeline import detail
from gateway.pipeline.acts import Acts
from gateway.pipeline.changes import Changes
from gateway.pipeline.front_door import FrontDoor
from gateway.pipeline.office_acts import OfficeActs
from gateway.pipeline.recalls import Recalls
from gateway.states import ContentRef, Delivery, Entry, Message, NewMessage, Outcome, State
from gateway.web.keys import digest, new_key
from gateway.web.office_api import office_app
from tests.doors import ALSO_OURS, FAR, NOW, OFFICE, OTHER_OFFICE, OURS, open_house, record

EDXML = b"<edXML>as it came</edXML>"
ATTACHED = bytes(range(256)) * 1000


@dataclasses.dataclass
class Office:
    """One caller: an HTTP client with a key."""

    client: TestClient
    key: str

    async def call(self, method, path, **more):
        headers = {"Authorization": f"Bearer {self.key}", **more.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **more)

    async def get(self, path, **more):
        return await self.call("GET", path, **more)

    async def post(self, path, **more):
        return await self.call("POST", path, **more)

    async def submit(self, said, *files, key="k1", headers=None):
        return await self.post(
            "/v1/documents", data=form(said, *files), headers={"Idempotency-Key": key, **(headers or {})}
        )


class Street:
    """The API with two offices before it."""

    def __init__(self, house, client, ours, theirs, front):
        self.house, self.client, self.front = house, client, front
        self.ours, self.theirs = Office(client, ours), Office(client, theirs)

    async def arrive(
        self,
        *,
        organs=(OURS,),
        state=State.TRUSTED,
        message_id="in-1",
        office=OFFICE,
        business=Business(),  # noqa: B008 - frozen
        **changes,
    ):
        """A document in the inbox of an office, as the road leaves it there."""
        attached = await self.house.contents.store_bytes(ATTACHED)
        attachment = Attachment("c1", "Quyết định số 1.pdf", "application/pdf", "", attached)
        document = Document(
            sender=Organ(FAR, "Bộ Thử nghiệm"),
            to=tuple(Organ(organ) for organ in organs),
            document_id="d1",
            number="1",
            notation="B-VP",
            subject="V/v đến",
            business=business,
            attachments=(attachment,),
        )
        message = Message(
            message_id=message_id,
            direction=Direction.IN,
            kind=Kind.DOCUMENT,
            state=state,
            axis="national",
            endpoint="inside",
            submission_id=message_id,
            axis_id=f"axis-{message_id}",
            document_id="d1",
            sender=FAR,
            detail=detail.of_document(document),
            accepted_at=NOW,
            **changes,
        )
        refs = (
            ContentRef("edxml", await self.house.contents.store_bytes(EDXML)),
            ContentRef("attachment", attached, attachment),
        )
        new = NewMessage(message, tuple(Delivery(organ, office) for organ in organs), refs)
        await self.house.journal.accept(NewSubmission("", message_id, "f", {}, (new,)))
        return message_id

    async def hear(self, code, reason, *effects, message_id="said-1"):
        """A status from far away, and what it does; its message id."""
        status = Status(Organ(FAR), ResponseFor(OURS, "15/STN-VP"), code, description=reason)
        message = Message(
            message_id=message_id,
            direction=Direction.IN,
            kind=Kind.STATUS,
            state=State.TRUSTED,
            axis="national",
            endpoint="inside",
            submission_id=message_id,
            axis_id=f"axis-{message_id}",
            sender=FAR,
            detail=detail.of_status(status),
            accepted_at=NOW,
        )
        new = NewMessage(message, (Delivery(OURS, OFFICE),))
        await self.house.journal.accept(NewSubmission("", message_id, "f", {}, (new,)))
        heard = Outcome(Entry("status-heard"), effects=effects)
        await self.house.journal.apply(message_id, heard, who="test", why=None)
        return message_id

    async def sent(self, key="sent", **changes):
        """A document of ours at the axis, as the road leaves it there."""
        return await self.leaves((await (await self.ours.submit(record(**changes), key=key)).json())["message_id"])

    async def leaves(self, message_id):
        for state in (State.PACKED, State.SENT):
            outcome = Outcome(Entry(state.value), state=state)
            await self.house.journal.apply(message_id, outcome, who="test", why=None)
        return message_id


@contextlib.asynccontextmanager
async def open_street(folder, **limits):
    async with open_house(folder, **limits) as house:
        keys = {}
        for office in (OFFICE, OTHER_OFFICE):
            keys[office] = new_key()
            await house.journal.partners.add_key(office, digest(keys[office]), "")
        acts = OfficeActs(
            Acts(house.journal, house.clock, lambda: None, house.router.office_of), house.journal, house.clock
        )
        recalls = Recalls(house.journal, house.settings, house.clock, lambda: None)
        changes = Changes(recalls, house.door, house.journal)
        app = office_app(house.door, house.journal, house.contents, house.settings, acts, changes)
        async with TestClient(TestServer(app)) as client:
            front = FrontDoor(house.door, acts, changes)
            yield Street(house, client, keys[OFFICE], keys[OTHER_OFFICE], front)


def form(said, *files):
    made = FormData()
    text = said if isinstance(said, bytes) else json.dumps(said).encode()
    made.add_field("record", io.BytesIO(text), content_type="application/json")
    for name, data in files:
        made.add_field("attachment", io.BytesIO(data), filename=name, content_type="application/pdf")
    return made


__all__ = ["ALSO_OURS", "ATTACHED", "EDXML", "Office", "Street", "form", "open_street"]
