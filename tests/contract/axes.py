"""The axes that drivers are tried on: each a real one over the production port, with two systems on it, so that what one
sends the other receives, and with faults that a test can switch on.
"""

import datetime as dt
import hashlib
import shutil
import uuid
from importlib.metadata import entry_points
from typing import ClassVar

from gateway.ports import AxisContext, Capabilities, Finds
from gateway.trust import receipts
from gateway.trust.keys import KeyRing, TrustStore
from mock_axis import pki, vxp
from mock_axis.simulator import MockAxis

DRIVERS = {point.name: point for point in entry_points(group="gateway.adapters.axis")}
SENDER, RECEIVER = "000.00.00.H08", "000.00.00.H09"
SYSTEMS = {"cong-h08": (SENDER,), "cong-h09": (RECEIVER,)}
ATTACHMENT = b"%PDF-1.7 invented " * 3000
ATTACHMENT_SHA256 = hashlib.sha256(ATTACHMENT).hexdigest()


class Stand:
    """The mock axis on a socket, and a driver for each of the two systems."""

    driver = ""
    can = None
    """What its driver must declare: it chooses the promises that are tried on it."""
    operations: ClassVar = {}
    """What the axis calls what the port does, for faults."""

    def __init__(self, place, keys, **axis):
        shutil.copytree(keys, place / "pki")
        self.axis = MockAxis(place / "axis", pki_folder=place / "pki", **axis)
        self.pki = self.axis.pki
        self.drivers = []

    async def __aenter__(self):
        await self.axis.__aenter__()
        self.sender, self.receiver = (self.connect(system) for system in SYSTEMS)
        return self

    async def __aexit__(self, *what):
        for driver in self.drivers:
            await driver.close()
        await self.axis.__aexit__(*what)

    def connect(self, system, **options):
        context = AxisContext(
            name="national",
            system_id=system,
            axis_system_id=pki.AXIS,
            keys=self.pki.gateway_keys(system),
            trust=self.pki.gateway_trust(system),
            now=lambda: dt.datetime.now(dt.UTC),
        )
        driver = DRIVERS[self.driver].load()(self.options(system) | {"idle_seconds": 5} | options, context)
        self.drivers.append(driver)
        return driver

    def fault(self, rule):
        """E.g. `reply-lost:{send}:1:1`."""
        self.axis.faults.replace([rule.format(**self.operations)] if rule else [])


class SoapStand(Stand):
    driver = "soap"
    can = Capabilities(deduplicates=True, finds=Finds.BY_MESSAGE_ID, signs_receipts=True)
    operations: ClassVar = {
        "send": "SendDocument",
        "find": "FindMessage",
        "list": "GetPendingDocumentIds",
        "fetch": "GetDocument",
        "confirm": "ConfirmReceived",
    }

    def options(self, system):
        del system
        return {"url": self.axis.url}

    def receipt(self, item, wire_sha256=None, size=None):
        """What the receiver would sign for an item it holds."""
        now = dt.datetime.now(dt.UTC)
        return receipts.issue(
            receipts.Receipt(
                receipt_id=uuid.uuid4().hex,
                kind="gateway-received",
                issued_by="cong-h09",
                addressed_to=pki.AXIS,
                message_id=uuid.uuid4().hex,
                axis_id=item.axis_id,
                document_id=item.document_id,
                sender=item.sender,
                to=(RECEIVER,),
                size=size or item.size,
                sha256=wire_sha256 or item.sha256,
                attachments=(("a1", ATTACHMENT_SHA256),),
                time=now,
            ),
            KeyRing.load(self.pki.gateway_keys("cong-h09")).signing(now),
        )

    def read_receipt(self, body):
        """What the axis signed for. Raises `SignatureInvalid`."""
        trust = TrustStore.load(self.pki.gateway_trust("cong-h08"))
        return receipts.read(body, trust=trust, issuer=pki.AXIS, at=dt.datetime.now(dt.UTC))

    def roll_keys(self):
        for system in SYSTEMS:
            pki.roll_gateway_key(self.pki, system)
        pki.roll_axis_key(self.pki)


class VxpStand(Stand):
    driver = "vxp"
    can = Capabilities(deduplicates=False, finds=Finds.BY_LISTING, signs_receipts=False)
    operations: ClassVar = {
        "send": "sendEdoc",
        "find": "getSentEdocList",
        "list": "getReceivedEdocList",
        "fetch": "downloadEdoc",
        "confirm": "updateStatus",
    }

    def options(self, system):
        return {"url": self.axis.vxp_url, "secret_file": str(vxp.secret_file(self.pki, system))}

    def receipt(self, item):
        del item
        return b"ours, and never sent"

    def roll_keys(self):
        for system in SYSTEMS:
            vxp.secret_file(self.pki, system).write_text(uuid.uuid4().hex, encoding="ascii")


STANDS = {stand.driver: stand for stand in (SoapStand, VxpStand)}
