"""Reading an edXML file as it streams past: who, to whom, about what, and the digest of each attachment.

Attachments are never held: their base64 text is decoded and hashed on the way, and cut out of the *skeleton*, the
rest of the file, on which signatures are checked. Order, prefixes and spelling of the header do not matter here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pyexpat import ExpatError, ParserCreate

import pybase64
from lxml import etree

from mock_axis import xmlsig

SKELETON_LIMIT = 4 << 20
DEPTH_LIMIT = 64
TAG_LIMIT = 1 << 16
ROOTS = {"edxml", "edxmlenvelope"}


class BadForm(Exception):
    """The file cannot be read as edXML; the text says why, without any of its content."""


@dataclass(frozen=True, slots=True)
class Read:
    """What an axis must know of a file."""

    kind: str
    """`document` | `status`"""
    sender: str
    to: tuple[str, ...]
    """Of a status: the organ of ResponseFor."""
    document_id: str
    """Of a status: the document it is about."""
    code: str
    """Number/notation; of a status: of the document it is about."""
    promulgation_date: str
    priority: int
    attachments: tuple[tuple[str, str], ...]
    """(content id without `cid:`, SHA-256 of the raw bytes), in the file's order."""
    status_code: str
    description: str
    timestamp: str
    skeleton: bytes
    root: etree._Element
    """The skeleton, parsed; for looking at only."""


class EdxmlReader:
    """Feed it the bytes of one file, then `close()`."""

    def __init__(self) -> None:
        self._parser = ParserCreate(namespace_separator="}")
        self._parser.buffer_text = False
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._depth = 0
        self._encoded_at: int | None = None
        self._cut_from: int | None = None
        self._cuts: list[tuple[int, int]] = []
        self._window = bytearray()
        self._window_at = 0
        self._skeleton = bytearray()
        self._digest = hashlib.sha256()
        self._rest = ""
        self._digests: list[str] = []

    def feed(self, data: bytes) -> None:
        """Raises `BadForm`."""
        self._window += data
        try:
            self._parser.Parse(data, False)
        except (ExpatError, LookupError):  # the latter of an encoding that Python does not know
            raise BadForm("not well-formed XML") from None
        self._move_window()

    def close(self) -> Read:
        """Raises `BadForm`."""
        try:
            self._parser.Parse(b"", True)
        except (ExpatError, LookupError):
            raise BadForm("not well-formed XML, or cut off") from None
        self._move_window(final=True)
        try:
            root = xmlsig.parse(bytes(self._skeleton))
        except xmlsig.NotXml as exc:
            raise BadForm(str(exc)) from None
        return _interpret(root, self._digests, bytes(self._skeleton))

    # --- expat's events ---

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        del attributes
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise BadForm("too deep")
        if self._encoded_at is not None:
            raise BadForm("an element inside an attachment's content")
        if name.rpartition("}")[2] == "ContentTransferEncoded":
            self._encoded_at = self._depth
            self._digest = hashlib.sha256()
            self._rest = ""

    def _characters(self, data: str) -> None:
        if self._encoded_at is None:
            return
        if self._cut_from is None:
            self._cut_from = self._parser.CurrentByteIndex
        encoded = self._rest + "".join(data.split())
        whole = len(encoded) - len(encoded) % 4
        self._rest = encoded[whole:]
        self._decode(encoded[:whole])

    def _end(self, name: str) -> None:
        del name
        if self._encoded_at == self._depth:
            if self._rest:
                raise BadForm("an attachment's base64 is cut off")
            self._digests.append(self._digest.hexdigest())
            if self._cut_from is not None:
                self._cuts.append((self._cut_from, self._parser.CurrentByteIndex))
            self._cut_from = self._encoded_at = None
        self._depth -= 1

    def _refuse_doctype(self, *_: object) -> None:
        raise BadForm("a document type is not allowed")

    def _decode(self, encoded: str) -> None:
        try:
            self._digest.update(pybase64.b64decode(encoded, validate=True))
        except ValueError:
            raise BadForm("an attachment is not base64") from None

    # --- the skeleton ---

    def _move_window(self, *, final: bool = False) -> None:
        """Move what is decided from the window to the skeleton; what was cut is dropped."""
        for start, end in self._cuts:
            if end < self._window_at:
                raise BadForm("a tag is too long")
            self._take(start)
            self._drop(end)
        self._cuts.clear()
        # The end tag of an attachment may already be in the window, half; nothing else waits there.
        if self._cut_from is not None:
            self._take(self._cut_from)
            self._drop(self._window_at + max(0, len(self._window) - TAG_LIMIT))
        elif final or self._encoded_at is None:
            keep = 0 if final else TAG_LIMIT
            self._take(self._window_at + max(0, len(self._window) - keep))
        if len(self._skeleton) > SKELETON_LIMIT or len(self._window) > SKELETON_LIMIT:
            raise BadForm("too large beside its attachments")

    def _take(self, until: int) -> None:
        if until > self._window_at:
            self._skeleton += self._window[: until - self._window_at]
            self._drop(until)

    def _drop(self, until: int) -> None:
        if until > self._window_at:
            del self._window[: until - self._window_at]
            self._window_at = until


