"""A real gateway process before a mock axis that takes any bytes into its mailboxes, and eyes on what is left behind."""

import asyncio
import contextlib
import hashlib
import io
import json
import re
import sqlite3
import time
import uuid
from pathlib import Path

import aiohttp

from mock_axis import mailbox, pki
from mock_axis.edxml_reading import BadForm, EdxmlReader
from mock_axis.mailbox import Message, Routing
from mock_axis.scene import OFFICE, Scene
from mock_axis.simulator import MockAxis

FOLDER_OFFICE, FOLDER_ORGAN = "hop-thu", "000.00.14.H08"
AGENCY = "000.00.00.G22"
PROBLEM = "application/problem+json"


class WithFolder(Scene):
    """The usual scene with a third office, which hands in through a folder."""

    def _toml(self):
        options = {"interval_seconds": 0.05, "settle_seconds": 0.05, "patience_seconds": 0.3}
        lines = ["", "[[office]]", f'name = "{FOLDER_OFFICE}"', f'organs = ["{FOLDER_ORGAN}"]', 'adapter = "folder"']
        lines += ["[office.options]", *(f"{name} = {value}" for name, value in options.items()), ""]
        return super()._toml().replace('organ = "*"', 'organ = "*.G22"') + "\n".join(lines)


class House:
    def __init__(self, scene, axis, session, key):
        self.scene, self.axis, self.session, self.key = scene, axis, session, key
        self.root = scene.folder / "data" / "offices" / FOLDER_OFFICE

    # --- the doors ---

    async def call(self, method, path, **more):
        headers = {"Authorization": f"Bearer {self.key}", **more.pop("headers", {})}
        async with self.session.request(method, self.scene.api_url + path, headers=headers, **more) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def post_edxml(self, data):
        return await self.call(
            "POST", "/v1/documents", data=io.BytesIO(data), headers={"Content-Type": "application/xml"}
        )

    async def post(self, record, *files, key):
        form = aiohttp.FormData()
        form.add_field("record", record, content_type="application/json", filename="record")
        for name, data in files:
            form.add_field("attachment", data, filename=name, content_type="application/pdf")
        return await self.call("POST", "/v1/documents", data=form, headers={"Idempotency-Key": key})

    async def result(self, stem):
        """What the folder office finds beside its file in the end."""
        async with asyncio.timeout(20):
            while True:
                for place in ("taken", "rejected"):
                    path = self.root / place / stem / f"{stem}.result.json"
                    if path.exists():
                        return json.loads(path.read_text())
                await asyncio.sleep(0.02)

    async def announce(self, data, *, document_id="D1", sender=AGENCY):
        """Put bytes into the gateway's mailbox at the axis, whatever they are; returns their axis id."""
        try:
            reader = EdxmlReader()
            reader.feed(data)
            read = reader.close()
            about = (read.kind, read.sender, read.document_id, read.to, read.attachments)
        except BadForm:
            found = re.search(rb"edXML:DocumentId>([^<]+)<", data)
            document_id = found[1].decode("utf-8", "replace") if found else document_id
            about = ("document", sender, document_id, (), ())
        now = time.time()
        message = Message(
            uuid.uuid4().hex, AGENCY, uuid.uuid4().hex, *about, 0, len(data), hashlib.sha256(data).hexdigest(),
            "", "", "", "", None, now,
        )  # fmt: skip
        routing = Routing(systems=((pki.GATEWAY, now, 1),))
        await self.axis.mailbox.ask(lambda tx: mailbox.accept(tx, message, data, routing, deduplicates=False))
        return message.axis_id

    async def confirmations(self):
        return await self.axis.mailbox.ask(mailbox.confirmations)

    async def statuses_told(self, number):
        """(code, DocumentId) of the statuses that reached the axis, once there are so many."""
        ends = time.monotonic() + 15
        while time.monotonic() < ends:
            held = await self.axis.mailbox.ask(mailbox.messages)
            told = [(each.status_code, each.document_id) for each in held if each.system == pki.GATEWAY]
            if len(told) >= number:
                break
            await asyncio.sleep(0.02)
        return told

    # --- what is left ---

    def ask(self, statement, *values):
        """A question to the journal's file."""
        with contextlib.closing(sqlite3.connect(f"file:{self.scene.journal}?mode=ro", uri=True)) as journal:
            return journal.execute(statement, values).fetchall()

    async def settled(self, axis_id, states=("rejected", "closed")):
        """(state, held, message id) of an incoming message, once the gateway has nothing more to do about it."""
        ends = time.monotonic() + 15
        while time.monotonic() < ends:
            rows = self.ask("SELECT state, held, message_id FROM message WHERE axis_id = ?", axis_id)
            if rows and (rows[0][0] in states or rows[0][1]):
                return rows[0]
            await asyncio.sleep(0.02)
        raise AssertionError((axis_id, rows))

    async def arrived(self, axis_id):
        """The same, where an office that pulls may be all that is waited for."""
        return await self.settled(axis_id, ("rejected", "closed", "trusted"))

    def bytes_held(self):
        """Of contents on the disk; erased parts of segments are zeros."""
        files = [path for path in (self.scene.folder / "data" / "contents").rglob("*") if path.is_file()]
        return b"".join(path.read_bytes() for path in files).strip(b"\0")

    def nothing_entered(self):
        """Neither message nor key nor bytes."""
        rows = self.ask("SELECT count(*) FROM message WHERE direction = 'out'") + self.ask(
            "SELECT count(*) FROM submission"
        )
        return rows == [(0,), (0,)] and not self.bytes_held()

    def memory(self):
        """Resident bytes of the gateway."""
        with Path(f"/proc/{self.scene.gateway.pid}/statm").open() as file:
            return int(file.read().split()[1]) * 4096

    def highest_memory(self):
        """The most it ever had resident."""
        with Path(f"/proc/{self.scene.gateway.pid}/status").open() as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM:"))

    def log(self):
        return (self.scene.folder / "gateway.log").read_text()

    def alive(self):
        return self.scene.gateway.returncode is None


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def problem(self):
        """(status, code, codes of the errors) of a problem document that says something and shows nothing."""
        assert self.headers["Content-Type"].startswith(PROBLEM), self.body[:300]
        told = self.json()
        assert told["status"] == self.status
        assert len(told["detail"]) > 5
        assert b"Traceback" not in self.body
        assert len(self.body) < 20_000
        return self.status, told["type"].rpartition(":")[2], {error["code"] for error in told["errors"]}


@contextlib.asynccontextmanager
async def open_house(folder, made_pki, **settings):
    scene = WithFolder(
        folder,
        settings={"limits": {"disk_reserve_bytes": 0}, "times": {"retry_longest_seconds": 0.2}, **settings},
        axis_options={"section": {"edxml_signature": "ignore", "poll_seconds": 0.1, "fetch_attempts": 2}},
    )
    (folder / "pki").symlink_to(made_pki)
    scene.lay_out()
    async with (
        MockAxis(folder / "axis", port=scene.axis_port, pki_folder=scene.pki.root) as axis,
        aiohttp.ClientSession() as session,
    ):
        await scene.start_gateway()
        try:
            yield House(scene, axis, session, await scene.new_key(OFFICE))
        finally:
            await scene.stop()


def to_here(data):
    """A file of `tests/assets` as an agency sends it to us."""
    ours, theirs = b"000.00.00.H08", AGENCY.encode()
    return data.replace(ours, b"\0").replace(theirs, ours).replace(b"\0", theirs)
