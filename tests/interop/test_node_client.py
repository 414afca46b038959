"""A SOAP stack that is not ours speaks to the axis from the published WSDL alone: Node's `soap`."""

import asyncio
import base64
import datetime as dt
import hashlib
import json
import os
import shutil
import uuid
from pathlib import Path

import pytest

import schemas
from gateway.trust import receipts
from gateway.trust.keys import TrustStore
from mock_axis import pki
from mock_axis.simulator import MockAxis
from tests.system_tools import needs

HERE = Path(__file__).parent / "node"
PDF = b"%PDF-1.7 invented " * 5000
FILE = (
    f'<edXML:edXML xmlns:edXML="{schemas.EDXML_NAMESPACE}"><edXML:edXMLEnvelope><edXML:edXMLHeader>'
    "<edXML:MessageHeader><edXML:From><edXML:OrganId>000.00.00.H08</edXML:OrganId></edXML:From>"
    "<edXML:To><edXML:OrganId>000.00.00.G22</edXML:OrganId></edXML:To><edXML:DocumentId>D-1</edXML:DocumentId>"
    "<edXML:Code><edXML:CodeNumber>7</edXML:CodeNumber><edXML:CodeNotation>UBND-VX</edXML:CodeNotation></edXML:Code>"
    "<edXML:Subject>V/v chuẩn bị hội nghị</edXML:Subject></edXML:MessageHeader></edXML:edXMLHeader>"
    "</edXML:edXMLEnvelope><edXML:AttachmentEncoded><edXML:Attachment><edXML:ContentId>cid:a1</edXML:ContentId>"
    f"<edXML:ContentTransferEncoded>{base64.b64encode(PDF).decode()}</edXML:ContentTransferEncoded>"
    "</edXML:Attachment></edXML:AttachmentEncoded></edXML:edXML>"
).encode()


async def run(*command, cwd, told=b""):
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(120):
            out, err = await process.communicate(told)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return process.returncode, out.decode(), err.decode()


async def install(place):
    """The locked packages, in a copy: the checkout stays as it is."""
    npm = needs("npm")
    shutil.copytree(HERE, place, ignore=shutil.ignore_patterns("node_modules"))
    code, _, err = await run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=place)
    if code:
        reason = f"npm ci failed: {err.strip()[-300:]}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


async def test_node_s_soap_sends_a_signed_document_beside_its_envelope_and_reads_the_receipt(tmp_path):
    node = needs("node")
    client = tmp_path / "client"
    await install(client)
    (tmp_path / "document.edxml").write_bytes(FILE)
    message_id = str(uuid.uuid4())
    async with MockAxis(tmp_path / "axis") as axis:
        ours, theirs = axis.pki.gateway_keys(), axis.pki.axis_keys
        told = {
            "wsdl": str(schemas.path("axis/axis.wsdl")),
            "url": axis.url,
            "system": pki.GATEWAY,
            "key": str(ours / "gateway.key.pem"),
            "certificate": str(ours / "gateway.crt.pem"),
            "axisCertificate": str(theirs / "axis.crt.pem"),
            "file": str(tmp_path / "document.edxml"),
            "messageId": message_id,
        }
        code, out, err = await run(node, "send.mjs", cwd=client, told=json.dumps(told).encode())
        assert code == 0, out + err
        said = json.loads(out)
        assert said["receiptVerified"]
        assert said["foundAgain"]
        trust = TrustStore.load(axis.pki.gateway_trust())
    receipt = receipts.read(base64.b64decode(said["receipt"]), trust=trust, issuer=pki.AXIS, at=dt.datetime.now(dt.UTC))
    assert (receipt.message_id, receipt.axis_id) == (message_id, said["axisId"])
    assert (receipt.size, receipt.sha256) == (len(FILE), hashlib.sha256(FILE).hexdigest())
    assert receipt.attachments == (("a1", hashlib.sha256(PDF).hexdigest()),)
