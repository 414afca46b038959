"""Every bad record at the office API and in the folder; and what else an office can lay into its outbox."""

import asyncio
import json
import os

from mock_axis.scene import OFFICE_ORGAN
from tests.assets import make_records as assets
from tests.security.house import FOLDER_ORGAN

SEEN_BY_THE_FOLDER = {
    # The folder reads a record before the door does, to find the files that belong to it.
    "attachment_that_leads_up": "name-unfit",
    "attachment_that_does_not_come": "file-missing",
    "too_many_attachments": "file-missing",
    "attachment_without_name": "not-json",
    "attachments_as_text": "not-json",
    "list": "not-json",
    "number": "not-json",
    "name_twice": "not-json",
    "deep": "not-json",
    "latin_1": "not-json",
    "utf_16": "not-json",
}


async def test_the_office_api_refuses_each_and_its_key_stays_free(house):
    wrong = {}
    for name, (code, data) in assets.REFUSED.items():
        status, told, errors = (answer := await house.post(data, key="the-key")).problem()
        if not 400 <= status < 500 or code not in {told, *errors} or assets.SUBJECT in answer.body.decode():
            wrong[name] = (status, told, errors)
    assert wrong == {}
    assert house.nothing_entered()
    assert (await house.post(assets.SOUND, key="the-key")).status == 202
    assert assets.SUBJECT not in house.log()


async def test_the_folder_lays_each_into_rejected_with_the_reason(house):
    def here(data):
        return data.replace(OFFICE_ORGAN.encode(), FOLDER_ORGAN.encode())

    outbox = house.root / "outbox"
    for name, (_, data) in assets.REFUSED.items():
        (outbox / f"{name}.json").write_bytes(here(data))
    wrong = {}
    for name, (code, data) in assets.REFUSED.items():
        result = await house.result(name)
        codes = {result["code"], *(problem["code"] for problem in result["problems"])}
        if result["outcome"] != "rejected" or not codes & {code, SEEN_BY_THE_FOLDER.get(name)}:
            wrong[name] = (result["outcome"], codes)
        assert (house.root / "rejected" / name / f"{name}.json").read_bytes() == here(data)
        assert assets.SUBJECT not in str(result)
    assert wrong == {}
    assert house.nothing_entered()
    (outbox / "good.json").write_bytes(here(assets.SOUND))
    assert (await house.result("good"))["outcome"] == "taken"
    assert assets.SUBJECT not in house.log()


async def test_what_is_no_file_in_the_outbox_harms_nobody(house):
    outbox = house.root / "outbox"
    secret = house.scene.folder / "secret.pdf"
    secret.write_text("invented secret")
    sound = assets.record(**{"from": FOLDER_ORGAN, "attachments": [{"name": "a.pdf"}]})

    os.mkfifo(outbox / "fifo.json")
    (outbox / "link.json").symlink_to(house.scene.config)
    (outbox / "folder.json").mkdir()
    (outbox / "loop.edxml").symlink_to("loop.edxml")
    (outbox / "zero.edxml").symlink_to("/dev/zero")
    for name in ("to-link", "to-fifo", "to-folder", "in-link"):
        (outbox / name).mkdir()
        (outbox / f"{name}.json").write_text(json.dumps(sound))
    (outbox / "to-link" / "a.pdf").symlink_to(secret)
    os.mkfifo(outbox / "to-fifo" / "a.pdf")
    (outbox / "to-folder" / "a.pdf").mkdir()
    (outbox / "in-link").rmdir()
    (outbox / "in-link").symlink_to(house.scene.folder, target_is_directory=True)
    (outbox / "\udcff\udcfe.json").write_text("{}")
    (outbox / ("x" * 250 + ".json")).write_text("{}")
    (outbox / "\u202enosj.json").write_text("{}")
    (outbox / "surrogate.status.json").write_text('{"\\ud800": 1, "message_id": "\\udfff", "code": "03"}')
    (outbox / "deep.status.json").write_text("[" * 100_000)

    refused = ["fifo", "link", "folder", "loop", "zero", "to-link", "to-fifo", "to-folder", "in-link"]
    for name in [*refused, "surrogate.status", "deep.status"]:
        result = await house.result(name)
        assert result["outcome"] == "rejected", name
        assert result["problems"], name
    assert house.nothing_entered()
    assert secret.read_text() == "invented secret"
    assert "invented secret" not in house.log()
    (outbox / "good.json").write_text(json.dumps(assets.record(**{"from": FOLDER_ORGAN})))
    assert (await house.result("good"))["outcome"] == "taken"


async def test_a_file_that_is_swapped_while_it_is_read_is_never_half_of_each(house):
    """Renamed over, grown, cut: what is taken is one or the other."""
    outbox = house.root / "outbox"
    name = "swapped.json"
    for turn in range(20):
        part = outbox / ".part"
        part.write_text(json.dumps(assets.record(**{"from": FOLDER_ORGAN, "number": str(turn)})))
        part.rename(outbox / name)
        await asyncio.sleep(0.01)
    assert (await house.result("swapped"))["outcome"] == "taken"
