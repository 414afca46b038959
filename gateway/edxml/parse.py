"""Reads edXML as it streams by: attachments come out as bytes, the rest is kept and understood at the end.

Expat does the walking; nothing of an attachment is ever held. The envelope is kept as the very bytes of the file
(expat knows where each element begins), so that a signature can be checked on it. Every limit is enforced before what
it limits is built, and a DTD is refused at its first line, so no entity is ever declared, let alone expanded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn
from xml.parsers import expat

from gateway.edxml.decode import Base64Decoder
from gateway.edxml.findings import EdxmlError, Finding
from gateway.edxml.reading import Reader, read_attachments
from gateway.edxml.tree import Node
from gateway.model import Attachment, Document, Status

__all__ = [
    "AttachmentData",
    "AttachmentEnd",
    "EdxmlError",
    "Finding",
    "Limits",
    "Parsed",
    "SplitEvent",
    "Splitter",
    "read",
]

_EDXML_ROOTS = frozenset({"edXML", "EdXML"})
_ENVELOPES = frozenset({"edXMLEnvelope", "EdXMLEnvelope", "Envelope"})
_BODIES = frozenset({"edXMLBody", "EdXMLBody", "Body"})
_CONTAINERS = frozenset({"AttachmentEncoded", "Attachments"})
_CONTAINER_PARENTS = _EDXML_ROOTS | _ENVELOPES | _BODIES
_ATTACHMENTS = frozenset({"Attachment", "edXMLAttachment"})
_CONTENTS = frozenset({"ContentTransferEncoded", "Value"})
"""The second is Đồng Nai's, whose `ContentTransferEncoding` is but the word `base64`."""

_ENCODINGS = frozenset({"UTF-8", "UTF8", "UTF-16", "UTF-16LE", "UTF-16BE", "US-ASCII"})
_EXPAT_CODES = {
    expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]: "entity",
    expat.errors.codes[expat.errors.XML_ERROR_UNKNOWN_ENCODING]: "encoding",
    expat.errors.codes[expat.errors.XML_ERROR_INCORRECT_ENCODING]: "encoding",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may ask of us. The total size is the caller's, who knows the configuration."""

    depth: int = 64
    elements: int = 100_000
    attributes: int = 32
    """Per element."""
    attribute_size: int = 16 << 10
    """Characters of all attributes of an element."""
    text: int = 1 << 20
    """Characters of one text outside the attachments' base64."""
    envelope: int = 16 << 20
    """Bytes, and characters, of everything but the attachments' base64; no single tag may be longer."""


@dataclass(frozen=True, slots=True)
class AttachmentData:
    index: int
    data: bytes


@dataclass(frozen=True, slots=True)
class AttachmentEnd:
    index: int


SplitEvent = AttachmentData | AttachmentEnd


@dataclass(frozen=True, slots=True)
class Parsed:
    root: str
    """Its local name."""
    form: str
    """`qcvn102`, `e-doc` or `inet`."""
    document: Document | None
    status: Status | None
    attachments: tuple[Attachment, ...]
    """In the order of the file and of the events' indexes, without contents."""
    envelope: bytes
    """The file's own bytes (UTF-16 as UTF-8) from its root on, without the elements that hold attachments."""
    findings: tuple[Finding, ...]


