"""From the small tree to our model, in every spelling and date form known from real traffic.

Order never matters. What cannot be understood becomes None and a finding, so that one impossible date does not cost
the document; what a rule forbids is for others to say.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from gateway.edxml import values
from gateway.edxml.codes import PRIORITIES, read_status
from gateway.edxml.findings import Finding, Severity
from gateway.edxml.tree import Node
from gateway.model import (
    Attachment,
    Business,
    Document,
    Organ,
    ReceiverChange,
    Replacement,
    ResponseFor,
    Signer,
    Staff,
    Status,
    TraceHeader,
)

T = TypeVar("T")

_BUSINESS = ("Bussiness", "Business")
_NOTHING = Node("", {})
_MOST_FINDINGS = 200
"""A hostile file could earn one per element."""


class Reader:
    """Reads one header, collecting findings."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def note(self, code: str, severity: Severity, where: str, message: str) -> None:
        if len(self.findings) < _MOST_FINDINGS:
            self.findings.append(Finding(code, severity, where, message))

    # -- leaves

    def _read(self, node: Node, names: tuple[str, ...], how: Callable[[str], T], what: str) -> T | None:
        text = node.value(*names)
        if not text:
            return None
        where = f"{node.name}/{names[0]}"
        try:
            return how(text)
        except values.Impossible:
            self.note("date-impossible", "warning", where, "no such day exists")
        except ValueError:
            self.note(f"{what}-unreadable", "warning", where, f"this is no {what}")
        return None

    def date(self, node: Node, *names: str) -> dt.date | None:
        return self._read(node, names, values.read_date, "date")

    def number(self, node: Node, *names: str) -> int | None:
        return self._read(node, names, values.read_number, "number")

    def yes(self, node: Node, *names: str) -> bool | None:
        return self._read(node, names, values.read_yes, "flag")

    # -- branches

    def document(self, header: Node, traces: Node | None, attachments: Sequence[Attachment]) -> Document:
        kind = header.child("DocumentType") or _NOTHING
        place = header.child("PromulgationInfo") or _NOTHING
        other = header.child("OtherInfo") or _NOTHING
        code = header.child("Code") or _NOTHING
        places = header.child("ToPlaces") or _NOTHING
        appendixes = other.child("Appendixes") or _NOTHING
        traces = traces or _NOTHING
        business = traces.child(*_BUSINESS) or header.child(*_BUSINESS)
        document = Document(
            sender=self.organ(header.child("From")),
            to=tuple(self.organ(node) for node in header.all("To")),
            document_id=header.value("DocumentId"),
            number=code.value("CodeNumber"),
            notation=code.value("CodeNotation"),
            subject=header.value("Subject"),
            promulgation_date=self.date(place, "PromulgationDate"),
            place=place.value("Place"),
            type=self.number(kind, "Type"),
            type_detail=self.number(kind, "TypeDetail"),
            type_name=kind.value("TypeName"),
            summary=header.value("Content"),
            signer=self.signer(header.child("SignerInfo")),
            due_date=self.date(header, "DueDate"),
            to_places=tuple(text for node in places.all("Place") if (text := node.text)),
            priority=self.priority(other),
            sphere=other.value("SphereOfPromulgation"),
            typer_notation=other.value("TyperNotation"),
            promulgation_amount=self.number(other, "PromulgationAmount"),
            page_amount=self.number(other, "PageAmount"),
            direction=self.yes(other, "Direction"),
            appendixes=tuple(text for node in appendixes.all("Appendix", "Appendixe") if (text := node.text)),
            response_for=tuple(self.response_for(node) for node in header.all("ResponseFor")),
            steering_type=self.number(header, "SteeringType"),
            business=self.business(business) if business else Business(),
            traces=tuple(self.trace(node) for node in traces.all("TraceHeader")),
            attachments=tuple(attachments),
        )
        for missing, is_missing in (
            ("MessageHeader/From/OrganId", not document.sender.code),
            ("MessageHeader/To", not document.to),
            ("MessageHeader/DocumentId", not document.document_id),
            ("MessageHeader/Code/CodeNumber", not document.number),
            ("MessageHeader/Subject", not document.subject),
        ):
            if is_missing:
                self.missing(missing)
        return document

    def status(self, header: Node) -> Status:
        named = header.child("ResponseFor")
        if named is None:
            self.missing(f"{header.name}/ResponseFor")
        sender = self.organ(header.child("From"))
        if not sender.code:
            self.missing(f"{header.name}/From/OrganId")
        code = header.value("StatusCode")
        if not code:
            self.missing(f"{header.name}/StatusCode")
        elif read_status(code) != code:
            self.note("status-code-form", "info", f"{header.name}/StatusCode", "not the written form of a status code")
        staff = header.child("StaffInfo")
        return Status(
            sender=sender,
            response_for=self.response_for(named) if named else ResponseFor(""),
            code=read_status(code),
            description=header.value("Description"),
            timestamp=self._read(header, ("Timestamp",), values.read_moment, "date"),
            staff=self.staff(staff) if staff else None,
        )

    def missing(self, where: str) -> None:
        self.note("missing", "error", where, "nothing stands here")

    def organ(self, node: Node | None) -> Organ:
        node = node or _NOTHING
        return Organ(
            code=node.value("OrganId"),
            name=node.value("OrganName"),
            in_charge=node.value("OrganizationInCharge"),
            address=node.value("OrganAdd"),
            email=node.value("Email"),
            telephone=node.value("Telephone"),
            fax=node.value("Fax"),
            website=node.value("Website"),
        )

    def signer(self, node: Node | None) -> Signer | None:
        if node is None or not node.children:
            return None
        return Signer(node.value("Competence"), node.value("Position", "Function"), node.value("FullName"))

    def staff(self, node: Node) -> Staff:
        return Staff(
            department=node.value("Department"),
            staff=node.value("Staff"),
            mobile=node.value("Mobile"),
            email=node.value("Email"),
            department_id=node.value("DepartmentId"),
            staff_id=node.value("StaffId"),
        )

    def response_for(self, node: Node) -> ResponseFor:
        return ResponseFor(
            organ=node.value("OrganId"),
            code=node.value("Code"),
            document_id=node.value("DocumentId"),
            promulgation_date=self.date(node, "PromulgationDate"),
        )

    def trace(self, node: Node) -> TraceHeader:
        organ = node.value("OrganId")
        if organ in {"", "null"}:
            self.note("trace-without-organ", "info", "TraceHeaderList/TraceHeader", "a trace that names no organ")
        return TraceHeader(organ, node.value("Timestamp"))

    def priority(self, other: Node) -> int:
        priority = self.number(other, "Priority") or 0
        if priority not in PRIORITIES:
            self.note("priority-unknown", "warning", "OtherInfo/Priority", "outside 0-4, read as 0")
            return 0
        return priority

    def business(self, node: Node) -> Business:
        info = node.child("BussinessDocumentInfo", "BusinessDocumentInfo") or _NOTHING
        receivers = info.child("ReceiverList") or _NOTHING
        replaced = node.child("ReplacementInfoList") or _NOTHING
        staff = node.child("StaffInfo")
        return Business(
            type=self.number(node, "BussinessDocType", "BusinessDocType") or 0,
            reason=node.value("BussinessDocReason", "BusinessDocReason"),
            paper=self.number(node, "Paper"),
            document_id=node.value("DocumentId"),
            document_changed=self.yes(info, "DocumentInfo"),
            receivers_changed=self.yes(info, "DocumentReceiver"),
            receiver_changes=tuple(
                ReceiverChange(receiver.value("OrganId"), bool(self.yes(receiver, "ReceiverType")))
                for receiver in receivers.all("Receiver")
            ),
            replacements=tuple(
                Replacement(
                    old.value("DocumentId"),
                    tuple(organ.text for organ in (old.child("OrganIdList") or _NOTHING).all("OrganId")),
                )
                for old in replaced.all("ReplacementInfo")
            ),
            staff=self.staff(staff) if staff else None,
        )

    def error_list(self, node: Node | None) -> None:
        """What another system put into the file about its own troubles: carried as findings, without its words."""
        for error in node.all("Error") if node else ():
            code = error.value("Code", "ErrCode")
            if code not in {"", "0"}:
                shown = code if code.isascii() and code.isalnum() and len(code) <= 20 else "unnamed"
                self.note("error-list", "info", "ErrorList/Error", f"the file carries error {shown}")


