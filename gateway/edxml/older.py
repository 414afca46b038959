"""Writes the older form, namespace `http://www.e-doc.vn/Schema/`, for an axis or a system that still wants it.

It is today's header in a SOAP 1.1 envelope, with dates as dd/MM/yyyy, and with every element in its place even where
nothing is known: its checkers demand them. Attachments stand in the same file (`edXMLAttachment`), the variant that
needs no MIME around it. What makes a document a recall, an update or a replacement stands in `TraceHeaderList` as today:
its programs read it there, and under today's spelling, though one of them writes `Business`. The form has no place for our edXML signature; what vouches for such a file is the transport.
Reading is `parse`'s, which takes every form.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from lxml import etree

from gateway.edxml import build, values
from gateway.edxml.findings import EdxmlError
from gateway.edxml.recipe import Encoded, Literal, Piece
from gateway.model import Attachment, Business, Document, Status, TraceHeader
from schemas import EDXML_NAMESPACE

NAMESPACE = "http://www.e-doc.vn/Schema/"
_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_XLINK = "http://www.w3.org/1999/xlink"
_NAMES = {"SOAP-ENV": _SOAP, "edXML": NAMESPACE, "xlink": _XLINK}
_SPLIT = "<!--here-->"

_ORGAN = ("OrganId", "OrganizationInCharge", "OrganName", "OrganAdd", "Email", "Telephone", "Fax", "Website")
_WHOLE: dict[str, tuple[str, ...]] = {
    "From": _ORGAN,
    "To": _ORGAN,
    "Code": ("CodeNumber", "CodeNotation"),
    "PromulgationInfo": ("Place", "PromulgationDate"),
    "DocumentType": ("Type", "TypeName"),
    "Subject": (),
    "Content": (),
    "SignerInfo": ("Competence", "Position", "FullName"),
    "DueDate": (),
    "ToPlaces": (),
    "OtherInfo": (
        *("Priority", "SphereOfPromulgation", "TyperNotation", "PromulgationAmount", "PageAmount", "Direction"),
        "Appendixes",
    ),
}
"""What its checkers demand of a document's header, in order; what follows (ResponseFor and so on) may be left out."""
_DATES = frozenset({"PromulgationDate", "DueDate"})
_MOMENTS = frozenset({"Timestamp"})


def pack_document(document: Document, *, now: dt.datetime | None = None) -> tuple[Piece, ...]:
    """The recipe of the file. Every attachment must have its content.

    Raises `EdxmlError("control-character")`.
    """
    header = _renamed(build.document_header(document))
    _complete(header)
    traces = document.traces or (TraceHeader(document.sender.code, values.write_moment(now) if now else ""),)
    change = _renamed(build.business(document)) if document.business != Business() else None
    envelope = _envelope(header, traces, change)
    body = etree.SubElement(envelope, _q(_SOAP, "Body"))
    manifest = etree.SubElement(body, _q(NAMESPACE, "Manifest"))
    for attachment in document.attachments:
        _reference(manifest, attachment)
    if not document.attachments:
        return (Literal(_bytes(envelope)),)
    holder = etree.SubElement(body, _q(NAMESPACE, "Attachments"))
    held = []
    for attachment in document.attachments:
        if attachment.content is None:
            raise ValueError(f"attachment {attachment.content_id} has no content")
        held.append(Encoded(attachment.content))
        _attachment(holder, attachment)
    return tuple(_around(_bytes(envelope).split(_SPLIT.encode()), held))


def pack_status(status: Status) -> tuple[Piece, ...]:
    """The recipe of a status: always one literal. Raises `EdxmlError("control-character")`."""
    return (Literal(_bytes(_envelope(_renamed(build.status_header(status)), ()))),)


def _q(namespace: str, name: str) -> str:
    return f"{{{namespace}}}{name}"


def _leaf(parent: etree._Element, name: str, text: str) -> None:
    if build.FORBIDDEN.search(text):
        raise EdxmlError("control-character", "a text holds a character that XML cannot carry")
    etree.SubElement(parent, _q(NAMESPACE, name)).text = text or None


