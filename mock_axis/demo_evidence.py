"""The demo's proof: the evidence of one delivery is exported and verified by a process that knows nothing but trust roots."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from mock_axis.office import SampleOffice
from mock_axis.scene import Scene, command


async def verified(scene: Scene, office: SampleOffice, *, patience: float) -> dict[str, Any] | None:
    """What is proven of the office's first document: claim → verdict. None where it does not hold as a delivery.

    Its entries are vouched for by the next signed block, which may still be to come.
    """
    sent = (await office.store.submissions())[0]
    message_id = sent["answer"]["messages"][0]["message_id"]
    file = scene.folder / "evidence.zip"
    until = time.monotonic() + patience
    while True:
        file.unlink(missing_ok=True)
        await scene.run_command("evidence", "export", message_id, "--out", str(file))
        told = await _verify(file, scene.pki.gateway_trust())
        claims = {each["claim"]: each["verdict"] for each in told["claims"]}
        if told["verified"] and claims.get("blocks") == "proven":
            return claims
        if time.monotonic() > until:
            return None
        await asyncio.sleep(0.5)


async def _verify(file: Path, trust: Path) -> dict[str, Any]:
    """By the command's own exit code and answer, without the gateway's configuration."""
    process = await asyncio.create_subprocess_exec(
        *command(),
        *("evidence", "verify", str(file), "--trust", str(trust), "--json"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    told: dict[str, Any] = json.loads(output)
    return {**told, "verified": told["verified"] and not process.returncode}
