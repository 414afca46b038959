"""Reading edXML as it streams, in whatever pieces it comes."""

import base64
import hashlib
import os
from pathlib import Path

import pytest

from mock_axis.edxml_reading import BadForm, EdxmlReader

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples"
FILE = """<?xml version="1.0"?>
<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"><x:edXMLEnvelope xmlns:x="http://www.mic.gov.vn/TBT/QCVN_102_2016">
<x:edXMLHeader><x:MessageHeader><x:DocumentId>một</x:DocumentId><x:To><x:OrganId>B</x:OrganId></x:To>
<x:From><x:OrganName>Á</x:OrganName><x:OrganId> A </x:OrganId></x:From></x:MessageHeader></x:edXMLHeader></x:edXMLEnvelope>
<AttachmentEncoded><Attachment><ContentId>cid:1</ContentId><x:ContentTransferEncoded xmlns:x="u">%s</x:ContentTransferEncoded>
</Attachment><Attachment><ContentTransferEncoded></ContentTransferEncoded><ContentId>2</ContentId></Attachment>
</AttachmentEncoded></edXML>"""


def read(data, piece=1 << 20):
    reader = EdxmlReader()
    for at in range(0, len(data), piece):
        reader.feed(data[at : at + piece])
    return reader.close()


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 64, 1000, 10**6])
def test_pieces_of_any_size_read_alike(piece):
    content = os.urandom(1000)
    lines = base64.encodebytes(content).decode()
    got = read((FILE % lines).encode(), piece)
    assert (got.sender, got.to, got.document_id, got.kind) == ("A", ("B",), "một", "document")
    empty = hashlib.sha256(b"").hexdigest()
    assert got.attachments == (("1", hashlib.sha256(content).hexdigest()), ("2", empty))
    assert got.skeleton == (FILE % "").encode()


@pytest.mark.parametrize("piece", [4000, 70_000, 300_000])
def test_a_large_attachment_leaves_the_skeleton_small(piece):
    content = os.urandom(2_000_000)
    got = read((FILE % base64.b64encode(content).decode()).encode(), piece)
    assert got.attachments[0][1] == hashlib.sha256(content).hexdigest()
    assert got.skeleton == (FILE % "").encode()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text % "QUJ",
        lambda text: text % "QU*D",
        lambda text: text % "<a/>",
        lambda text: (text % "QUJD")[:-5],
        lambda text: (text % "").replace("<x:OrganId>B</x:OrganId>", ""),
        lambda text: (text % "").replace("MessageHeader", "Header"),
        lambda text: (text % "").replace("<edXML ", "<other ").replace("</edXML>", "</other>"),
        lambda text: (text % "").replace("?>", '?><!DOCTYPE edXML SYSTEM "file:///etc/passwd">'),
        lambda text: (text % "").replace("một", "<a>" * 100 + "</a>" * 100),
        lambda text: (text % "").replace("một", "m" * (5 << 20)),
    ],
    ids=[
        "cut-off", "not-base64", "element-inside", "cut-xml", "no-receiver", "no-header", "root", "doctype", "depth", "size",
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused(damage):
    with pytest.raises(BadForm):
        read(damage(FILE).encode(), 100_000)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the collected samples are not on this machine")
@pytest.mark.parametrize("name", ["document_new", "document_update", "status_01", "status_02", "status_03"])
def test_files_of_the_world_can_be_read(name):
    got = read((SAMPLES / f"{name}.edxml").read_bytes(), 4096)
    assert got.kind == name.partition("_")[0]
    assert got.status_code == (name[-2:] if got.kind == "status" else "")
    assert got.sender
    assert got.document_id