class Splitter:
    """One file, fed in slices of any size. After an error it is of no further use."""

    def __init__(self, *, limit: int = 1 << 30, limits: Limits | None = None) -> None:
        self._limit = limit
        self._limits = limits or Limits()
        self._reader = Reader()
        self._total = 0
        self._head = b""
        self._parser: expat.XMLParserType | None = None
        self._encoding = "utf-8"
        self._events: list[SplitEvent] = []
        # The tree so far.
        self._root: Node | None = None
        self._stack: list[Node] = []
        self._elements = 0
        self._characters = 0
        self._text = 0
        self._namespaces: set[str] = set()
        # Attachments on their way.
        self._container: Node | None = None
        self._encoded: list[Node] = []
        self._has_content = False
        self._decoder: Base64Decoder | None = None
        # The envelope's bytes: `_pending` begins at byte `_at` of the file; all before `_mark` is decided.
        self._kept = bytearray()
        self._pending = bytearray()
        self._at = 0
        self._mark = 0
        self._keep = False
        self._keep_from_next = True

    def feed(self, data: bytes) -> list[SplitEvent]:
        """What the slice brought. Raises `EdxmlError`."""
        self._total += len(data)
        if self._total > self._limit:
            raise EdxmlError("too-large", f"the file is larger than {self._limit} bytes")
        if self._parser is None:
            data = self._head + data
            if len(data) < 4:
                self._head = data
                return []
            self._parser = self._start(data)
        self._pending += data
        self._parse(data, final=False)
        self._advance(self._parser.CurrentByteIndex)
        events, self._events = self._events, []
        return events

    def close(self) -> Parsed:
        """All but the attachments' bytes. Raises `EdxmlError`."""
        if self._parser is None:
            self._parser = self._start(self._head)
            self._pending += self._head
            self._parse(self._head, final=False)
        self._parse(b"", final=True)
        self._advance(self._total)
        assert self._root is not None
        envelope = bytes(self._kept)
        if self._encoding != "utf-8":
            envelope = envelope.decode(self._encoding).encode()
        return _understand(self._root, self._form(), self._encoded, envelope, self._reader)

    def so_far(self) -> Document | None:
        """Of a file that could not be read on: its header, where that had passed whole. Good for an answer, no more."""
        try:
            header = _parts(self._root)[0] if self._root else None
            message = header.only("MessageHeader") if header else None
        except EdxmlError:
            return None
        if message is None or any(message is node for node in self._stack) or message.child("StatusCode"):
            return None
        return Reader().document(message, None, ())

    # -- expat

    def _start(self, data: bytes) -> expat.XMLParserType:
        """The encoding is told by the first bytes: products declare one and write the other."""
        for mark, encoding in (
            (b"\xff\xfe", "utf-16-le"),
            (b"\xfe\xff", "utf-16-be"),
            (b"<\0", "utf-16-le"),
            (b"\0<", "utf-16-be"),
        ):
            if data.startswith(mark):
                self._encoding = encoding
        parser = expat.ParserCreate({"utf-16-le": "UTF-16LE", "utf-16-be": "UTF-16BE"}.get(self._encoding, "UTF-8"))
        parser.buffer_text = True
        parser.buffer_size = 256 << 10
        parser.XmlDeclHandler = self._on_declaration
        parser.StartDoctypeDeclHandler = self._on_doctype
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        parser.CharacterDataHandler = self._on_text
        return parser

    def _parse(self, data: bytes, *, final: bool) -> None:
        assert self._parser is not None
        try:
            self._parser.Parse(data, final)
        except expat.ExpatError as error:
            code = _EXPAT_CODES.get(error.code, "not-xml")
            where = f"line {error.lineno}, column {error.offset}"
            raise EdxmlError(code, expat.ErrorString(error.code) or "not XML", where) from None

    def _on_declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is None:
            return
        if encoding.upper() not in _ENCODINGS:
            raise EdxmlError("encoding", "declares another encoding than UTF-8 or UTF-16", "line 1")
        if encoding.upper().startswith("UTF-16") is (self._encoding == "utf-8"):
            self._reader.note("encoding-mislabelled", "info", "line 1", "declares another encoding than it is in")

    def _on_doctype(self, *_: object) -> NoReturn:
        raise EdxmlError("dtd", "a document type definition is never read", self._line())

    def _on_start(self, name: str, attributes: dict[str, str]) -> None:
        if self._keep_from_next:
            self._resume()
        limits, stack = self._limits, self._stack
        self._elements += 1
        if self._elements > limits.elements:
            raise EdxmlError("too-many-elements", f"more than {limits.elements} elements")
        if len(stack) >= limits.depth:
            raise EdxmlError("depth", f"elements nest deeper than {limits.depth}", self._line())
        if self._decoder is not None:
            raise EdxmlError("base64-bad", "an element stands inside an attachment's base64", self._where())
        if attributes:
            self._check_attributes(attributes)
        node = Node(name.rpartition(":")[2], attributes)
        if not stack:
            if node.name not in _EDXML_ROOTS | _ENVELOPES:
                raise EdxmlError("root", "the root element is none that edXML is known by", self._line())
            self._root = node
        else:
            parent = stack[-1]
            parent.children.append(node)
            if self._container is None:
                if node.name in _CONTAINERS and all(above.name in _CONTAINER_PARENTS for above in stack):
                    self._enter_container(node)
            else:
                self._on_start_of_attachment(node, parent)
        stack.append(node)
        self._text = 0

    def _on_start_of_attachment(self, node: Node, parent: Node) -> None:
        if parent is self._container:
            if node.name in _ATTACHMENTS:
                self._encoded.append(node)
                self._has_content = False
        elif node.name in _CONTENTS and self._encoded and parent is self._encoded[-1]:
            if self._has_content:
                raise EdxmlError("repeated", "an attachment has two contents", self._where())
            self._has_content = True
            self._decoder = Base64Decoder(self._where)

    def _on_end(self, _name: str) -> None:
        if self._keep_from_next:
            self._resume()
        node = self._stack.pop()
        self._text = 0
        if self._container is None:
            return
        if self._decoder is not None:
            self._decoder.end()
            self._decoder = None
        elif node is self._container:
            self._container = None
            self._keep_from_next = True
        elif self._encoded and node is self._encoded[-1]:
            if not self._has_content:
                self._reader.note("attachment-empty", "error", self._where(), "an attachment without a content")
            self._events.append(AttachmentEnd(len(self._encoded) - 1))

    def _on_text(self, text: str) -> None:
        if self._decoder is not None:
            if data := self._decoder.decode(text):
                self._events.append(AttachmentData(len(self._encoded) - 1, data))
            return
        self._text += len(text)
        self._characters += len(text)
        if self._text > self._limits.text or self._characters > self._limits.envelope:
            raise EdxmlError("too-large", "a text outside the attachments is too long", self._line())
        self._stack[-1].pieces.append(text)

    def _check_attributes(self, attributes: dict[str, str]) -> None:
        size = sum(map(len, attributes)) + sum(map(len, attributes.values()))
        if len(attributes) > self._limits.attributes or size > self._limits.attribute_size:
            raise EdxmlError("too-large", "an element has too many or too long attributes", self._line())
        self._characters += size
        self._namespaces.update(uri for name, uri in attributes.items() if name.startswith("xmlns"))

    # -- the envelope's own bytes

    def _enter_container(self, node: Node) -> None:
        assert self._parser is not None
        self._container = node
        self._advance_mark(self._parser.CurrentByteIndex)
        self._keep = False

    def _resume(self) -> None:
        """The first event after the prolog or a container: from here on bytes are kept again."""
        assert self._parser is not None
        self._keep_from_next = False
        self._keep = True
        self._mark = self._parser.CurrentByteIndex

    def _advance_mark(self, index: int) -> None:
        if self._keep:
            self._kept += self._pending[self._mark - self._at : index - self._at]
            if len(self._kept) > self._limits.envelope:
                raise EdxmlError("too-large", "the file without its attachments is too large")
        self._mark = index

    def _advance(self, index: int) -> None:
        """Expat has passed all before `index`; what follows is a tag or text not yet whole."""
        self._advance_mark(index)
        del self._pending[: index - self._at]
        self._at = index
        if len(self._pending) > self._limits.envelope:
            raise EdxmlError("too-large", "a single tag is too long")

    # -- words

    def _line(self) -> str:
        assert self._parser is not None
        return f"line {self._parser.CurrentLineNumber}"

    def _where(self) -> str:
        """The attachment that is passing, by name where the file has told it by now."""
        assert self._root is not None
        if not self._encoded:
            return "AttachmentEncoded"
        manifest = _parts(self._root)[2]
        return read_attachments(Reader(), self._encoded, manifest)[-1].name

    def _form(self) -> str:
        if any("inetcloud.vn" in uri for uri in self._namespaces):
            return "inet"
        if any("www.e-doc.vn" in uri for uri in self._namespaces):
            return "e-doc"
        assert self._root is not None
        return "e-doc" if self._root.name == "Envelope" else "qcvn102"


