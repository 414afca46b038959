"""A message that went its road, in a real journal, with its receipt, a status and a signed block; and its bundle."""

import asyncio
import hashlib
import json
import zipfile
from dataclasses import replace

from typer.testing import CliRunner

from gateway import cli
from gateway.edxml import build
from gateway.journal import Journal
from gateway.journal.contents import DiskContents
from gateway.model import Attachment, Direction, Kind, Organ, ResponseFor, Status
from gateway.pipeline.outgoing import Packed, chunks_of
from gateway.states import ContentRef, Entry, KeepReceipt, Message, NewMessage, Outcome, State
from gateway.trust import edxml_signature, receipts
from tests import pki
from tests.contract.journals import Clock, accepted
from tests.unit.edxml.making import full_document

AGENCY = "000.00.00.G98"
SENDER = "000.00.01.H99"
MESSAGE, OTHER = "m-1", "m-2"
SETTINGS = f"""
data_dir = "data"
keys = "keys"
trust = "trust"

[[axis]]
name = "national"
driver = "soap"
system_id = "{pki.GATEWAY}"
axis_system_id = "{pki.AXIS}"

[[office]]
name = "so-mau"
adapter = "pull"
organs = ["{SENDER}"]

[[route]]
organ = "*"
axis = "national"
"""


def lay_out(folder):
    """A gateway that has run: two messages sent, one status heard, one block closed."""
    us, axis, agency = (pki.valid(name) for name in (pki.GATEWAY, pki.AXIS, AGENCY))
    pki.write_keys(folder / "keys", us)
    pki.write_trust(folder / "trust", axis, agency)
    pki.write_trust(folder / "roots", us, axis, agency)
    (folder / "lienthong.toml").write_text(SETTINGS, encoding="utf-8")
    asyncio.run(_run(folder, us.pair(), axis.pair(), agency.pair()))
    return folder


async def _run(folder, us, axis, agency):
    clock = Clock()
    journal = await Journal.open(folder / "data" / "journal.sqlite", now=clock)
    contents = DiskContents(folder / "data" / "contents")
    for message_id in (MESSAGE, OTHER):
        await send(journal, contents, clock, message_id, us, axis)
    status = Status(
        Organ(AGENCY, "Cơ quan Mẫu"), ResponseFor(SENDER, document_id=f"doc-{MESSAGE}"), "03", timestamp=clock.time
    )
    data = b"".join([c async for c in chunks_of(build.pack_status(status, sign=_by(agency, clock)), contents)])
    heard = NewMessage(
        Message(
            "s-1",
            Direction.IN,
            Kind.STATUS,
            State.CLOSED,
            "national",
            "inside",
            MESSAGE,
            axis_id="a-s-1",
            document_id=f"doc-{MESSAGE}",
        ),
        contents=(ContentRef("edxml", await contents.store_bytes(data)),),
    )
    await journal.apply(MESSAGE, Outcome(Entry("status-heard", {"status": "03"}), effects=(heard,)), who="node-1")
    await journal.apply(MESSAGE, Outcome(Entry("closed"), state=State.CLOSED), who="node-1")
    await journal.blocks.close(us.sign)
    await accepted(journal, message_id="m-3")  # another message's, in a later block
    await journal.blocks.close(us.sign)
    await contents.close()
    await journal.close()


def _by(pair, clock):
    return lambda parts: edxml_signature.sign(parts, pair, clock.time)


async def send(journal, contents, clock, message_id, us, axis, files=None, looked=None):
    """`looked`: what became known of the PDFs among `files`, at the door."""
    files = files or {"a-1": b"%PDF-1.7 one", f"a-{message_id}": message_id.encode() * 1000}
    stored = {cid: await contents.store_bytes(data) for cid, data in files.items()}
    held = tuple(Attachment(cid, f"{cid}.pdf", content=content) for cid, content in stored.items())
    document = replace(
        full_document(),
        sender=Organ(SENDER, "Sở Mẫu"),
        to=(Organ(AGENCY, "Cơ quan Mẫu"),),
        document_id=f"doc-{message_id}",
        attachments=held,
    )
    digests = tuple((each.content_id, each.content.sha256) for each in held)
    packed = Packed(tuple(build.pack_document(document, sign=_by(us, clock))), digests, (AGENCY,))
    data = b"".join([chunk async for chunk in chunks_of(packed.pieces, contents)])
    size, sha256 = len(data), hashlib.sha256(data).hexdigest()
    await accepted(journal, message_id=message_id, document_id=f"doc-{message_id}", sender=SENDER)
    frozen = {"recipe": packed.table(), "size": size, "sha256": sha256}
    frozen |= {"detail": dict(looked.more)} if looked else {}
    entry = Entry("packed", {"size": size, "sha256": sha256, **(looked.facts if looked else {})})
    await journal.apply(message_id, Outcome(entry, state=State.PACKED, changes=frozen), who="node-1")
    clock.pass_(1)
    receipt = receipts.Receipt(
        receipt_id=f"r-{message_id}",
        kind="axis-accepted",
        issued_by=pki.AXIS,
        addressed_to=pki.GATEWAY,
        message_id=message_id,
        axis_id=f"a-{message_id}",
        document_id=f"doc-{message_id}",
        sender=SENDER,
        to=(AGENCY,),
        size=size,
        sha256=sha256,
        attachments=digests,
        time=clock.time,
    )
    kept = KeepReceipt(receipt.receipt_id, receipt.kind, given=False, body=receipts.issue(receipt, axis))
    facts = {"axis_id": receipt.axis_id, "receipt": receipt.receipt_id, "signature": "valid"}
    changes = {"axis_id": receipt.axis_id, "sent_at": clock.time}
    sent = Outcome(Entry("sent", facts), state=State.SENT, changes=changes, effects=(kept,))
    await journal.apply(message_id, sent, who="node-1")


def lienthong(*arguments):
    done = CliRunner().invoke(cli.app, [str(each) for each in arguments])
    return done.exit_code, done.output


def export(folder, message_id, out):
    code, output = lienthong(
        "evidence", "export", message_id, "--out", out, "--config", folder / "lienthong.toml", "--json"
    )
    assert code == 0, output
    return out


def verify(file, trust=None):
    """(exit code, the report, the names of the claims that are false)."""
    code, output = lienthong("evidence", "verify", file, "--json", *(("--trust", trust) if trust else ()))
    told = json.loads(output)
    return code, told, {each["claim"].partition(":")[0] for each in told["claims"] if each["verdict"] == "false"}


def claim(told, kind):
    [found] = [each for each in told["claims"] if each["claim"].partition(":")[0] == kind]
    return found["verdict"], found["reason"]


def contents_of(file):
    with zipfile.ZipFile(file) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def rewritten(file, out, change, *, manifest=True):
    """A copy whose files `change` has changed; `manifest`: with the digests to fit, as a forger would."""
    files = contents_of(file)
    change(files)
    if manifest:
        told = json.loads(files["manifest.json"])
        told["files"] = {n: hashlib.sha256(d).hexdigest() for n, d in files.items() if n != "manifest.json"}
        files["manifest.json"] = json.dumps(told).encode()
    with zipfile.ZipFile(out, "w") as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return out


def named(files, part):
    """The first file whose name holds this part."""
    return next(name for name in files if part in name)