def _renamed(element: bytes) -> etree._Element:
    """The same element in the older namespace, its dates day first."""
    old = etree.fromstring(element)
    return _copy(old, None)


def _copy(element: etree._Element, parent: etree._Element | None) -> etree._Element:
    name = etree.QName(element).localname
    assert etree.QName(element).namespace == EDXML_NAMESPACE
    tag = _q(NAMESPACE, name)
    copied = etree.Element(tag, nsmap=_NAMES) if parent is None else etree.SubElement(parent, tag)
    text = element.text
    if text and name in _DATES | _MOMENTS:
        text = _day_first(text)
    copied.text = text
    for child in element:
        _copy(child, copied)
    return copied


def _day_first(text: str) -> str:
    """`2026/03/02 08:00:00` as `02/03/2026 08:00:00`; what is not of that form stays."""
    day, space, clock = text.partition(" ")
    parts = day.split("/")
    return "/".join(reversed(parts)) + space + clock if len(parts) == 3 and len(parts[0]) == 4 else text


def _complete(header: etree._Element) -> None:
    """Put in, empty, what the checkers demand and the document does not say."""
    place = 0
    for name, inside in _WHOLE.items():
        found = header.findall(_q(NAMESPACE, name))
        if not found:
            found = [etree.Element(_q(NAMESPACE, name))]
            header.insert(place, found[0])
        for element in found:
            for index, child in enumerate(inside):
                if element.find(_q(NAMESPACE, child)) is None:
                    element.insert(index, etree.Element(_q(NAMESPACE, child)))
        place = header.index(found[-1]) + 1


def _envelope(
    header: etree._Element, traces: Sequence[TraceHeader], change: etree._Element | None = None
) -> etree._Element:
    envelope = etree.Element(_q(_SOAP, "Envelope"), nsmap=_NAMES)
    top = etree.SubElement(envelope, _q(_SOAP, "Header"))
    top.append(header)
    listed = etree.SubElement(top, _q(NAMESPACE, "TraceHeaderList"))
    for trace in traces:
        line = etree.SubElement(listed, _q(NAMESPACE, "TraceHeader"))
        _leaf(line, "OrganId", trace.organ)
        _leaf(line, "Timestamp", _day_first(trace.timestamp))
    if change is not None:
        listed.append(change)
    etree.SubElement(top, _q(NAMESPACE, "ErrorList"))
    return envelope


def _reference(manifest: etree._Element, attachment: Attachment) -> None:
    line = etree.SubElement(manifest, _q(NAMESPACE, "Reference"))
    line.set(_q(_XLINK, "href"), f"cid:{attachment.content_id}")
    line.set(_q(_XLINK, "type"), attachment.content_type)
    _leaf(line, "AttachmentName", attachment.name)
    _leaf(line, "Description", attachment.description)


def _attachment(holder: etree._Element, attachment: Attachment) -> None:
    one = etree.SubElement(holder, _q(NAMESPACE, "edXMLAttachment"))
    _leaf(one, "ContentID", attachment.content_id)
    _leaf(one, "ContentType", attachment.content_type)
    _leaf(one, "ContentTransferEncoding", "base64")
    etree.SubElement(one, _q(NAMESPACE, "Value")).append(etree.Comment(_SPLIT[4:-3]))


def _bytes(envelope: etree._Element) -> bytes:
    etree.cleanup_namespaces(envelope, keep_ns_prefixes=list(_NAMES))
    return etree.tostring(envelope, encoding="UTF-8", xml_declaration=True) + b"\n"


def _around(literals: Sequence[bytes], held: Iterable[Encoded]) -> Iterable[Piece]:
    """Each literal, and after all but the last an attachment's base64."""
    encoded = iter(held)
    for index, literal in enumerate(literals):
        yield Literal(literal)
        if index + 1 < len(literals):
            yield next(encoded)