# -- attachments


def strip_cid(content_id: str) -> str:
    """`cid:` stands in both places, in one, or in none; some mailers add angle brackets."""
    bare = content_id.strip("<>")
    return bare[4:] if bare[:4].lower() == "cid:" else bare


def read_attachments(reader: Reader, encoded: Sequence[Node], manifest: Node | None) -> tuple[Attachment, ...]:
    """The file's attachments in its order, each beside its line of the manifest.

    Lines match by content id, else by name, else by place, as real files need.
    """
    references = list(manifest.all("Reference")) if manifest else []
    matched = _match(encoded, references)
    attachments = tuple(_attachment(reader, i, node, reference) for i, (node, reference) in enumerate(matched, start=1))
    used = {id(reference) for _, reference in matched}
    for reference in references:
        if id(reference) not in used:
            where = _name(reference) or _content_id(reference)
            reader.note("attachment-missing", "error", where, "listed in the manifest, but not in the file")
    for code, found in (
        ("content-id-repeated", [a.content_id for a in attachments]),
        ("name-repeated", [a.name for a in attachments]),
    ):
        for repeated in sorted(one for one, times in Counter(found).items() if times > 1):
            severity: Severity = "error" if code == "content-id-repeated" else "info"
            reader.note(code, severity, repeated, "stands at more than one attachment")
    return attachments


