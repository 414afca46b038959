"""How the axis of today writes every file anew before it hands it out; no signature in the envelope survives that.

Header fields come in the order of its own library, empty elements and the descriptions of attachments are gone, it adds
its TraceHeader, and attachments of other kinds than it knows arrive as zips of one entry.
"""

from __future__ import annotations

import base64
import datetime as dt
import io
import uuid
import zipfile

from lxml import etree

import schemas
from mock_axis.edxml_reading import child, find_header, local, value
from mock_axis.edxml_writing import VIETNAM

LARGEST = 4 << 20
"""A larger file is handed out as it came: the mock does not hold it in memory."""
NODE = "001.00.20.TT2"
PLAIN = (".pdf", ".doc", ".docx", ".xsl", ".xslx", ".zip")
"""What its library leaves unzipped, misspelt as it is there."""
ORDER = (
    "From", "To", "DocumentId", "Code", "PromulgationInfo", "DocumentType", "Subject", "Content", "SignerInfo",
    "DueDate", "OtherInfo", "ResponseFor", "SteeringType", "ToPlaces",
)  # fmt: skip
_NS = f"{{{schemas.EDXML_NAMESPACE}}}"


def rewritten(file: bytes, axis_id: str, at: float) -> bytes:
    """The same bytes again for the same message: it is written anew once, however often it is listed."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_blank_text=True)
    root = etree.fromstring(file, parser)
    header = find_header(root)
    assert header is not None  # it was read when it was taken
    for element in root.iter("*"):
        if local(element) in {"Reference", "Attachment"} and (told := child(element, "Description")) is not None:
            element.remove(told)
        if local(element) == "Attachment":
            _zip(element, axis_id)
    _drop_empty(header)
    _reorder(child(header, "MessageHeader"))
    _trace(header, at)
    etree.indent(root)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _drop_empty(element: etree._Element) -> None:
    for each in list(element):
        _drop_empty(each)
        if not len(each) and not (each.text or "").strip() and not each.attrib:
            element.remove(each)


def _reorder(header: etree._Element | None) -> None:
    assert header is not None
    place = {name: number for number, name in enumerate(ORDER)}
    header[:] = sorted(header, key=lambda each: place.get(local(each), len(ORDER)))


def _trace(header: etree._Element, at: float) -> None:
    traces = child(header, "TraceHeaderList")
    if traces is None:
        traces = etree.Element(f"{_NS}TraceHeaderList")
        header.insert(1, traces)
    trace = etree.Element(f"{_NS}TraceHeader")
    etree.SubElement(trace, f"{_NS}OrganId").text = NODE
    written = dt.datetime.fromtimestamp(at, VIETNAM)
    etree.SubElement(trace, f"{_NS}Timestamp").text = f"{written:%Y/%m/%d %H:%M:%S}"
    traces.insert(sum(local(each) == "TraceHeader" for each in traces), trace)


def _zip(attachment: etree._Element, axis_id: str) -> None:
    name = value(attachment, "AttachmentName")
    content = child(attachment, "ContentTransferEncoded")
    if content is None or name.lower().endswith(PLAIN):
        return
    entry = f"{uuid.uuid5(uuid.NAMESPACE_OID, axis_id + name)}.{name.rpartition('.')[2]}"
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(entry), base64.b64decode(content.text or ""))
    content.text = base64.b64encode(zipped.getvalue()).decode()
    kind = child(attachment, "ContentType")
    if kind is not None:
        kind.text = "application/zip"
