"""Every bad edXML file at every door that can take one: refused in words, with nothing left behind, and the next served."""

import time

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from tests.assets import make_edxml as assets
from tests.security.house import FOLDER_ORGAN, to_here

SECRETS = ("thử nghiệm", "invented content", assets.GOOD64[:24], "Sở Mẫu")
"""Text of every file, which may appear in no answer and in no log."""


def from_here(data):
    """The file as the office of the folder would send it."""
    return data.replace(b"000.00.00.H08", FOLDER_ORGAN.encode())


def silent(text):
    return not any(secret in text for secret in SECRETS)


async def test_the_office_api_refuses_each_and_keeps_nothing(house):
    wrong = {}
    for name, (code, data) in assets.REFUSED.items():
        began = time.monotonic()
        answer = await house.post_edxml(data)
        status, told, errors = answer.problem()
        known = ("too-large", 413) if code == "too-large" else ("edxml-unreadable", 422)
        if (told, status) != known or errors != {code} or not silent(answer.body.decode()):
            wrong[name] = (status, told, errors)
        assert time.monotonic() - began < 5, name
    for name, (code, status, data) in assets.AT_THE_DOOR.items():
        answer = await house.post_edxml(data)
        got, told, errors = answer.problem()
        if got != status or code not in {told, *errors} or not silent(answer.body.decode()):
            wrong[name] = (got, told, errors)
    assert wrong == {}
    assert house.nothing_entered()
    assert (await house.post_edxml(assets.sound())).status == 202
    assert silent(house.log())


async def test_the_folder_lays_each_into_rejected_with_the_reason(house):
    wrong = {}
    bad = dict(assets.REFUSED)
    bad |= {name: (code, data) for name, (code, _, data) in assets.AT_THE_DOOR.items()}
    outbox = house.root / "outbox"
    for name, (_, data) in bad.items():
        (outbox / f"{name}.edxml").write_bytes(from_here(data))
    for name, (code, data) in bad.items():
        result = await house.result(name)
        codes = {result["code"], *(problem["code"] for problem in result["problems"])}
        kept = house.root / "rejected" / name / f"{name}.edxml"
        if result["outcome"] != "rejected" or code not in codes or not silent(str(result)):
            wrong[name] = result
        assert kept.read_bytes() == from_here(data), "what an office put out is never lost"
    assert wrong == {}
    assert house.nothing_entered()
    assert list(outbox.iterdir()) == []
    (outbox / "good.edxml").write_bytes(from_here(assets.sound()))
    assert (await house.result("good"))["outcome"] == "taken"
    assert silent(house.log())


async def test_what_the_axis_delivers_is_receipted_and_rejected_with_its_code_and_the_queue_goes_on(house):
    codes = {}
    for name, (code, data) in assets.REFUSED.items():
        codes[await house.announce(to_here(data), document_id=name)] = (name, code)
    good = await house.announce(to_here(assets.sound()))
    wrong = {}
    for axis_id, (name, code) in codes.items():
        state, held, message_id = await house.settled(axis_id)
        ((facts,),) = house.ask("SELECT facts FROM entry WHERE message_id = ? ORDER BY seq DESC LIMIT 1", message_id)
        if (state, held) != ("rejected", None) or f'"{code}"' not in facts:
            wrong[name] = (state, held, facts)
    assert wrong == {}
    assert (await house.arrived(good))[0] == "trusted"
    confirmed = {row[1] for row in await house.confirmations()}
    assert confirmed >= {*codes, good}
    assert silent(house.log())


async def test_the_sender_of_a_broken_file_hears_of_it_where_the_header_names_who_the_axis_vouches_for(house):
    broken = {
        name: f"000.00.00.G22,2024/05/06,{name}" for name in ("base64_truncated", "cut_in_base64", "two_contents")
    }
    for name in broken:
        await house.announce(to_here(assets.REFUSED[name][1]).replace(b"15/UBND-VX", name.encode()))
    forged = to_here(assets.REFUSED["base64_alphabet"][1]).replace(b"15/UBND-VX", b"forged")
    await house.settled(await house.announce(forged, sender="000.00.00.G09"))
    told = await house.statuses_told(len(broken))
    assert set(told) == {("02", document_id) for document_id in broken.values()}


async def test_a_file_that_is_odd_but_readable_is_never_a_bug(house):
    """With signatures ignored: what can be read reaches the office, what cannot is rejected; nothing is held as a bug."""
    ids = {}
    for name, (_, data) in assets.ODD.items():
        number = f"{len(ids)}/".encode()
        ids[await house.announce(to_here(data).replace(b"15/", number))] = name
    outcomes = {}
    for axis_id, name in ids.items():
        state, held, _ = await house.arrived(axis_id)
        outcomes[name] = (state, held)
    left = {
        name: outcome for name, outcome in outcomes.items() if outcome not in {("trusted", None), ("rejected", None)}
    }
    assert left == {
        # A status about no document of ours waits for a person.
        "status_unpadded": ("confirmed", "status-unmatched"),
        "status_14": ("confirmed", "status-unmatched"),
        # What the axis itself reads otherwise, or not at all: it disputes our receipt, and a person decides.
        "attachment_without_content": ("received", "axis-bad-receipt"),
        "no_receiver": ("received", "axis-bad-receipt"),
        "utf16_label_on_utf8": ("received", "axis-bad-receipt"),
    }
    page = (await house.call("GET", "/v1/inbox?limit=200")).json()
    assert len(page["items"]) == sum(state == "trusted" for state, _ in outcomes.values())
    for line in page["items"]:
        item = (await house.call("GET", f"/v1/inbox/{line['message_id']}")).json()
        for attachment in item["attachments"]:
            got = await house.call("GET", f"/v1/inbox/{line['message_id']}/attachments/{attachment['n']}")
            assert (got.status, len(got.body)) == (200, attachment["size"])


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_the_command_line_says_each_in_one_line(tmp_path, command):
    trust = tmp_path / "trust"
    trust.mkdir()
    path = tmp_path / "file.edxml"
    wrong = {}
    for name, (code, data) in assets.REFUSED.items():
        path.write_bytes(data)
        arguments = [command, str(path), *(["--trust", str(trust)] if command == "verify" else [])]
        result = CliRunner().invoke(app, arguments)
        line = result.stderr.strip()
        if result.exit_code != 1 or result.stdout or "\n" in line or f"[{code}]" not in line or not silent(line):
            wrong[name] = (result.exit_code, result.output[:300], repr(result.exception))
    assert wrong == {}