def _content_id(node: Node) -> str:
    href = next((text for key, text in node.attributes.items() if key.rpartition(":")[2] == "href"), "")
    return strip_cid(node.value("ContentId", "ContentID") or href)


def _name(node: Node) -> str:
    return node.value("AttachmentName", "FileName")


def _match(encoded: Sequence[Node], references: Sequence[Node]) -> list[tuple[Node, Node | None]]:
    left = list(references)
    found: list[Node | None] = [None] * len(encoded)
    for key in (_content_id, _name):
        waiting: dict[str, list[Node]] = {}
        for reference in left:
            waiting.setdefault(key(reference), []).append(reference)
        for i, node in enumerate(encoded):
            if found[i] is None and key(node) and (candidates := waiting.get(key(node))):
                found[i] = candidates.pop(0)
        taken = {id(reference) for reference in found}
        left = [reference for reference in left if id(reference) not in taken]
    if len(left) == found.count(None):
        by_place = iter(left)
        found = [reference or next(by_place) for reference in found]
    return list(zip(encoded, found, strict=True))


def _attachment(reader: Reader, number: int, node: Node, reference: Node | None) -> Attachment:
    line = reference or _NOTHING
    content_id = _content_id(node) or _content_id(line) or f"attachment-{number}"
    name = _name(node) or _name(line) or content_id
    if reference is None:
        reader.note("attachment-unlisted", "warning", name, "in the file, but not in the manifest")
    declared, listed = node.value("ContentType"), line.value("ContentType")
    if declared and listed and declared != listed:
        reader.note("content-type-disagrees", "info", name, "manifest and attachment name different types")
    return Attachment(
        content_id=content_id,
        name=name,
        content_type=declared or listed or node.value("MimeType") or "application/octet-stream",
        description=node.value("Description") or line.value("Description"),
    )
