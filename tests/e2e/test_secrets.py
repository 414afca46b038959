"""Secrets and purges with everything running: commands beside the gateway, evidence of what was purged."""

import asyncio
import json

import pytest
import pytest_asyncio

from mock_axis.office_letters import letter
from mock_axis.scene import OFFICE_ORGAN
from tests.e2e.stage import CHANCELLERY, eventually, on_stage
from tests.e2e.test_evidence import proving, verified

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory):
    settings = {"times": {"block_seconds": 0.3}, "secrecy": {"release_by": "names"}}
    async with on_stage(tmp_path_factory.mktemp("secrets"), settings=settings) as ready:
        yield ready


async def handed_in(stage, subject):
    stage.number += 1
    record, files = letter(stage.number, OFFICE_ORGAN, [CHANCELLERY], [b"%PDF-1.7 one"])
    return await stage.office.send(f"suspect-{stage.number}", {**record, "subject": subject}, files)


async def test_evidence_of_a_purged_message_proves_by_digest_and_says_what_it_cannot(stage, tmp_path):
    document_id = await stage.receive(CHANCELLERY)
    message_id = await stage.heard_of(document_id)
    await stage.office.work_off()
    before, _, _ = await proving(stage, message_id, tmp_path, "receipt", "bytes")
    await asyncio.to_thread(before.rename, tmp_path / "before.zip")
    assert "purged" in str(await stage.command("purge", message_id, "--why", "thu hồi theo thông báo"))
    _, code, told = await proving(stage, message_id, tmp_path, "receipt", "journal")
    claims = {each["claim"]: (each["verdict"], each["reason"]) for each in told["claims"]}
    for name in ("bytes", "description", "signature"):
        assert claims[name] == ("not-proven", "purged"), name
    assert claims["journal"] == ("proven", None)
    assert (code, told["verified"], told["grade"]) == (0, True, "signed-receipt")
    code, told = await verified(tmp_path / "before.zip", "--trust", str(stage.scene.pki.gateway_trust()))
    assert code == 0, "what was exported before holds still"
    shown = json.loads(await stage.command("show", message_id, "--json"))
    assert shown["purged_at"]
    await stage.command("journal", "verify")
    assert json.loads(await stage.command("journal", "replay-purges", "--json")) == {"purged_again": 0, "faults": []}


async def test_a_suspect_goes_when_two_persons_say_so_and_not_before(stage):
    answer = await handed_in(stage, "Độ mật: Mật. V/v thử")
    message_id = answer["message_id"]
    assert "secret-suspected" in [each["code"] for each in answer["warnings"]]
    assert "a second person" in str(await stage.command("release", message_id, "--who", "Lan", "--why", "ví dụ"))
    with pytest.raises(RuntimeError, match="a second person must"):
        await stage.command("release", message_id, "--who", "lan", "--why", "ví dụ")
    held = json.loads(await stage.command("status", "--json"))["held"]
    assert [each["reason"] for each in held] == ["secret-suspected"]
    await stage.command("release", message_id, "--who", "Minh", "--why", "đã đọc")
    await stage.closed(message_id)


async def test_a_rejected_suspect_is_purged_and_its_office_hears_no_more_than_that(stage):
    answer = await handed_in(stage, "Độ mật: Tối mật. V/v thử")
    message_id = answer["message_id"]
    await stage.command("reject", message_id, "--why", "có độ mật")

    async def told():
        return (await stage.office.state())["notices"].get(message_id)

    assert await eventually(told) == "message.rejected"
    document = await stage.office.client.document(message_id)
    assert (document["state"], document["subject"], bool(document["purged_at"])) == ("rejected", "", True)
