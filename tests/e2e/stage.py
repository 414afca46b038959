"""A scene for a module of tests: axis, gateway and offices as processes, and how to wait for what they do."""

import asyncio
import contextlib
import json
from dataclasses import dataclass

import aiohttp

from mock_axis import pki
from mock_axis.office import SampleOffice
from mock_axis.office_letters import letter
from mock_axis.scene import DEPARTMENT, DEPARTMENT_ORGAN, OFFICE, OFFICE_ORGAN, Scene

CHANCELLERY, HOME_AFFAIRS, FINANCE = pki.AGENCIES
TIMES = {"retry_first_seconds": 0.1, "retry_longest_seconds": 0.5, "lease_seconds": 6.0, "longest_call_seconds": 5.0}
AXIS = {"section": {"poll_seconds": 0.1}, "options": {"first_byte_seconds": 4.0}}


@dataclass(slots=True)
class Stage:
    scene: Scene
    office: SampleOffice
    """Listens for webhooks."""
    department: SampleOffice
    """Pulls, when a test tells it to."""
    number: int = 0

    @property
    def offices(self):
        return {OFFICE_ORGAN: self.office, DEPARTMENT_ORGAN: self.department}

    async def send(self, *to, office=None, files=(b"%PDF-1.7 one",), **more):
        """Hand in the next letter of an office; (DocumentId, answer)."""
        self.number += 1
        office = office or self.office
        sender = OFFICE_ORGAN if office is self.office else DEPARTMENT_ORGAN
        record, parts = letter(self.number, sender, to, list(files), **{"priority": 0, **more})
        answer = await office.send(f"letter-{self.number}", record, parts)
        return record["document_id"], answer

    async def receive(self, agency, *to, **more):
        """An agency sends a letter; its DocumentId."""
        letter = {"to": list(to or [OFFICE_ORGAN]), "subject": "V/v thử", "size": 2000, **more}
        return (await control(self.scene, "POST", f"/agencies/{agency}/send", letter))["document_id"]

    async def faults(self, *rules):
        await control(self.scene, "PUT", "/faults", {"faults": list(rules)})

    async def heard_of(self, document_id, office=None):
        """The message that brought the office this document."""

        async def look():
            documents = await (office or self.office).store.documents()
            return next((one["message_id"] for one in documents if one["document_id"] == document_id), None)

        return await eventually(look)

    async def command(self, *arguments):
        return await self.scene.run_command(*arguments)

    async def closed(self, message_id, office=None):
        async def look():
            found = await (office or self.office).client.document(message_id)
            return found if found["state"] == "closed" else None

        return await eventually(look)


@contextlib.asynccontextmanager
async def on_stage(folder, *, office_faults=None, before=None, **more):
    """`before`: called when the folder is laid out, before anything starts."""
    more = {"every_seconds": 0.3, "axis_options": AXIS, **more}
    more["settings"] = {"times": TIMES, **more.get("settings", {})}
    scene = Scene(folder, **more)
    async with contextlib.AsyncExitStack() as stack:
        office = SampleOffice(
            folder / "office", gateway=scene.api_url, secrets=[scene.webhook_secret], faults=office_faults
        )
        department = SampleOffice(folder / "department", gateway=scene.api_url)
        scene.office_url = await office.start()
        stack.push_async_callback(office.close)
        await department.start()
        stack.push_async_callback(department.close)
        await asyncio.to_thread(scene.lay_out)
        stack.push_async_callback(scene.stop)
        if before is not None:
            stack.push_async_callback(await before(scene))
        await asyncio.gather(scene.start_axis(), scene.start_gateway())
        office.client.key, department.client.key = await asyncio.gather(
            scene.new_key(OFFICE), scene.new_key(DEPARTMENT)
        )
        yield Stage(scene, office, department)


async def control(scene, method, path, body=None):
    """A word with the mock axis."""
    async with aiohttp.ClientSession() as session, session.request(method, scene.control_url + path, json=body) as got:
        told = await got.text()
        assert got.status < 300, told
        return json.loads(told)


async def registered(scene, agency):
    """DocumentIds that an agency has registered, each as often as it was."""
    state = (await control(scene, "GET", "/state"))["agencies"][agency]
    return [key.partition("|")[0] for key, times in state["contents"].items() for _ in range(times)]


async def statuses(scene, agency, document_id):
    """(code, description, organ) of the statuses that an agency was sent about its document."""
    state = (await control(scene, "GET", "/state"))["agencies"][agency]
    return [(s["code"], s["description"], s["from"]) for s in state["statuses"] if s["document_id"] == document_id]


async def eventually(look, seconds=30.0):
    """What `look` gives once it gives something true."""
    ends = asyncio.get_running_loop().time() + seconds
    while True:
        found = await look()
        if found:
            return found
        assert asyncio.get_running_loop().time() < ends, f"still {found!r} after {seconds:.0f} s"
        await asyncio.sleep(0.1)
