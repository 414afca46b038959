"""Typed messages of the axis service: built and read by zeep from our own WSDL, loaded once.

Bytes, signatures and HTTP are left to others.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from lxml import etree
from zeep import Client, Settings
from zeep.exceptions import Error

import schemas

SOAP_NAMESPACE = "http://schemas.xmlsoap.org/soap/envelope/"
FAULT = f"{{{SOAP_NAMESPACE}}}Fault"
DETAIL = f"{{{schemas.AXIS_NAMESPACE}}}AxisFault"


class Wire:
    """The WSDL, compiled. Holds no state of a call: safe to share."""

    def __init__(self) -> None:
        # The WSDL is ours and local; the settings say so to zeep, whose own defaults are more trusting.
        settings = Settings(forbid_dtd=True, forbid_external=True)
        client: Any = Client(str(schemas.path("axis/axis.wsdl")), settings=settings)  # type: ignore[no-untyped-call]  # zeep is untyped
        self._client = client
        self._binding = client.wsdl.bindings[f"{{{schemas.AXIS_NAMESPACE}}}AxisBinding"]
        self._schema = etree.XMLSchema(file=str(schemas.path("axis/axis.xsd")))

    def request(self, operation: str, fields: dict[str, Any]) -> tuple[etree._Element, str]:
        """The envelope, unsigned, and the SOAPAction header."""
        message = self._binding.get(operation).create(**fields)
        return message.content, message.headers["SOAPAction"]

    def reply(self, operation: str, body: etree._Element) -> Any:
        """What a verified Body says: the operation's reply. Raises `ValueError` when it says anything else."""
        return self._read(f"{{{schemas.AXIS_NAMESPACE}}}{operation}Response", _only_child(body))

    def fault(self, body: etree._Element) -> Any | None:
        """The axis's own detail of a fault; None when the Body holds no fault. Raises `ValueError`."""
        child = _only_child(body)
        if child.tag != FAULT:
            return None
        detail = child.find("detail")
        if detail is None:
            raise ValueError("a fault without detail")
        return self._read(DETAIL, _only_child(detail))

    def _read(self, name: str, element: etree._Element) -> Any:
        if element.tag != name:
            raise ValueError("another element than agreed")
        # zeep reads leniently; after this check every required field is there and of its form.
        if not self._schema.validate(element):
            raise ValueError("not of the schema's form")
        try:
            return self._client.get_element(name).parse(element, self._client.wsdl.types)
        except Error as exc:
            raise ValueError(type(exc).__name__) from exc


@cache
def wire() -> Wire:
    return Wire()


def _only_child(parent: etree._Element) -> etree._Element:
    children = list(parent.iterchildren("*"))
    if len(children) != 1:
        raise ValueError("not exactly one element")
    return children[0]
