"""SOAP envelopes: read under limits and against the schema, and turned to and from the JSON of the office API.

Neither DTDs nor entities are read, in any encoding. A refusal names the field by its path and quotes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pybase64
from lxml import etree

import schemas
from gateway.errors import Refused
from gateway.model import Problem
from gateway.web.soap_messages import OPERATIONS
from gateway.web.soap_schema import DEFINITIONS, NAMESPACE, Node, resolved
from gateway.web.uploads import malformed

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_XOP = "{http://www.w3.org/2004/08/xop/include}Include"
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_CODES = {"SCHEMAV_ELEMENT_CONTENT": "element-unexpected", "SCHEMAV_CVC_ELT_1": "soap-operation"}
_MOST_PROBLEMS = 20
_XSD = etree.XMLSchema(etree.parse(schemas.path("office/office.xsd")))


@dataclass(frozen=True, slots=True)
class Call:
    operation: str
    arguments: Mapping[str, Any]
    """As JSON has them; base64 as bytes."""


class Envelope:
    """A well-formed envelope, whose Body is not looked at before it is known who asks."""

    def __init__(self, data: bytes) -> None:
        """Raises `Refused` (400)."""
        if b"<!DOCTYPE" in data:
            raise malformed("dtd")
        parser = etree.XMLParser(
            resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
        )
        try:
            root = etree.fromstring(data, parser)
        except (etree.XMLSyntaxError, ValueError):
            raise malformed("not-xml") from None
        if root.getroottree().docinfo.internalDTD is not None:
            raise malformed("dtd")  # in an encoding in which it was not seen above
        if root.tag != f"{{{SOAP}}}Envelope":
            raise malformed("soap-version")
        self._root = root

    def api_key(self) -> str:
        """The text of the header element ApiKey; empty without one. Raises `Refused` for what must be understood."""
        key = ""
        for element in self._root.iterfind(f"{{{SOAP}}}Header/*"):
            if element.tag == f"{{{NAMESPACE}}}ApiKey":
                key = (element.text or "").strip()
            elif element.get(f"{{{SOAP}}}mustUnderstand") in {"1", "true"}:
                raise malformed("soap-must-understand")
        return key

    def call(self) -> Call:
        """Raises `Refused` (400) for what is not of the schema."""
        bodies = self._root.findall(f"{{{SOAP}}}Body")
        if len(bodies) != 1 or len(bodies[0]) != 1:
            raise malformed("soap-body")
        element = bodies[0][0]
        name = etree.QName(element)
        if name.namespace != NAMESPACE or name.localname not in OPERATIONS:
            raise malformed("soap-operation")
        _usual_forms(element)
        if not _XSD.validate(element):
            raise Refused(_problems(element), code="xml-invalid", status=400)
        return Call(name.localname, _read(element, DEFINITIONS[name.localname]))


def _usual_forms(element: etree._Element) -> None:
    """What clients' stacks write for "left out" and "elsewhere", as the schema has it."""
    for each in list(element.iter(etree.Element)):
        parent = each.getparent()
        if parent is None:
            continue
        if each.get(_NIL) in {"1", "true"}:
            parent.remove(each)
        elif each.tag == _XOP:  # <content><xop:Include href="cid:…"/></content> is <cid>…</cid>
            parent.tag = f"{{{NAMESPACE}}}cid"
            parent.text = each.get("href", "")
            parent.remove(each)


def _problems(element: etree._Element) -> list[Problem]:
    tree = etree.ElementTree(element)
    found: list[Problem] = []
    log: Any = _XSD.error_log  # its stubs do not know that it can be read
    for error in list(log)[:_MOST_PROBLEMS]:
        missing = error.type_name == "SCHEMAV_ELEMENT_CONTENT" and "Missing child" in error.message
        code = "missing" if missing else _CODES.get(error.type_name, "wrong-type")
        prefixes = {prefix: name for prefix, name in element.nsmap.items() if prefix}
        at: Any = tree.xpath(error.path, namespaces=prefixes) if error.path else []
        problem = Problem(_path(at[0]) if at else "", code, "not as the schema has it")
        if problem not in found:
            found.append(problem)
    return found


def _path(element: etree._Element) -> str:
    """`record.to[1].code`, by the names and places of the elements below the operation's."""
    steps: list[str] = []
    while (parent := element.getparent()) is not None and parent.tag != f"{{{SOAP}}}Body":
        alike = parent.findall(element.tag)
        place = f"[{alike.index(element)}]" if len(alike) > 1 else ""
        steps.append(etree.QName(element).localname[:60] + place)
        element = parent
    return ".".join(reversed(steps))


def _read(element: etree._Element, node: Node) -> Any:
    plain, _ = resolved(node)
    if plain.get("type") == "object":
        read: dict[str, Any] = {}
        for child in element:
            name = etree.QName(child).localname
            inner, _ = resolved(plain["properties"][name])
            if inner.get("type") == "array":
                read.setdefault(name, []).append(_read(child, inner["items"]))
            else:
                read[name] = _read(child, inner)
        return read
    text = element.text or ""
    match plain.get("type"), plain.get("format"):
        case "integer", _:
            return int(text)
        case "boolean", _:
            return text.strip() in {"true", "1"}
        case _, "base64":
            try:
                return pybase64.b64decode("".join(text.split()), validate=True)
            except ValueError:  # the schema's validator lets some of them pass
                raise Refused([Problem(_path(element), "base64-bad", "")], code="xml-invalid", status=400) from None
        case _, "date" | "date-time":
            return text.strip()
    return text


def write(element: str, model: str, value: Mapping[str, Any]) -> bytes:
    """An envelope whose Body is `element` of type `model`; what the schema does not know is left out."""
    body, envelope = _envelope()
    _write(etree.SubElement(body, f"{{{NAMESPACE}}}{element}"), value, DEFINITIONS[model])
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")


def write_fault(code: str, title: str, problem: Mapping[str, Any]) -> bytes:
    """A fault (SOAP 1.1, 4.4): `code` is Client, Server, VersionMismatch or MustUnderstand."""
    body, envelope = _envelope()
    fault = etree.SubElement(body, f"{{{SOAP}}}Fault")
    etree.SubElement(fault, "faultcode").text = f"soap:{code}"
    etree.SubElement(fault, "faultstring").text = title
    detail = etree.SubElement(fault, "detail")
    _write(etree.SubElement(detail, f"{{{NAMESPACE}}}Problem"), problem, DEFINITIONS["Problem"])
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")


def _envelope() -> tuple[etree._Element, etree._Element]:
    envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"soap": SOAP, "o": NAMESPACE})
    return etree.SubElement(envelope, f"{{{SOAP}}}Body"), envelope


def _write(element: etree._Element, value: Any, node: Node) -> None:
    plain, _ = resolved(node)
    if plain.get("type") != "object":
        element.text = _text(value)
        return
    for name, inner in plain.get("properties", {}).items():
        if value.get(name) is None:
            continue
        of_child, _ = resolved(inner)
        many = of_child.get("type") == "array"
        for each in value[name] if many else (value[name],):
            _write(etree.SubElement(element, f"{{{NAMESPACE}}}{name}"), each, of_child["items"] if many else of_child)


def _text(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case bytes():
            return pybase64.b64encode(value).decode()
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", str(value))
