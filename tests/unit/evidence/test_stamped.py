"""What others' word proves of a bundle: timestamps over it, and the journal's head over its blocks."""

import asyncio
import hashlib
import json
import shutil
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.journal import HeadFolder, Journal
from gateway.states import Entry, Outcome
from tests import pki
from tests.authority import Authority
from tests.contract.journals import Clock
from tests.unit.evidence.made import (
    MESSAGE,
    OTHER,
    claim,
    contents_of,
    export,
    lay_out,
    lienthong,
    rewritten,
    verify,
)
from tests.unit.trust_pdf.pki import DAY, NOW

TOKEN_AND_HEAD = {"timestamp.tsr", "journal/head.json", "journal/head.tsr"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tsa"))


@pytest.fixture(scope="module")
def ran(tmp_path_factory, authority):
    """A gateway that has run, with a head of its journal, and an authority to ask."""
    folder = lay_out(tmp_path_factory.mktemp("ran"))
    with authority.served() as url:
        settings = f'[timestamps]\nurl = "{url}"\ntrust = "{authority.trust}"\n'
        with (folder / "lienthong.toml").open("a", encoding="utf-8") as file:
            file.write(settings)
        code, output = lienthong("journal", "head", "--config", folder / "lienthong.toml")
        assert (code, "stamped" in output) == (0, True), output
        yield folder


@pytest.fixture(scope="module")
def whole(ran):
    return export(ran, MESSAGE, ran / "whole.zip")


def proven(file, ran, authority):
    code, output = lienthong(
        "evidence", "verify", file, "--trust", ran / "roots", "--timestamp-trust", authority.trust, "--json"
    )
    told = json.loads(output)
    return code, told, {each["claim"].partition(":")[0] for each in told["claims"] if each["verdict"] == "false"}


def test_a_stamped_bundle_with_a_stamped_head_proves_since_when_it_exists(ran, whole, authority):
    assert contents_of(whole).keys() >= TOKEN_AND_HEAD
    code, told, false = proven(whole, ran, authority)
    assert (code, false) == (0, set())
    unproven = {each["claim"] for each in told["claims"] if each["verdict"] != "proven"}
    assert unproven == {"hops"}
    said = {each["claim"]: (each["signer"], each["detail"]) for each in told["claims"]}
    assert said["timestamp"] == said["head-timestamp"] == ("TSA thử nghiệm", NOW.isoformat())
    assert said["head"][1].startswith("00000001.json ")


def test_without_a_trust_root_of_the_authority_its_tokens_are_not_proven(ran, whole):
    code, told, false = verify(whole, ran / "roots")
    assert (code, false) == (0, set())
    assert claim(told, "timestamp") == claim(told, "head-timestamp") == ("not-proven", "timestamp-untrusted")
    assert claim(told, "head") == ("proven", None)


def test_without_our_own_certificate_a_head_is_not_anchored(whole, authority, tmp_path):
    (tmp_path / "roots").mkdir()
    _, output = lienthong(
        "evidence", "verify", whole, "--trust", tmp_path / "roots", "--timestamp-trust", authority.trust, "--json"
    )
    told = json.loads(output)
    assert claim(told, "head") == ("not-proven", "not-anchored")
    assert claim(told, "head-timestamp") == ("not-proven", "head-not-proven")
    assert claim(told, "timestamp") == ("proven", None)


def spoil(name, change):
    def alter(files):
        before = files[name]
        files[name] = change(before)
        assert files[name] != before

    return alter


def retold(**values):
    def change(data):
        told = json.loads(data)
        told["head"] |= values
        return json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    return change


def last_bit(data):
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    ("name", "change", "falls"),
    [
        ("timestamp.tsr", last_bit, {"timestamp"}),
        ("timestamp.tsr", lambda _: b"no token", {"timestamp"}),
        ("journal/head.tsr", last_bit, {"head-timestamp"}),
        ("journal/head.json", retold(entries=1), {"head", "head-timestamp"}),
        ("journal/head.json", retold(digest="00" * 32), {"head", "head-timestamp"}),
        ("journal/head.json", lambda _: b"{}", {"head", "head-timestamp"}),
        ("verdicts.json", lambda _: b"[]", {"verdicts"}),
    ],
)
def test_a_changed_file_makes_its_own_claim_false_and_the_bundle_another_than_was_stamped(
    ran, whole, authority, tmp_path, name, change, falls
):
    def alter(files):
        token = files.pop("timestamp.tsr")
        if name != "timestamp.tsr":
            spoil(name, change)(files)
        files["timestamp.tsr"] = change(token) if name == "timestamp.tsr" else token

    # As a clumsy forger leaves it: the manifest names the digests of before.
    code, _, false = proven(rewritten(whole, tmp_path / "clumsy.zip", alter, manifest=False), ran, authority)
    assert (code, false) == (1, falls | (set() if name == "timestamp.tsr" else {"files"}))
    # With a manifest to fit: then the token over the manifest tells.
    code, _, false = proven(rewritten(whole, tmp_path / "forged.zip", alter), ran, authority)
    assert (code, false) == (1, falls | {"timestamp"})


def test_the_head_of_another_chain_is_false_although_we_signed_it(ran, whole, authority, tmp_path):
    pair = pki.valid(pki.GATEWAY).pair()
    last = HeadFolder(ran / "data" / "heads").newest().position
    head = HeadFolder(tmp_path / "heads").write(
        replace(last, digest="00" * 32), NOW, lambda signed: (pair.sign(signed), pair.fingerprint)
    )
    theirs = head.data
    file = rewritten(whole, tmp_path / "x.zip", lambda files: files.update({"journal/head.json": theirs}))
    _, told, false = proven(file, ran, authority)
    assert claim(told, "head") == ("false", "head-of-other-blocks")
    assert "head-timestamp" in false


