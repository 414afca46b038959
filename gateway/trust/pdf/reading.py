"""Opening a PDF for its signatures: fields that are signed, and what it brings along to prove them.

What it reads is hostile: it runs in `worker` only, under limits.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from asn1crypto import crl, ocsp
from pyhanko.pdf_utils.decode_limits import DecodePurpose
from pyhanko.pdf_utils.misc import PdfDecodeLimitError, PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.general import MultivaluedAttributeError, NonexistentAttributeError, find_unique_cms_attribute
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.errors import NoDSSFoundError
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from gateway.errors import GatewayError

_TAIL = 2048


class Unexaminable(GatewayError):
    """The file cannot be examined."""


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    value: Any
    """The signature dictionary, by reference."""
    widget: Any


@dataclass(frozen=True, slots=True)
class Opened:
    reader: PdfFileReader
    strict: bool
    """Whether it follows the standard's form. What only a lenient reader understands may look different to another."""
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a file brings along to prove its signatures: helpful, trusted for nothing by itself."""

    certificates: tuple[Any, ...] = field(default=())
    crls: tuple[Any, ...] = field(default=())
    ocsps: tuple[Any, ...] = field(default=())

    def __add__(self, other: Answers) -> Answers:
        return Answers(self.certificates + other.certificates, self.crls + other.crls, self.ocsps + other.ocsps)


def open_pdf(file: BinaryIO, *, signatures: int) -> Opened:
    """Raises `Unexaminable`: `damaged`, `bomb`, `encrypted`, `too-many-signatures`; `MemoryError`, `RecursionError`."""
    try:
        reader, strict = _open(file)
        strict = strict and _ends(file)
        if reader.encrypted and reader.decrypt("").status.value == 0:  # many are locked against changes only
            raise Unexaminable("encrypted")
        found = tuple(itertools.islice(_fields(reader), signatures + 1))
    except (Unexaminable, MemoryError, RecursionError):
        raise
    except PdfDecodeLimitError:
        raise Unexaminable("bomb") from None
    except Exception:  # noqa: BLE001  # parsers fail on hostile files in every way there is; the file is to blame
        raise Unexaminable("damaged") from None
    if len(found) > signatures:
        raise Unexaminable("too-many-signatures")
    return Opened(reader, strict, found)


def _open(file: BinaryIO) -> tuple[PdfFileReader, bool]:
    try:
        reader = PdfFileReader(file, strict=True)
        _ = reader.root
        if not reader.xrefs.hybrid_xrefs_present:
            return reader, True
    except PdfDecodeLimitError:
        raise
    except (PdfError, ValueError, KeyError, TypeError, IndexError, AttributeError, AssertionError):
        pass
    return PdfFileReader(file, strict=False), False


def _ends(file: BinaryIO) -> bool:
    """Whether nothing follows the end. What does belongs to no revision: we do not see it, a repairing reader may."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _TAIL))
    _, mark, after = file.read().rpartition(b"%%EOF")
    return bool(mark) and not after.strip(b"\0\t\n\f\r ")


def _fields(reader: PdfFileReader) -> Iterator[Field]:
    for name, value, widget in enumerate_sig_fields(reader, filled_status=True):
        yield Field(name, value, widget)


def store_of(reader: PdfFileReader) -> Answers:
    """The file's document security store; a broken one proves nothing, the signatures stand without it."""
    try:
        store = DocumentSecurityStore.read_dss(reader)
        return Answers(
            tuple(store.load_certs()),
            tuple(crl.CertificateList.load(_data(each, DecodePurpose.CRL)) for each in store.crls),
            tuple(ocsp.OCSPResponse.load(_data(each, DecodePurpose.OCSP_RESPONSE)) for each in store.ocsps),
        )
    except NoDSSFoundError:
        return Answers()
    except (MemoryError, RecursionError):
        raise
    except Exception:  # noqa: BLE001  # see above
        return Answers()


def attached_to(signature: EmbeddedPdfSignature) -> Answers:
    """Revocation answers inside the signature itself, as Adobe's form has them."""
    try:
        archive = find_unique_cms_attribute(signature.signer_info["signed_attrs"], "adobe_revocation_info_archival")
    except (MultivaluedAttributeError, NonexistentAttributeError):
        return Answers()
    return Answers(crls=tuple(archive["crl"] or ()), ocsps=tuple(archive["ocsp"] or ()))


def _data(reference: Any, purpose: DecodePurpose) -> bytes:
    return bytes(reference.get_object().read_data(purpose))