def read(data: bytes, *, limits: Limits | None = None) -> Parsed:
    """A whole file at once, its attachments dropped: for small files. Raises `EdxmlError`."""
    splitter = Splitter(limit=len(data), limits=limits)
    splitter.feed(data)
    return splitter.close()


def _parts(root: Node) -> tuple[Node | None, Node | None, Node | None]:
    """Header, body's manifest: by their one place, never by name alone, so that nothing can stand in for them."""
    envelope = root if root.name in _ENVELOPES else root.only(*_ENVELOPES)
    if envelope is None:
        return None, None, None
    header = envelope.only("edXMLHeader", "EdXMLHeader", "Header")
    body = envelope.only(*_BODIES)
    manifest = body.only("edXMLManifest", "EdXMLManifest", "Manifest") if body else None
    return header, body, manifest


def _understand(root: Node, form: str, encoded: Iterable[Node], envelope: bytes, reader: Reader) -> Parsed:
    header, body, manifest = _parts(root)
    message = header.only("MessageHeader", "Status") if header else None
    if message is None and body:
        message = body.only("Status")
    if message is None:
        raise EdxmlError("header-missing", "no MessageHeader in its place")
    attachments = read_attachments(reader, list(encoded), manifest)
    is_status = message.name == "Status" or message.child("StatusCode") is not None
    traces = header.only("TraceHeaderList") if header else None
    reader.error_list(header.only("ErrorList") if header else None)
    return Parsed(
        root=root.name,
        form=form,
        document=None if is_status else reader.document(message, traces, attachments),
        status=reader.status(message) if is_status else None,
        attachments=attachments,
        envelope=envelope,
        findings=tuple(reader.findings),
    )
