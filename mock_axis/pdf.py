"""Small real PDFs with Vietnamese text, signed by a person and by an organisation, for sample documents.

No font is embedded: each letter is a little drawing (a Type 3 font) of a Courier letter with its marks as strokes, so
every viewer shows the diacritics, and a ToUnicode table lets every reader extract the text. Signatures are PAdES B-B,
made offline with throw-away keys of a throw-away CA. Never for real use.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import itertools
import random
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from pyhanko.keys import load_certs_from_pemder_data
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko_certvalidator.registry import SimpleCertificateStore

COLUMNS, ROWS = 80, 58
DAY = dt.timedelta(days=1)
SIGNATURE_ROOM = 4 << 10
"""Octets for one CMS container: two certificates, RSA-2048, with some to spare."""

# Strokes in the 1000-unit square of a Courier letter, which is 600 wide; the x-height is about 430.
_MARKS = {
    "\u0300": "330 520 m 220 630 l S",
    "\u0301": "270 520 m 380 630 l S",
    "\u0302": "200 500 m 300 600 l 400 500 l S",
    "\u0303": "190 540 m 250 640 350 480 410 580 c S",
    "\u0306": "200 600 m 230 480 370 480 400 600 c S",
    "\u0309": "260 600 m 260 670 360 670 360 600 c 360 560 310 560 310 510 c S",
    "\u031b": "440 420 m 540 430 550 500 510 550 c S",
    "\u0323": "275 -190 50 50 re f",
}
_ON_TOP = {"\u0302", "\u0306"}
_BARRED = {"đ": "d", "Đ": "D"}


def draw(lines: Sequence[str], *, size: int = 0, seed: int = 0) -> bytes:
    """A PDF with these lines. Below `size` octets it is filled up with noise drawn from `seed`."""
    rows = [row for line in lines for row in textwrap.wrap(line, COLUMNS) or [""]]
    letters = sorted(set("".join(rows)))[:255]
    codes = {letter: code for code, letter in enumerate(letters, start=1)}
    pages = [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)] or [[]]
    first_glyph = 6
    first_page = first_glyph + len(letters)
    kids = " ".join(f"{first_page + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Courier/Encoding/WinAnsiEncoding>>",
        _font(len(letters), first_glyph),
        _stream(_to_unicode(codes)),
        *(_stream(_glyph(letter)) for letter in letters),
    ]
    for number, page in enumerate(pages):
        content = first_page + 2 * number + 1
        objects += [
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</V 4 0 R>>>>/Contents {content} 0 R>>".encode(),
            _stream(_text(page, codes)),
        ]
    missing = size - len(_file(objects)) - 100
    if missing > 0:
        objects.append(_stream(random.Random(seed).randbytes(missing)))
    return _file(objects)


def _file(objects: Sequence[bytes]) -> bytes:
    out = io.BytesIO()
    out.write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
    table = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.writelines(b"%010d 00000 n \n" % place for place in places)
    out.write(b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table))
    return out.getvalue()


def _stream(data: bytes) -> bytes:
    return b"<</Length %d>>\nstream\n%b\nendstream" % (len(data), data)


def _font(count: int, first_glyph: int) -> bytes:
    glyphs = " ".join(f"/g{code} {first_glyph + code - 1} 0 R" for code in range(1, count + 1))
    names = "".join(f"/g{code}" for code in range(1, count + 1))
    return (
        "<</Type/Font/Subtype/Type3/FontBBox[0 -250 700 1000]/FontMatrix[.001 0 0 .001 0 0]"
        f"/CharProcs<<{glyphs}>>/Encoding<</Type/Encoding/Differences[1{names}]>>"
        f"/FirstChar 1/LastChar {max(count, 1)}/Widths[{'600 ' * max(count, 1)}]"
        "/Resources<</Font<</C 3 0 R>>>>/ToUnicode 5 0 R>>"
    ).encode()


def _glyph(letter: str) -> bytes:
    base, *marks = list(unicodedata.normalize("NFD", _BARRED.get(letter, letter)))
    strokes = ["300 530 m 530 530 l S"] if letter == "đ" else ["60 300 m 330 300 l S"] if letter == "Đ" else []
    for mark in marks:
        right, up = (150, 60) if mark not in _ON_TOP and _ON_TOP & set(marks) else (0, 0)
        up += 140 if base.isupper() else 0
        right, up = (0, 0) if mark == "\u0323" else (right, up)
        strokes.append(f"q 1 0 0 1 {right} {up} cm {_MARKS.get(mark, '')} Q")
    shown = base.encode("cp1252", "replace").hex()
    return f"600 0 d0 BT /C 1000 Tf <{shown}> Tj ET 45 w {' '.join(strokes)}".encode()


def _to_unicode(codes: dict[str, int]) -> bytes:
    pairs = [f"<{code:02x}> <{letter.encode('utf-16-be').hex()}>" for letter, code in codes.items()]
    ranges = [pairs[start : start + 100] for start in range(0, len(pairs), 100)]  # no more are allowed in one list
    listed = "\n".join(f"{len(part)} beginbfchar\n{chr(10).join(part)}\nendbfchar" for part in ranges)
    return (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n"
        "/CMapName /Letters def /CMapType 2 def\n"
        f"1 begincodespacerange <00> <ff> endcodespacerange\n{listed}\n"
        "endcmap CMapName currentdict /CMap defineresource pop end end"
    ).encode()


def _text(rows: Sequence[str], codes: dict[str, int]) -> bytes:
    shown = (f"<{''.join(f'{codes[letter]:02x}' for letter in row if letter in codes)}> Tj T*" for row in rows)
    return f"BT /V 10 Tf 13 TL 57 785 Td {' '.join(shown)} ET".encode()


BODY = (
    "Kính gửi: các cơ quan, đơn vị trực thuộc.",
    (
        "Thực hiện kế hoạch công tác năm, đề nghị quý cơ quan rà soát, tổng hợp số liệu và gửi báo cáo trước thời hạn. "
        "Trong quá trình thực hiện, nếu có vướng mắc, xin phản ánh kịp thời để được hướng dẫn."
    ),
    "Trân trọng./.",
)


# --- signing ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Person:
    """Someone, or some organisation, who signs."""

    name: str
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate


class _Pen(signers.Signer):
    """Signs with a key that is loaded once; pyHanko's own would load and check it at every signature, for 70 ms."""

    def __init__(self, person: Person, ca: x509.Certificate) -> None:
        self._key = person.key
        store = SimpleCertificateStore()  # type: ignore[no-untyped-call]  # the one function there without types
        store.register(_asn1(ca))
        super().__init__(
            signing_cert=_asn1(person.certificate),
            cert_registry=store,
        )

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        if dry_run:
            return bytes(self._key.key_size // 8)
        if digest_algorithm != "sha256":
            raise ValueError(digest_algorithm)
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())


