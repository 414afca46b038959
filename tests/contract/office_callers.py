"""How an office recalls, updates, replaces and reports statuses by each way of connecting, and what it is told: all in one
form. `ask` tells who is asked and what was withdrawn, `report` the message id of the status; both `refused` the reasons.
"""

import asyncio
import base64
import contextlib
import json
import re

from lxml import etree
from sqlalchemy import insert, select

from adapters.office import database, folder
from adapters.office.database.tables import OUT_ATTACHMENT, OUT_DOCUMENT, OUT_PIECE, OUT_RECEIVER, OUT_STATUS
from gateway.ports import OfficeContext
from gateway.web.soap_xml import SOAP
from tests import doors
from tests.unit.adapters.database import servers
from tests.web.offices import form

O = "urn:lienthong:office:1"  # noqa: E741 - as the schema's prefix


def refused(codes):
    return {"problems": set(codes)}


def organs(messages):
    return sorted(organ for each in messages for organ in each["organs"])


@contextlib.asynccontextmanager
async def at_work(office, door):
    running = asyncio.create_task(office.run(door))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await office.close()


async def until(look):
    async with asyncio.timeout(10):
        while (found := look()) is None:
            await asyncio.sleep(0.02)
    return found


class HttpCaller:
    """Offices that are told by webhook, or pull, ask by the office API."""

    def __init__(self, street, place):
        self.street = street

    async def ask(self, act, message_id, key, *, reason, receivers=None, by=None, record=None, file=None):
        said = {"reason": reason, "by": by, "receivers": receivers, "record": record}
        said = {name: value for name, value in said.items() if value is not None}
        if act == "recall" and not file:
            body = {"json": said}
        else:
            whole = {**(record or {}), "business": {"reason": reason}}
            body = {"data": form(whole, *([file] if file else []))}
        path = f"/v1/documents/{message_id}/{act}"
        response = await self.street.ours.post(path, headers={"Idempotency-Key": key}, **body)
        return await self._told(
            response, lambda told: {"asked": organs(told["messages"]), "withdrawn": organs(told.get("withdrawn", []))}
        )

    async def report(self, message_id, key, code, reason=""):
        said = {"code": code, "reason": reason}
        response = await self.street.ours.post(f"/v1/inbox/{message_id}/status", json=said)
        return await self._told(response, lambda told: told["message_id"])

    async def _told(self, response, read):
        told = await response.json()
        if response.status == 202:
            return read(told)
        return refused([told["type"].rpartition(":")[2], *(each["code"] for each in told.get("errors", []))])


class SoapCaller:
    def __init__(self, street, place):
        self.street = street

    async def ask(self, act, message_id, key, *, reason, receivers=None, by=None, record=None, file=None):
        told = {"message_id": message_id, "idempotency_key": key}
        if act == "recall":
            told |= {"reason": reason, "by": by, "receivers": receivers, "record": record}
        else:
            told |= {"record": {**record, "business": {"reason": reason}}}
        if file:
            told["file"] = {"content": base64.b64encode(file[1]).decode()}
        status, root = await self._call(f"{act.capitalize()}Document", told)
        if status != 200:
            return root

        def organs_of(name):
            return sorted(each.text for each in root.iterfind(f".//{{{O}}}{name}/{{{O}}}organs"))

        return {"asked": organs_of("messages"), "withdrawn": organs_of("withdrawn")}

    async def report(self, message_id, key, code, reason=""):
        told = {"message_id": message_id, "report": {"code": code, "reason": reason}}
        status, root = await self._call("ReportStatus", told)
        return root if status != 200 else root.findtext(f".//{{{O}}}message_id")

    async def _call(self, operation, told):
        call = etree.Element(f"{{{O}}}{operation}", nsmap={"o": O})
        fill(call, told)
        envelope = f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{etree.tostring(call).decode()}</s:Body></s:Envelope>'
        headers = {"Content-Type": "text/xml"}
        response = await self.street.ours.post("/soap/v1", data=envelope.encode(), headers=headers)
        root = etree.fromstring(await response.read())
        if response.status != 200:
            return response.status, refused(each.text for each in root.iterfind(f".//{{{O}}}code"))
        return response.status, root


ORDER = (
    *(
        "message_id",
        "idempotency_key",
        "code",
        "reason",
        "by",
        "receivers",
        "from",
        "to",
        "number",
        "notation",
        "promulgation",
    ),
    *("type", "subject", "signer", "priority", "business", "attachments", "record", "file"),
)
"""Of the elements, in the schema."""


def fill(parent, said):
    for name in sorted(said, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER)):
        value = said[name]
        for one in value if isinstance(value, list) else [] if value is None else [value]:
            child = etree.SubElement(parent, f"{{{O}}}{name}")
            inside = {"code": one} if name in {"from", "to"} else one
            if isinstance(inside, dict):
                fill(child, inside)
            else:
                child.text = str(one)


