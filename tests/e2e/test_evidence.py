"""`lienthong evidence`: what it gathers from a gateway that runs, and what the file proves to a stranger."""

import asyncio
import json
import shutil
import subprocess
import sys
import zipfile

import pytest
import pytest_asyncio

from mock_axis import pki
from mock_axis.scene import DEPARTMENT_ORGAN, command
from tests.e2e.stage import CHANCELLERY, FINANCE, eventually, on_stage

UNSTAMPED = {"head-timestamp": "missing", "timestamp": "missing"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory):
    settings = {"times": {"block_seconds": 0.3}}
    async with on_stage(tmp_path_factory.mktemp("evidence"), settings=settings) as ready:
        yield ready


async def proving(stage, message_id, folder, *kinds):
    """The bundle and what it proves, once the claims of these kinds are proven in it: statuses and blocks follow."""

    async def look():
        file = folder / f"{message_id}.zip"
        file.unlink(missing_ok=True)
        await stage.command("evidence", "export", message_id, "--out", str(file))
        code, told = await verified(file, "--trust", str(stage.scene.pki.gateway_trust()))
        proven = {each["claim"].partition(":")[0] for each in told["claims"] if each["verdict"] == "proven"}
        return (file, code, told) if proven >= {*kinds, "blocks"} else None

    return await eventually(look)


async def verified(file, *more, prefix=(), cwd=None):
    """Exit code and report, from a process of its own."""

    def run():
        words = [*prefix, *command(), "evidence", "verify", str(file), "--json", *more]
        return subprocess.run(words, check=False, capture_output=True, text=True, cwd=cwd, timeout=60)

    done = await asyncio.to_thread(run)
    assert done.returncode in {0, 1}, done.stderr
    return done.returncode, json.loads(done.stdout)


def signers(told, kind):
    return {each["signer"] for each in told["claims"] if each["claim"].partition(":")[0] == kind}


def unproven(told):
    """But for the head: the day's is written once, be it before the entries or after them."""
    claims = [each for each in told["claims"] if each["claim"] != "head"]
    return {each["claim"]: each["reason"] for each in claims if each["verdict"] != "proven"}


async def test_a_document_sent_is_proven_with_receipt_statuses_and_blocks(stage, tmp_path):
    _, answer = await stage.send(CHANCELLERY, FINANCE)
    await stage.closed(answer["message_id"])
    _, code, told = await proving(stage, answer["message_id"], tmp_path, "status")
    assert (code, told["verified"], told["grade"]) == (0, True, "signed-receipt")
    assert unproven(told) == {"hops": "one-hop", **UNSTAMPED}
    assert signers(told, "receipt") == {pki.AXIS}
    assert signers(told, "status") == {CHANCELLERY, FINANCE}


async def test_a_head_written_beside_a_running_gateway_covers_what_came_before(stage, tmp_path):
    _, answer = await stage.send(CHANCELLERY)
    await stage.closed(answer["message_id"])
    await proving(stage, answer["message_id"], tmp_path, "status")
    written = await stage.command("journal", "head", "--json")
    told = json.loads(written.stdout if hasattr(written, "stdout") else written)
    assert told["timestamp"] == "not-configured"
    _, code, told = await proving(stage, answer["message_id"], tmp_path, "head")
    assert (code, unproven(told)) == (0, {"hops": "one-hop", **UNSTAMPED})


async def test_a_document_received_is_proven_by_its_sender_s_signature_and_our_receipt(stage, tmp_path):
    document_id = await stage.receive(CHANCELLERY)
    message_id = await stage.heard_of(document_id)
    _, code, told = await proving(stage, message_id, tmp_path, "status")
    assert (code, told["grade"]) == (0, "signed-receipt")
    assert signers(told, "signature") == {CHANCELLERY}
    assert signers(told, "receipt") == signers(told, "status") == {pki.GATEWAY}


async def test_on_the_road_inside_both_hops_are_proven(stage, tmp_path):
    _, answer = await stage.send(DEPARTMENT_ORGAN)
    _, code, told = await proving(stage, answer["message_id"], tmp_path, "hops")
    assert (code, unproven(told)) == (0, UNSTAMPED)


def cut_off(prefix):
    """Whether a process started so has no network at all, not even loopback."""
    probe = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
    tried = subprocess.run([*prefix, sys.executable, "-c", probe], check=False, capture_output=True, text=True)
    return "unreachable" in tried.stderr


async def test_a_stranger_verifies_a_bundle_with_no_network_and_no_configuration(stage, tmp_path):
    _, answer = await stage.send(CHANCELLERY)
    await stage.closed(answer["message_id"])
    file, *_ = await proving(stage, answer["message_id"], tmp_path)
    alone = tmp_path / "elsewhere"
    alone.mkdir()
    shutil.copy(file, alone / "proof.zip")
    shutil.copytree(stage.scene.pki.gateway_trust(), alone / "roots")
    prefix = ("unshare", "--net", "--map-root-user")
    if not await asyncio.to_thread(cut_off, prefix):
        pytest.skip("this machine does not let us cut the network off")
    code, told = await verified("proof.zip", "--trust", "roots", prefix=prefix, cwd=alone)
    assert (code, told["verified"]) == (0, True)
    code, told = await verified("proof.zip", cwd=alone)
    assert (code, told["verified"], told["delivery"]) == (1, False, "not-proven")


async def test_the_enclosed_file_is_the_one_that_the_axis_has(stage, tmp_path):
    _, answer = await stage.send(CHANCELLERY, files=(b"%PDF-1.7 " + bytes(900_000),))
    await stage.closed(answer["message_id"])
    file, code, told = await proving(stage, answer["message_id"], tmp_path)
    assert code == 0
    with zipfile.ZipFile(file) as opened:
        about = json.loads(opened.read("manifest.json"))["about"]
        assert opened.getinfo("document.edxml").file_size == about["size"] > 1_200_000
    assert told["claims"][2] == {
        "claim": "bytes",
        "verdict": "proven",
        "reason": None,
        "signer": None,
        "detail": about["sha256"],
    }
