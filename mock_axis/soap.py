"""SOAP 1.1 with parts on aiohttp's server side: taking requests apart, and putting replies on the wire.

Both root types are taken (`text/xml`, and `application/xop+xml` as stacks that know only MTOM write it). The file's
bytes pass through; nothing here holds them.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import BadHttpMessage
from lxml import etree

import schemas
from mock_axis import xmlsig
from mock_axis.edxml_reading import EdxmlReader, Read
from mock_axis.wssecurity import SOAP
from mock_axis.xmlsig import BadSignature, NotXml

AX = schemas.AXIS_NAMESPACE
ENVELOPE_LIMIT = 1 << 20
IN_MEMORY = 1 << 20
PIECE = 256 << 10
UNREADABLE = (ValueError, AssertionError, BadHttpMessage)
"""What aiohttp raises for a multipart body that is none."""
ROOT_TYPES = {"text/xml", "application/xop+xml"}
_SCHEMA = etree.XMLSchema(etree.parse(str(schemas.path("axis/axis.xsd"))))


class AxisFault(Exception):
    """A request that is not granted; becomes the signed fault of that code."""

    def __init__(
        self, code: str, message: str, *, organ: str = "", server_time: str = "", retry_after: int | None = None
    ) -> None:
        super().__init__(code)
        self.code, self.message, self.organ = code, message, organ
        self.server_time, self.retry_after = server_time, retry_after


@dataclass(frozen=True, slots=True)
class Binding:
    """What ties a reply to its request."""

    request_id: str = ""
    signature_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came beside an envelope, its bytes safe in memory or in a synced file."""

    content: bytes | Path
    size: int
    sha256: str
    read: Read


# --- requests ---------------------------------------------------------------------------------------------------


async def read_envelope(request: web.Request) -> tuple[bytes, MultipartReader | None]:
    """The envelope, and what is left to read beside it. Raises `AxisFault`."""
    if request.content_type in ROOT_TYPES:
        return await _limited(request.content.iter_chunked(PIECE)), None
    if request.content_type != "multipart/related":
        raise AxisFault("BadForm", "text/xml or multipart/related is expected")
    try:
        parts = await request.multipart()
    except UNREADABLE:
        raise AxisFault("BadForm", "the multipart body cannot be read") from None
    root = await _next(parts)
    if root is None or _media_type(root) not in ROOT_TYPES:
        raise AxisFault("BadForm", "the first part is not the envelope")
    _refuse_encoding(root)
    return await _limited(_chunks(root)), parts


async def _next(parts: MultipartReader) -> BodyPartReader | None:
    try:
        part = await parts.next()
    except UNREADABLE:
        raise AxisFault("BadForm", "the multipart body cannot be read") from None
    return part if isinstance(part, BodyPartReader) else None


async def _limited(chunks: AsyncIterator[bytes]) -> bytes:
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > ENVELOPE_LIMIT:
            raise AxisFault("TooLarge", "the envelope is too large")
    return bytes(data)


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    try:
        while chunk := await part.read_chunk(PIECE):
            yield chunk
    except UNREADABLE:
        raise AxisFault("BadForm", "the multipart body is cut off") from None


def _media_type(part: BodyPartReader) -> str:
    return part.headers.get("Content-Type", "text/xml").partition(";")[0].strip().lower()


def _refuse_encoding(part: BodyPartReader) -> None:
    if part.headers.get("Content-Transfer-Encoding", "binary").strip().lower() not in {"binary", "8bit", "7bit"}:
        raise AxisFault("BadForm", "a part is encoded")


def payload(body: etree._Element) -> etree._Element:
    """The one element of a verified Body, valid by `axis.xsd`. Raises `AxisFault`."""
    children = list(body.iterchildren("*"))
    if len(children) != 1 or not _SCHEMA.validate(children[0]):
        raise AxisFault("BadForm", "the Body is not of the form of axis.xsd")
    return children[0]


def binding(envelope: bytes) -> Binding:
    """What a reply can repeat of a request that may not be trusted: empty where it cannot be read."""
    try:
        root = xmlsig.parse(envelope)
        request_id = root.findtext(f"{{{SOAP}}}Body/*/{{{AX}}}RequestId") or ""
        value = root.find(f"{{{SOAP}}}Header//{{{xmlsig.DS}}}SignatureValue")
        digest = hashlib.sha256(xmlsig.decode(value)).digest() if value is not None else b""
    except (NotXml, BadSignature):
        return Binding()
    usable = 16 <= len(request_id) <= 64 and request_id.replace("-", "").isalnum() and request_id.isascii()
    return Binding(request_id if usable else "", digest)


def get(element: etree._Element, *names: str) -> str:
    return element.findtext("/".join(f"{{{AX}}}{name}" for name in names)) or ""


def number(element: etree._Element, *names: str) -> int:
    """A number of the request; `axis.xsd` lets it have any length. Raises `AxisFault`."""
    digits = get(element, *names).strip()
    if len(digits) > 18:
        raise AxisFault("TooLarge", f"{names[-1]} is beyond any use")
    return int(digits)


