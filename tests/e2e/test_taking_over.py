"""Taking over from another gateway: what the axis took before `start_at` waits for an operator's order."""

import datetime as dt
import json

import pytest

from mock_axis.recount import looking_at
from tests.e2e.stage import AXIS, CHANCELLERY, FINANCE, eventually, on_stage, statuses

SECTION = AXIS["section"] | {"start_at": f"{dt.datetime.now(dt.UTC) + dt.timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}


@pytest.mark.parametrize("driver", ["soap", "vxp"])
async def test_what_came_before_the_start_is_shown_and_let_in_by_one_order(tmp_path, driver):
    options = AXIS | {"section": SECTION}
    async with on_stage(tmp_path, driver=driver, axis_options=options) as stage:
        sent = [await stage.receive(agency) for agency in (CHANCELLERY, FINANCE)]

        async def shown():
            told = json.loads(await stage.command("status", "--json"))
            return told["held_by_reason"] == {"before-start": 2}

        await eventually(shown)
        with looking_at(tmp_path / "axis" / "axis.sqlite3") as axis:
            assert axis.execute("select sum(fetched), sum(waiting) from items").fetchall() == [(0, 2)]
        why = "the earlier gateway never had them"
        said = await stage.command("release", "--axis", "quoc-gia", "--why", why, "--who", "clerk")
        assert said == "2 messages go on\n"
        for document_id, agency in zip(sent, (CHANCELLERY, FINANCE), strict=True):
            message_id = await stage.heard_of(document_id)
            told = json.loads(await stage.command("show", message_id, "--json"))
            released = next(each for each in told["timeline"] if each["act"] == "released")
            assert (released["who"], released["why"]) == ("clerk", why)

            async def answered(document_id=document_id, agency=agency):
                return await statuses(stage.scene, agency, document_id)

            assert [code for code, _, _ in await eventually(answered)] == ["01"]