class SignedPdfs:
    """Draws documents and has each signed, first by a person, then by the organisation over that."""

    def __init__(self, person: str = "Nguyễn Văn Mẫu", organisation: str = "Sở Thử nghiệm") -> None:
        self.ca = _authority("CA thử nghiệm")
        self.person = _member(person, self.ca)
        self.organisation = _member(organisation, self.ca)

    def make(self, lines: Sequence[str], *, size: int = 0, seed: int = 0) -> bytes:
        """Blocking, some milliseconds; not on an event loop. `size` is that of the drawing: signatures come on top."""
        return self.sign(draw(lines, size=size, seed=seed))

    def sign(self, pdf: bytes, signatures: int = 2) -> bytes:
        """One by the person, the next by the organisation, and so on."""
        for number in range(signatures):
            field, person = (("NguoiKy", self.person), ("CoQuan", self.organisation))[number % 2]
            field += str(number // 2 + 1) if number > 1 else ""
            pdf = asyncio.run(_signed(pdf, field, person, self.ca.certificate))
        return pdf

    def pool(self, count: int, *, size: int = 0) -> Pool:
        """`count` different signed PDFs, made now and dealt in turn."""
        return Pool(
            [
                self.make([f"Văn bản mẫu số {number}", "", *BODY], size=size, seed=number)
                for number in range(1, count + 1)
            ]
        )


class Pool:
    """Signed PDFs dealt in turn, for many documents at little cost: equal numbers are equal octets."""

    def __init__(self, pdfs: Sequence[bytes]) -> None:
        self.pdfs = tuple(pdfs)
        self._turn = itertools.cycle(self.pdfs)

    def deal(self) -> bytes:
        return next(self._turn)


async def _signed(pdf: bytes, field: str, person: Person, ca: x509.Certificate) -> bytes:
    meta = signers.PdfSignatureMetadata(
        field_name=field, md_algorithm="sha256", name=person.name, subfilter=fields.SigSeedSubFilter.PADES
    )
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    out = io.BytesIO()
    signer = signers.PdfSigner(meta, _Pen(person, ca))
    await signer.async_sign_pdf(writer, output=out, bytes_reserved=2 * SIGNATURE_ROOM)
    return out.getvalue()


def _asn1(certificate: x509.Certificate) -> Any:
    return next(iter(load_certs_from_pemder_data(certificate.public_bytes(serialization.Encoding.DER))))


def _authority(name: str) -> Person:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return Person(name, key, _certify(name, name, key, key, authority=True))


def _member(name: str, ca: Person) -> Person:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return Person(name, key, _certify(name, ca.name, key, ca.key, authority=False))


def _certify(
    subject: str, issuer: str, key: rsa.RSAPrivateKey, issuer_key: rsa.RSAPrivateKey, *, authority: bool
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name(
            [x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"), x509.NameAttribute(NameOID.COMMON_NAME, text)]
        )

    now = dt.datetime.now(dt.UTC)
    usage = dict.fromkeys(
        ("key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
    )
    return (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named(issuer))
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + 365 * DAY)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                content_commitment=not authority,
                key_cert_sign=authority,
                crl_sign=authority,
                **usage,
            ),
            critical=True,
        )
        .sign(issuer_key, hashes.SHA256())
    )