def test_an_older_head_of_the_same_chain_says_nothing_of_newer_entries(tmp_path):
    folder = lay_out(tmp_path / "ran")
    assert lienthong("journal", "head", "--config", folder / "lienthong.toml")[0] == 0
    older = (folder / "data" / "heads" / "00000001.json").read_bytes()

    async def later():
        journal = await Journal.open(folder / "data" / "journal.sqlite", now=Clock())
        await journal.apply(MESSAGE, Outcome(Entry("note")), who="node-1")
        await journal.blocks.close(pki.valid(pki.GATEWAY).pair().sign)
        await journal.close()

    asyncio.run(later())
    whole = export(folder, MESSAGE, tmp_path / "whole.zip")
    assert "journal/head.json" not in contents_of(whole)
    file = rewritten(whole, tmp_path / "x.zip", lambda files: files.update({"journal/head.json": older}))
    _, told, false = verify(file, folder / "roots")
    assert (claim(told, "head"), false) == (("not-proven", "head-of-earlier-blocks"), set())


def test_the_token_of_another_bundle_is_false(ran, whole, authority, tmp_path):
    other = contents_of(export(ran, OTHER, tmp_path / "other.zip"))["timestamp.tsr"]
    file = rewritten(whole, tmp_path / "x.zip", lambda files: files.update({"timestamp.tsr": other}), manifest=False)
    _, told, _ = proven(file, ran, authority)
    assert claim(told, "timestamp") == ("false", "timestamp-imprint")


def test_a_revoked_authority_proves_nothing_and_contradicts_nothing(ran, whole, tmp_path):
    roots = tmp_path / "tsa"
    roots.mkdir()
    revoked = Authority(tmp_path, revoked=True)
    assert (revoked.trust / "root.pem").exists()
    token = revoked.token(contents_of(whole)["manifest.json"])
    file = rewritten(whole, tmp_path / "x.zip", lambda files: files.update({"timestamp.tsr": token}), manifest=False)
    (revoked.trust / "root.crl").write_bytes(revoked.pki.crl("root", NOW + 40 * DAY))
    _, told, false = proven(file, ran, revoked)
    assert (claim(told, "timestamp"), false) == (("not-proven", "timestamp-revoked"), set())


def test_an_authority_that_is_away_leaves_the_bundle_without_its_timestamp_and_says_so(ran, authority, tmp_path):
    folder = lay_out(tmp_path / "ran")
    with (folder / "lienthong.toml").open("a", encoding="utf-8") as file:
        file.write(f'[timestamps]\nurl = "http://127.0.0.1:9/"\ntrust = "{authority.trust}"\n')
    arguments = (
        "evidence",
        "export",
        MESSAGE,
        "--out",
        tmp_path / "x.zip",
        "--config",
        folder / "lienthong.toml",
        "--json",
    )
    code, output = lienthong(*arguments)
    assert (code, json.loads(output)["timestamp"]) == (0, "tsa-unreachable")
    _, told, false = verify(tmp_path / "x.zip", folder / "roots")
    assert (claim(told, "timestamp"), false) == (("not-proven", "missing"), set())


def test_an_older_head_does_not_cover_newer_entries(ran, whole):
    folder = HeadFolder(ran / "data" / "heads")
    last = folder.newest().position.block
    assert folder.covering(1, last).number == 1
    assert folder.covering(last + 1, last + 9) is None
    assert folder.covering(1, last - 1) is None


def test_a_receipt_from_after_its_signer_was_revoked_is_not_proven(ran, whole, tmp_path):
    roots = shutil.copytree(ran / "roots", tmp_path / "roots")
    (roots / "ca.crl.pem").write_bytes(pki.revocation_list(pki.valid(pki.AXIS), since=pki.NOW - 365 * DAY))
    code, told, false = verify(whole, roots)
    assert (code, claim(told, "receipt"), false) == (1, ("not-proven", "certificate-revoked"), set())


def test_the_revocation_lists_at_hand_are_enclosed_and_count(tmp_path):
    folder = lay_out(tmp_path / "ran")
    for path, since in ((folder / "trust", pki.NOW + DAY), (tmp_path / "later", pki.NOW - 365 * DAY)):
        path.mkdir(exist_ok=True)
        (path / "ca.crl.pem").write_bytes(pki.revocation_list(pki.valid(pki.AXIS), since=since))
    whole = export(folder, MESSAGE, tmp_path / "whole.zip")
    [name] = [each for each in contents_of(whole) if each.endswith(".crl") and pki.AXIS in each]
    code, told, _ = verify(whole, folder / "roots")  # revoked, but after it signed
    assert (code, claim(told, "receipt"), claim(told, "certificates")) == (0, ("proven", None), ("proven", None))

    def change(files):
        files[name] = files[name][:-1] + b"\0"

    assert verify(rewritten(whole, tmp_path / "x.zip", change), folder / "roots")[2] == {"certificates"}
    earlier = x509.load_pem_x509_crl((tmp_path / "later" / "ca.crl.pem").read_bytes()).public_bytes(Encoding.DER)
    place = f"certificates/{pki.AXIS}/{hashlib.sha256(earlier).hexdigest()}.crl"
    file = rewritten(whole, tmp_path / "y.zip", lambda files: files.update({place: earlier}))
    code, told, false = verify(file, folder / "roots")
    assert (code, claim(told, "receipt"), false) == (1, ("not-proven", "certificate-revoked"), set())