async def read_upload(parts: MultipartReader | None, content_id: str, size: int, draft: Path) -> Upload:
    """The next part, which must be the one named. Raises `AxisFault`, `edxml_reading.BadForm`."""
    part = await _next(parts) if parts is not None else None
    if part is None:
        raise AxisFault("BadForm", "the file part is missing")
    _refuse_encoding(part)
    if part.headers.get("Content-ID", "").strip().strip("<>") != content_id:
        raise AxisFault("BadForm", "the file part is not the one that the Body names")
    spool = Spool(draft)
    try:
        async for chunk in _chunks(part):
            if spool.size + len(chunk) > size:
                raise AxisFault("WrongDigest", "the part is longer than the Body says")
            await spool.add(chunk)
        return await spool.finish()
    finally:
        spool.close()


class Spool:
    """Hashes and reads a file as it passes; small ones stay in memory, others go to disk."""

    def __init__(self, draft: Path) -> None:
        self.size = 0
        self._draft = draft
        self._hash = hashlib.sha256()
        self._reader = EdxmlReader()
        self._held = bytearray()
        self._file: int | None = None
        self._kept = False

    async def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._held += chunk
        if len(self._held) >= IN_MEMORY:
            await asyncio.to_thread(self._flush)

    async def finish(self) -> Upload:
        if self._file is None:
            data = bytes(self._held)
            self._hash.update(data)
            self._reader.feed(data)
            return Upload(data, self.size, self._hash.hexdigest(), self._reader.close())
        await asyncio.to_thread(self._flush, last=True)
        read = self._reader.close()
        self._kept = True
        return Upload(self._draft, self.size, self._hash.hexdigest(), read)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
            if not self._kept:
                self._draft.unlink()

    def _flush(self, *, last: bool = False) -> None:
        if self._file is None:
            self._file = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        data, self._held = bytes(self._held), bytearray()
        self._hash.update(data)
        self._reader.feed(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        if last:
            os.fsync(self._file)


# --- replies ----------------------------------------------------------------------------------------------------


def element(name: str, content: str) -> str:
    """A child of a reply; `content` is canonical XML already."""
    return f"<ax:{name}>{content}</ax:{name}>"


def field(name: str, value: str) -> str:
    return element(name, xmlsig.text(value))


def reply_body(operation: str, bound: Binding, system: str, fields: str) -> str:
    head = field("RequestId", bound.request_id) + field("RequestSignatureDigest", xmlsig.b64(bound.signature_digest))
    name = f"{operation}Response"
    return f'<ax:{name} xmlns:ax="{AX}">{head}{field("SystemId", system)}{fields}</ax:{name}>'


def fault_body(fault: AxisFault, bound: Binding, system: str) -> str:
    detail = field("RequestId", bound.request_id) if bound.request_id else ""
    if bound.signature_digest:
        detail += field("RequestSignatureDigest", xmlsig.b64(bound.signature_digest))
    detail += field("SystemId", system) + field("Code", fault.code) + field("Message", fault.message)
    if fault.organ:
        detail += field("OrganId", fault.organ[:35])
    if fault.server_time:
        detail += field("ServerTime", fault.server_time)
    if fault.retry_after is not None:
        detail += field("RetryAfter", str(fault.retry_after))
    side = "Server" if fault.code == "Busy" else "Client"
    return (
        # `soap` is declared around it already: a second declaration would not be canonical.
        f"<soap:Fault><faultcode>soap:{side}</faultcode>"
        f"<faultstring>{fault.code}</faultstring>"
        f'<detail><ax:AxisFault xmlns:ax="{AX}">{detail}</ax:AxisFault></detail></soap:Fault>'
    )


class Outgoing:
    """The body of an HTTP reply: bytes, and perhaps a file between them, of known length."""

    def __init__(
        self, content_type: str, head: bytes, size: int = 0, pieces: Iterable[bytes] = (), tail: bytes = b""
    ) -> None:
        self.content_type = content_type
        self.length = len(head) + size + len(tail)
        self._head, self._pieces, self._tail = head, iter(pieces), tail

    def whole(self) -> bytes:
        """All of it; for what is known to be small. Blocking."""
        return b"".join((self._head, *self._pieces, self._tail))

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._head
        while piece := await asyncio.to_thread(next, self._pieces, b""):
            yield piece
        yield self._tail


def with_file(envelope: bytes, content_id: str, size: int, pieces: Iterator[bytes], *, xop: bool) -> Outgoing:
    """An envelope and the file beside it, as multipart/related."""
    boundary = f"axis-{uuid.uuid4().hex}"
    root = "application/xop+xml" if xop else "text/xml"
    start_info = ' start-info="text/xml";' if xop else ""
    root_type = f'{root}; charset=UTF-8; type="text/xml"' if xop else f"{root}; charset=UTF-8"
    head = (
        f"--{boundary}\r\nContent-Type: {root_type}\r\nContent-Transfer-Encoding: 8bit\r\n"
        "Content-ID: <envelope@axis>\r\n\r\n"
    ).encode() + envelope
    head += (
        f"\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n"
        f"Content-ID: <{content_id}>\r\n\r\n"
    ).encode()
    content_type = f'multipart/related; boundary="{boundary}"; type="{root}";{start_info} start="<envelope@axis>"'
    return Outgoing(content_type, head, size, pieces, f"\r\n--{boundary}--\r\n".encode())