# --- what the header says ---------------------------------------------------------------------------------------


def local(element: etree._Element) -> str:
    """Its name without namespace; empty for comments and processing instructions, which the stubs leave out."""
    return str(element.tag).rpartition("}")[2] if element.tag.__class__ is str else ""


def child(element: etree._Element | None, *names: str) -> etree._Element | None:
    """The first descendant down this road of local names."""
    for name in names:
        if element is None:
            return None
        element = next((kid for kid in element if local(kid) == name), None)
    return element


def value(element: etree._Element | None, *names: str) -> str:
    found = child(element, *names)
    return "" if found is None else (found.text or "").strip()


def recalled(read: Read) -> tuple[str, ...]:
    """DocumentIds that a document of type 1 asks back; none of any other file."""
    header = find_header(read.root)
    message = child(header, "MessageHeader")
    if header is None or message is None or read.kind != "document":
        return ()
    said = [e for e in header.iter() if local(e) in {"Bussiness", "Business"}]
    if not any(value(e, "BussinessDocType") == "1" for e in said):
        return ()
    named = [e for e in message if local(e) == "ResponseFor"]
    return tuple(dict.fromkeys(found for e in named if (found := value(e, "DocumentId"))))


def without_cid(content_id: str) -> str:
    return content_id.strip().removeprefix("cid:")


def find_header(root: etree._Element) -> etree._Element | None:
    """The edXMLHeader, wherever the root puts it."""
    return next((element for element in root.iter() if local(element).lower() == "edxmlheader"), None)


def _interpret(root: etree._Element, digests: list[str], skeleton: bytes) -> Read:
    if local(root).lower() not in ROOTS:
        raise BadForm("not edXML: another root")
    header = child(find_header(root), "MessageHeader")
    if header is None:
        raise BadForm("no MessageHeader")
    status_code = value(header, "StatusCode")
    about = child(header, "ResponseFor")
    if status_code:
        to = [value(about, "OrganId")]
    else:
        to = [value(element, "OrganId") for element in header if local(element) == "To"]
    attached = [element for element in root.iter() if local(element) == "ContentTransferEncoded"]
    attachments = tuple(
        (without_cid(value(element.getparent(), "ContentId")), digest)
        for element, digest in zip(attached, digests, strict=True)
    )
    read = Read(
        kind="status" if status_code else "document",
        sender=value(header, "From", "OrganId"),
        to=tuple(to),
        document_id=value(about, "DocumentId") if status_code else value(header, "DocumentId"),
        code=value(about, "Code") if status_code else _code(header),
        promulgation_date=value(header, "PromulgationInfo", "PromulgationDate"),
        priority=_priority(value(header, "OtherInfo", "Priority")),
        attachments=attachments,
        status_code=status_code,
        description=value(header, "Description"),
        timestamp=value(header, "Timestamp"),
        skeleton=skeleton,
        root=root,
    )
    if not read.sender or not read.to or not all(read.to) or not read.document_id:
        raise BadForm("From, To or DocumentId is missing")
    return read


def _code(header: etree._Element) -> str:
    number, notation = value(header, "Code", "CodeNumber"), value(header, "Code", "CodeNotation")
    return f"{number}/{notation}" if notation else number


def _priority(raw: str) -> int:
    return int(raw) if raw.isdecimal() and len(raw) == 1 else 0
