"""`lienthong verify FILE --trust DIR`: what a signed file proves, with no server and no journal.

Takes an edXML file (its attachments are hashed as they stream by), a SOAP envelope with WS-Security, or a receipt, and
says what is covered and by whom. Exit 0 only if everything the signature covers is as a trusted party signed it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.edxml.parse import AttachmentData, EdxmlError, Splitter
from gateway.errors import Misconfigured
from gateway.model import Problem
from gateway.trust import edxml_signature, markup, receipts, wssecurity
from gateway.trust.errors import SignatureInvalid
from gateway.trust.keys import TrustStore

_SLICE: Final = 1 << 20


class Language(StrEnum):
    VI = "vi"
    EN = "en"


@dataclass(frozen=True, slots=True)
class Told:
    """What there is to say about one file."""

    kind: str
    """`edxml`, `ws-security`, `receipt`, or `unknown` where the file could not be read so far."""
    verdict: str
    """`valid`, or why not: `invalid`, `absent`, `indeterminate`, or the code of a `SignatureInvalid`."""
    signer: str | None = None
    at: str = ""
    covered: tuple[tuple[str, str], ...] = ()
    """What, and its state or value."""
    findings: tuple[tuple[str, str], ...] = ()
    """Code and message."""


def verify(
    file: Annotated[Path, typer.Argument(help="An edXML file, a SOAP envelope or a receipt.")],
    trust: Annotated[Path, typer.Option("--trust", help="Folder of trusted parties: `<system id>/*.pem`.")],
    at: Annotated[
        dt.datetime | None, typer.Option(help="Judge certificates and freshness at this time (UTC); now when left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    language: Annotated[Language, typer.Option(help="Language of the answer.")] = Language.EN,
) -> None:
    """Verify an XML signature offline; say what it covers and who made it. Exit 0: verified."""
    if not trust.is_dir():
        raise Misconfigured([Problem("--trust", "missing", f"{trust} is not a folder")])
    moment = at.replace(tzinfo=dt.UTC) if at else dt.datetime.now(dt.UTC)
    told = examine(file, TrustStore.load(trust), moment)
    if as_json:
        print(json.dumps(_as_json(file, told), ensure_ascii=False))
    else:
        print("\n".join(_lines(file, told, language)), file=sys.stdout if told.verdict == "valid" else sys.stderr)
    if told.verdict != "valid":
        raise typer.Exit(1)


def examine(file: Path, trust: TrustStore, now: dt.datetime) -> Told:
    """Never raises for what the file holds; `OSError` if it cannot be opened."""
    kind = _kind(file)
    try:
        if kind == "receipt":
            return _receipt(_whole(file, markup.MIB), trust, now)
        if kind == "ws-security":
            return _envelope(_whole(file, 16 * markup.MIB), trust, now)
        return _edxml(file, trust, now)
    except EdxmlError as exc:
        return Told("unknown", exc.code, findings=((exc.code, exc.message),))
    except SignatureInvalid as exc:
        return Told(kind, exc.code, findings=((exc.code, exc.message),))


def _kind(file: Path) -> str:
    """By the first element's name and the namespaces near it. What cannot be told is left to edXML's liberal reader."""
    with file.open("rb") as stream:
        head = stream.read(64 * 1024)
    root = re.search(rb"<(?:[\w.-]+:)?([A-Za-z][\w.-]*)", head)
    if root and root[1] == b"Receipt":
        return "receipt"
    if root and root[1] == b"Envelope" and wssecurity.WSSE.encode() in head:
        return "ws-security"
    return "edxml"


def _whole(file: Path, limit: int) -> bytes:
    with file.open("rb") as stream:
        return stream.read(limit + 1)  # the parser refuses what is over the limit


def _edxml(file: Path, trust: TrustStore, now: dt.datetime) -> Told:
    splitter = Splitter(limit=max(file.stat().st_size, 1))
    hashes: dict[int, hashlib._Hash] = {}
    with file.open("rb") as stream:
        while data := stream.read(_SLICE):
            for event in splitter.feed(data):
                running = hashes.setdefault(event.index, hashlib.sha256())
                if isinstance(event, AttachmentData):
                    running.update(event.data)
    parsed = splitter.close()
    found = [
        (attachment.content_id, hashes[index].hexdigest() if index in hashes else "")
        for index, attachment in enumerate(parsed.attachments)
    ]
    report = edxml_signature.check(parsed.envelope, found, trust=trust, now=now, twice=True)
    findings = tuple((finding.code, f"{finding.where}: {finding.message}") for finding in report.findings)
    return Told("edxml", report.verdict, report.signer, now.isoformat(), report.lines, findings)


def _envelope(data: bytes, trust: TrustStore, now: dt.datetime) -> Told:
    root = markup.parse(data)
    owner = trust.owner(wssecurity.claimed(root))
    secured = wssecurity.check(root, trust=trust, party=owner.system_id if owner else "", now=now)
    body = ", ".join(markup.name(child.tag) for child in markup.elements(secured.body))
    covered = (("Body", body), ("Timestamp", secured.created.isoformat()))
    return Told("ws-security", "valid", secured.signer, now.isoformat(), covered)


def _receipt(data: bytes, trust: TrustStore, now: dt.datetime) -> Told:
    issuer = receipts.claimed(markup.parse(data, limit=markup.MIB))
    receipt = receipts.read(data, trust=trust, issuer=issuer, at=now, twice=True)
    covered = [
        (name, str(getattr(receipt, name)))
        for name in ("receipt_id", "kind", "addressed_to", "message_id", "axis_id", "document_id", "sender")
    ]
    covered += [("to", organ) for organ in receipt.to]
    covered += [("size", str(receipt.size)), ("sha256", receipt.sha256)]
    covered += [(f"cid:{content_id}", sha256) for content_id, sha256 in receipt.attachments]
    covered.append(("time", receipt.time.isoformat()))
    return Told("receipt", "valid", issuer, now.isoformat(), tuple(covered))


# --- words ------------------------------------------------------------------------------------------------------


def _as_json(file: Path, told: Told) -> dict[str, object]:
    return {
        "file": str(file),
        "kind": told.kind,
        "verified": told.verdict == "valid",
        "verdict": told.verdict,
        "signer": told.signer,
        "judged_at": told.at or None,
        "covered": [{"what": what, "is": state} for what, state in told.covered],
        "findings": [{"code": code, "message": message} for code, message in told.findings],
    }


def _lines(file: Path, told: Told, language: Language) -> list[str]:
    words = _WORDS[language]
    verdict = words.get(told.verdict, words["refused"])
    first = f"{file}: {words[told.kind]}: {verdict}"
    if told.signer:
        first += f"; {words['signed-by']} {told.signer}"
    if told.kind == "edxml" and told.covered:
        rest = [f"  {what}: {words[state]}" for what, state in told.covered]
    elif told.covered:
        rest = [f"  {what}: {state}" for what, state in told.covered]
    else:
        # One clear line: nothing was verified, so there is nothing to list.
        first += "".join(f" [{code}] {_SENTENCES[language].get(code, message)}" for code, message in told.findings)
        rest = []
    return [_printable(line) for line in (first, *rest)]


def _printable(line: str) -> str:
    """Names come from the file: none may steer the terminal."""
    return "".join(char if char.isprintable() else "?" for char in line)


_WORDS: Final[dict[Language, dict[str, str]]] = {
    Language.EN: {
        "edxml": "edXML file",
        "ws-security": "SOAP envelope",
        "receipt": "receipt",
        "unknown": "not a signed file we know",
        "valid": "VERIFIED",
        "invalid": "NOT VERIFIED",
        "absent": "NOT SIGNED",
        "indeterminate": "CANNOT BE JUDGED",
        "refused": "NOT VERIFIED",
        "signed-by": "signed by",
        "intact": "as signed",
        "changed": "CHANGED since it was signed",
        "missing": "MISSING though it was signed",
        "extra": "NOT SIGNED, added",
    },
    Language.VI: {
        "edxml": "tệp edXML",
        "ws-security": "phong bì SOAP",
        "receipt": "biên nhận",
        "unknown": "không phải tệp có chữ ký mà hệ thống biết",
        "valid": "XÁC THỰC ĐÚNG",
        "invalid": "KHÔNG XÁC THỰC ĐƯỢC",
        "absent": "KHÔNG CÓ CHỮ KÝ",
        "indeterminate": "KHÔNG KẾT LUẬN ĐƯỢC",
        "refused": "KHÔNG XÁC THỰC ĐƯỢC",
        "signed-by": "người ký:",
        "intact": "đúng như khi ký",
        "changed": "ĐÃ BỊ THAY ĐỔI sau khi ký",
        "missing": "BỊ THIẾU dù đã được ký",
        "extra": "KHÔNG ĐƯỢC KÝ, bị thêm vào",
    },
}

_SENTENCES: Final[dict[Language, dict[str, str]]] = {
    Language.EN: {},  # the checks speak English themselves
    Language.VI: {
        "not-xml": "Tệp không phải XML đúng chuẩn, hoặc quá lớn.",
        "dtd": "Tệp có khai báo DTD; hệ thống không đọc tệp như vậy.",
        "entity": "Tệp dùng thực thể XML không được phép.",
        "root": "Phần tử gốc không phải của tệp edXML, phong bì SOAP hay biên nhận.",
        "signature-missing": "Không có chữ ký.",
        "signature-bad": "Chữ ký không khớp với nội dung: nội dung đã bị thay đổi hoặc chữ ký bị giả mạo.",
        "signer-unknown": "Người ký không nằm trong danh sách tin cậy.",
        "certificate-expired": "Chứng thư đã hết hiệu lực tại thời điểm kiểm tra.",
        "certificate-not-yet-valid": "Chứng thư chưa có hiệu lực tại thời điểm kiểm tra.",
        "certificate-revoked": "Chứng thư đã bị thu hồi tại thời điểm kiểm tra.",
        "stale": "Thời điểm ký nằm ngoài khoảng thời gian cho phép.",
        "not-covered": "Chữ ký không bao trùm phần nội dung cần bảo vệ.",
        "algorithm": "Thuật toán không được chấp nhận.",
        "form": "Chữ ký không đúng dạng quy định.",
        "foreign-signature": "Chữ ký thuộc dạng khác, hệ thống không kiểm tra được.",
        "empty-signature": "Phần tử chữ ký không có giá trị.",
    },
}
