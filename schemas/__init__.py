"""The wire's definitions: edXML's XSD, the axis's WSDL, the receipt. The only package gateway and mock axis share.

`path` finds them in any installation. `SOURCES.md` says where each rule comes from.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

EDXML_NAMESPACE = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
AXIS_NAMESPACE = "urn:lienthong:axis:1"
RECEIPT_NAMESPACE = "urn:lienthong:receipt:1"


def path(name: str) -> Path:
    """The file `name`, e.g. `axis/axis.wsdl`. Raises `FileNotFoundError`."""
    found = Path(str(files(__name__).joinpath(name)))
    if not found.is_file():
        raise FileNotFoundError(found)
    return found