class FolderCaller:
    def __init__(self, street, place):
        self.street, self.root = street, place / "asking"
        self.root.mkdir()

    async def ask(self, act, message_id, key, *, reason, receivers=None, by=None, record=None, file=None):
        said = {"reason": reason, "by": by, "receivers": receivers} if act == "recall" else {}
        if record is not None:
            record = record if act == "recall" else {**record, "business": {"reason": reason}}
        said = {"message_id": message_id, "record": record, **said}
        if file:
            (self.root / "outbox").mkdir(exist_ok=True)
            (self.root / "outbox" / file[0]).write_bytes(file[1])
        return await self._put(
            f"{key}.{act}.json",
            said,
            lambda told: {"asked": organs(told["messages"]), "withdrawn": organs(told.get("withdrawn", []))},
        )

    async def report(self, message_id, key, code, reason=""):
        said = {"message_id": message_id, "code": code, "reason": reason}
        return await self._put(f"{key}.status.json", said, lambda told: told["status_id"])

    async def _put(self, name, said, read):
        options = {"path": str(self.root), "interval_seconds": 0.01, "settle_seconds": 0.02, "patience_seconds": 0.1}
        office = folder.connect(options, OfficeContext(doors.OFFICE, self.root, {}, self.street.house.clock))
        line = json.dumps({name: value for name, value in said.items() if value is not None})
        (self.root / "outbox" / name).write_text(line)
        settled = set(self.root.glob("*/*/*.result.json"))

        def look():
            return next(iter(set(self.root.glob("[tr]*/*/*.result.json")) - settled), None)

        async with at_work(office, self.street.front):
            path = await until(look)
        told = json.loads(path.read_text())
        if told["outcome"] == "taken":
            return read(told)
        return refused([told["code"], *(each["code"] for each in told["problems"])])


class DatabaseCaller:
    kind = "sqlite"
    columns = (
        ("number", "document_number"),
        ("notation", "document_notation"),
        ("subject", "subject"),
    )

    def __init__(self, street, place):
        self.street, self.place = street, place / "asking"
        self.place.mkdir()
        self.opened = contextlib.ExitStack()
        self.database = self.opened.enter_context(servers.database(self.kind, self.place))
        (self.place / "url").write_text(self.database.url)

    def close(self):
        self.opened.close()

    async def ask(self, act, message_id, key, *, reason, receivers=None, by=None, record=None, file=None):
        self._write(act, message_id, key, reason, receivers, by, record, file)
        row = await self._settled(OUT_DOCUMENT, OUT_DOCUMENT.c.out_id == key)
        if row["state"] == "rejected":
            return _reasons(row)
        with self.database.engine.begin() as connection:
            found = connection.execute(select(OUT_RECEIVER).where(OUT_RECEIVER.c.out_id == key)).all()
        to = [each._asdict() for each in found]
        wanted = {"recall": {"asked"}}.get(act, {None})
        return {
            "asked": sorted(each["code"] for each in to if each["recall"] in wanted and each["message_id"]),
            "withdrawn": sorted(each["code"] for each in to if each["recall"] == "withdrawn"),
        }

    async def report(self, message_id, key, code, reason=""):
        row = {"report_id": key, "message_id": message_id, "code": code, "reason": reason, "state": "ready"}
        with self.database.engine.begin() as connection:
            connection.execute(OUT_STATUS.delete().where(OUT_STATUS.c.report_id == key))
            connection.execute(insert(OUT_STATUS), row)
        row = await self._settled(OUT_STATUS, OUT_STATUS.c.report_id == key)
        return _reasons(row) if row["state"] == "rejected" else row["status_id"]

    async def _settled(self, table, of):
        options = {"url_file": str(self.place / "url"), "interval_seconds": 0.02}
        office = database.connect(options, OfficeContext(doors.OFFICE, self.place, {}, self.street.house.clock))

        def look():
            with self.database.engine.begin() as connection:
                row = connection.execute(select(table).where(of)).one()._asdict()
            return row if row["state"] in {"taken", "rejected"} else None

        async with at_work(office, self.street.front):
            return await until(look)

    def _write(self, act, message_id, key, reason, receivers, by, record, file):
        row = {"out_id": key, "act": act, "message_id": message_id, "reason": reason, "recall_by": by}
        row |= {column: record[name] for name, column in self.columns if name in (record or {})}
        named = receivers or []
        if record:
            row["promulgation_date"] = self.street.house.clock().date()
            named = record.get("to", named)
        with self.database.engine.begin() as connection:
            connection.execute(OUT_RECEIVER.delete().where(OUT_RECEIVER.c.out_id == key))
            connection.execute(OUT_DOCUMENT.delete().where(OUT_DOCUMENT.c.out_id == key))
            connection.execute(insert(OUT_DOCUMENT), {**row, "state": "ready"})
            for n, code in enumerate(named):
                connection.execute(insert(OUT_RECEIVER), {"out_id": key, "n": n, "code": code})
            if file:
                held = {"out_id": key, "n": 0, "name": file[0], "size_bytes": len(file[1])}
                connection.execute(insert(OUT_ATTACHMENT), held)
                connection.execute(insert(OUT_PIECE), {"out_id": key, "n": 0, "piece": 0, "data": file[1]})


def _reasons(row):
    return refused([row["problem_code"], *re.findall(r"\[([a-z-]+)\]", row["problem_text"] or "")])


class PostgresCaller(DatabaseCaller):
    kind = "postgresql"


CALLERS = {
    "database": DatabaseCaller,
    "database on PostgreSQL": PostgresCaller,
    "folder": FolderCaller,
    "webhook": HttpCaller,
    "soap": SoapCaller,
}
