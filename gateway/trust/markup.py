"""XML as signatures need it: parsed without DTD and within limits, found at one place only, in canonical bytes."""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Sequence

import pybase64
from lxml import etree

from gateway.trust.errors import SignatureInvalid

Element = etree._Element  # noqa: SLF001  lxml's only name for the type of an element

DS = "http://www.w3.org/2000/09/xmldsig#"
EXC_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"

MIB = 1024 * 1024

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def parse(data: bytes, *, limit: int = 16 * MIB) -> Element:
    """The root of well-formed UTF-8 XML without a DTD, or `SignatureInvalid("not-xml")`."""
    if len(data) > limit:
        raise SignatureInvalid("not-xml", f"larger than {limit} bytes")
    # Read as UTF-8 whatever the file declares, so that no other encoding can hide a DTD from this look.
    if b"<!DOCTYPE" in data:
        raise SignatureInvalid("not-xml", "a document type definition is not taken")
    parser = etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        # The parser's own text can quote the document.
        raise SignatureInvalid("not-xml", "not well-formed XML in UTF-8") from None


def canonical(element: Element, prefixes: Sequence[str] = ()) -> bytes:
    """Exclusive C14N without comments; `prefixes` as in InclusiveNamespaces/PrefixList.

    Raises `SignatureInvalid("form")` for what has no canonical form: relative namespace names.
    """
    try:
        if prefixes:
            # lxml looks for these in the element's own tree only: serialising brings the ancestors' along.
            element = etree.fromstring(etree.tostring(element, with_tail=False))
        return etree.tostring(
            element, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=list(prefixes) or None
        )
    except (etree.LxmlError, ValueError):
        raise SignatureInvalid("form", "a part has no canonical form") from None


def only(parent: Element, tag: str) -> Element:
    """The one child with this tag, or `SignatureInvalid("form")`."""
    found = list(parent.iterchildren(tag))
    if len(found) != 1:
        raise SignatureInvalid("form", f"expected one {name(tag)} in {name(parent.tag)}, found {len(found)}")
    return found[0]


def take_out(element: Element) -> None:
    """As the enveloped-signature transform does: text that follows the element stays."""
    parent, before, text = element.getparent(), element.getprevious(), element.tail or ""
    assert parent is not None
    if before is not None:
        before.tail = (before.tail or "") + text
    else:
        parent.text = (parent.text or "") + text
    parent.remove(element)


def name(tag: object) -> str:
    """A tag without its namespace."""
    return str(tag).rpartition("}")[2]


def elements(parent: Element) -> list[Element]:
    """Children that are elements: comments and processing instructions are not signed and mean nothing."""
    return list(parent.iterchildren("*"))


def repeated_ids(root: Element) -> bool:
    """Whether two elements carry the same Id: a reference could then mean either of them."""
    seen: set[str] = set()
    for element in root.iter("*"):
        for key, value in element.attrib.items():
            if name(key) in {"Id", "ID", "id"}:
                if value in seen:
                    return True
                seen.add(str(value))
    return False


def octets(element: Element) -> bytes:
    """Base64 content, decoded. Line breaks are allowed; anything else, or nothing, is `SignatureInvalid("form")`."""
    try:
        found = pybase64.b64decode("".join((element.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not found:
        raise SignatureInvalid("form", f"{name(element.tag)} is not base64")
    return found


def base64(data: bytes) -> str:
    return pybase64.b64encode_as_string(data)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def text(value: str) -> str:
    """Character data as canonical XML writes it. Raises `ValueError` for what XML cannot carry."""
    _printable(value)
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def attribute(value: str) -> str:
    """An attribute's value as canonical XML writes it. Raises `ValueError` for what XML cannot carry."""
    _printable(value)
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return value.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")


def _printable(value: str) -> None:
    if found := _UNPRINTABLE.search(value):
        raise ValueError(f"U+{ord(found[0]):04X} cannot stand in XML")
