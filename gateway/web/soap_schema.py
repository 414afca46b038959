"""The SOAP face's schema: JSON schemas of its messages, and `schemas/office/office.{xsd,wsdl}` written from them.

Only structure and types go into the XSD; lengths, patterns and the like are the door's to judge, which says them in the
reader's language. `docs/reference/make.py` writes the files, a test compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.web.soap_messages import OPERATIONS, Problem

NAMESPACE = "urn:lienthong:office:1"
ADDRESS = "http://127.0.0.1:8080/soap/v1"
"""In the shipped WSDL; the served one names the address it was asked at."""
_SIMPLE = {
    ("string", "date"): "xs:date",
    ("string", "date-time"): "xs:dateTime",
    ("string", "base64"): "xs:base64Binary",
    ("integer", None): "xs:long",
    ("number", None): "xs:double",
    ("boolean", None): "xs:boolean",
}
Node = Mapping[str, Any]


def _definitions() -> Mapping[str, Any]:
    models: list[type[BaseModel]] = [Problem]
    for request, response, _ in OPERATIONS.values():
        models += [request, response]
    made: Mapping[str, Any] = models_json_schema([(model, "validation") for model in models])[1]
    return made["$defs"]  # type: ignore[no-any-return]


DEFINITIONS = _definitions()


def resolved(node: Node) -> tuple[Node, bool]:
    """What a node comes down to, and whether it may be absent: of several forms the object, and never null."""
    optional = False
    while True:
        if "anyOf" in node:
            optional |= any(each.get("type") == "null" for each in node["anyOf"])
            left = [each for each in node["anyOf"] if each.get("type") != "null"]
            node = next((each for each in left if "$ref" in each or "properties" in each), left[0])
        elif "$ref" in node:
            node = DEFINITIONS[node["$ref"].rpartition("/")[2]]
        else:
            return node, optional


def type_of(node: Node) -> str:
    """The XSD's name of a node that is no list."""
    if "anyOf" in node:
        left = [each for each in node["anyOf"] if each.get("type") != "null"]
        return type_of(next((each for each in left if "$ref" in each), left[0]))
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        target = DEFINITIONS[name]
        return f"o:{name}" if target.get("type") == "object" else type_of(target)
    form = node.get("format")
    return _SIMPLE.get((node.get("type", "string"), form)) or _SIMPLE.get((node.get("type", ""), None), "xs:string")


def xsd() -> str:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<!-- Written by docs/reference/make.py from gateway/web/soap_messages.py: change it there. Names and meanings are",
        "     those of the office API. Optional elements are left out rather than sent empty. -->",
        f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:o="{NAMESPACE}" targetNamespace="{NAMESPACE}"',
        '           elementFormDefault="qualified">',
        '  <xs:element name="ApiKey" type="xs:string"/>',
        '  <xs:element name="Problem" type="o:Problem"/>',
    ]
    for name in OPERATIONS:
        lines += [f'  <xs:element name="{each}" type="o:{each}"/>' for each in (name, f"{name}Response")]
    for name, node in sorted(DEFINITIONS.items()):
        if node.get("type") == "object":
            lines += _complex(name, node)
    return "\n".join([*lines, "</xs:schema>", ""])


def _complex(name: str, node: Node) -> Iterator[str]:
    yield f'  <xs:complexType name="{name}">'
    if not node.get("properties"):
        yield "    <xs:sequence/>"
    else:
        yield "    <xs:sequence>"
        required = set(node.get("required", ()))
        for child, inner in node["properties"].items():
            plain, optional = resolved(inner)
            many = plain.get("type") == "array"
            kind = type_of(plain["items"]) if many else type_of(inner)
            occurs = ' maxOccurs="unbounded"' if many else ""
            if many and not plain.get("minItems"):
                optional = True
            least = "" if child in required and not optional else ' minOccurs="0"'
            yield f'      <xs:element name="{child}" type="{kind}"{least}{occurs}/>'
        yield "    </xs:sequence>"
    yield "  </xs:complexType>"


def wsdl(address: str = ADDRESS) -> str:
    soap = "http://schemas.xmlsoap.org/wsdl/soap/"
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<!-- Written by docs/reference/make.py from gateway/web/soap_messages.py: change it there. SOAP 1.1, document/literal.",
        "     The office's API key goes into the header Authorization (Bearer), or into the SOAP header element ApiKey. -->",
        '<wsdl:definitions name="Office" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"',
        f'                  xmlns:soap="{soap}" xmlns:xs="http://www.w3.org/2001/XMLSchema"',
        f'                  xmlns:o="{NAMESPACE}" targetNamespace="{NAMESPACE}">',
        "  <wsdl:types>",
        f'    <xs:schema><xs:import namespace="{NAMESPACE}" schemaLocation="office.xsd"/></xs:schema>',
        "  </wsdl:types>",
        '  <wsdl:message name="Problem"><wsdl:part name="detail" element="o:Problem"/></wsdl:message>',
    ]
    for name in OPERATIONS:
        lines += [
            f'  <wsdl:message name="{each}"><wsdl:part name="body" element="o:{each}"/></wsdl:message>'
            for each in (name, f"{name}Response")
        ]
    lines.append('  <wsdl:portType name="OfficePort">')
    for name, (_, _, does) in OPERATIONS.items():
        lines += [
            f'    <wsdl:operation name="{name}">',
            f"      <wsdl:documentation>{escape(does)}</wsdl:documentation>",
            f'      <wsdl:input message="o:{name}"/>',
            f'      <wsdl:output message="o:{name}Response"/>',
            '      <wsdl:fault name="Problem" message="o:Problem"/>',
            "    </wsdl:operation>",
        ]
    lines += [
        "  </wsdl:portType>",
        '  <wsdl:binding name="OfficeBinding" type="o:OfficePort">',
        '    <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>',
    ]
    for name in OPERATIONS:
        lines += [
            f'    <wsdl:operation name="{name}">',
            f'      <soap:operation soapAction="{NAMESPACE}:{name}"/>',
            '      <wsdl:input><soap:body use="literal"/></wsdl:input>',
            '      <wsdl:output><soap:body use="literal"/></wsdl:output>',
            '      <wsdl:fault name="Problem"><soap:fault name="Problem" use="literal"/></wsdl:fault>',
            "    </wsdl:operation>",
        ]
    lines += [
        "  </wsdl:binding>",
        '  <wsdl:service name="Office">',
        f'    <wsdl:port name="OfficePort" binding="o:OfficeBinding"><soap:address location={quoteattr(address)}/></wsdl:port>',
        "  </wsdl:service>",
        "</wsdl:definitions>",
        "",
    ]
    return "\n".join(lines)
