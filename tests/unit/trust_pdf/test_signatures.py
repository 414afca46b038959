import datetime as dt
import io

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from gateway.trust.pdf import KindRule, Limits
from gateway.trust.pdf.reading import Unexaminable
from tests.unit.trust_pdf.pki import DAY, NOW, ORGAN, PERSON


def changed(pdf):
    """Another page content in a later revision, as a forger would add it."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    page["/Contents"] = writer.add_object(generic.StreamObject(stream_data=b"BT ET"))
    writer.update_container(page)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


async def test_a_person_then_an_organisation_is_valid_and_told_in_their_order(desk, pki):
    desk.lay_out_lists()
    report = await desk.judge(await pki.sign(pki.drawing, PERSON, ORGAN))
    assert report.verdict == "valid"
    first, second = report.signatures
    assert (first.signer.kind, first.signer.name, first.signer.organisation) == (
        "person",
        "Nguyễn Văn Thử",
        "Sở Thử nghiệm",
    )
    assert (second.signer.kind, second.signer.issuer) == ("organisation", "CA cấp phát thử nghiệm")
    assert (first.coverage, first.changed_after) == ("entire-revision", "forms-and-signatures")
    assert (second.coverage, second.changed_after) == ("entire-file", "nothing")
    for each in report.signatures:
        assert (each.verdict, each.intact, each.trusted, each.revocation, each.reasons) == ("passed", True, True, "good", ())  # fmt: skip


async def test_a_pdf_without_signatures_is_unsigned(desk, pki):
    assert (await desk.judge(pki.drawing)).verdict == "unsigned"


async def test_a_changed_byte_under_the_signature_is_invalid(desk, pki):
    signed = await pki.sign(pki.drawing, PERSON)
    at = signed.index(b"/MediaBox[0 0 595") + 11
    report = await desk.judge(signed[:at] + b"1" + signed[at + 1 :])
    assert (report.verdict, report.signatures[0].reasons[0]) == ("invalid", "altered")
    assert not report.signatures[0].intact


async def test_content_exchanged_in_a_later_revision_is_invalid(desk, pki):
    report = await desk.judge(changed(await pki.sign(pki.drawing, PERSON, ORGAN)))
    assert report.verdict == "invalid"
    assert [each.reasons[0] for each in report.signatures] == ["changed-after-signing"] * 2
    assert report.findings == ("changed-after-last-signature",)


async def test_bytes_after_the_end_make_a_signature_doubtful_but_blanks_do_not(desk, pki):
    signed = await pki.sign(pki.drawing, PERSON)
    assert (await desk.judge(signed + b"\r\n \0")).verdict == "valid"
    report = await desk.judge(signed + b"\nhidden\n")
    assert (report.verdict, report.signatures[0].reasons[0]) == ("indeterminate", "form-not-strict")


async def test_a_signer_of_another_issuer_is_unknown_not_invalid(desk, pki):
    report = await desk.judge(await pki.sign(pki.drawing, "unknown"))
    assert (report.verdict, report.signatures[0].reasons) == ("indeterminate", ("signer-unknown",))
    assert report.signatures[0].intact
    assert not report.signatures[0].trusted


async def test_an_empty_trust_list_trusts_nobody_not_the_roots_of_the_machine(desk, pki):
    (desk.trust / "root.pem").unlink()
    report = await desk.judge(await pki.sign(pki.drawing, PERSON))
    assert report.signatures[0].reasons == ("signer-unknown",)


async def test_a_certificate_exchanged_in_the_trust_folder_counts_at_once(desk, pki):
    from gateway.trust.pdf.trust_list import TrustList

    trust = TrustList(desk.trust, None)
    before = trust.known()
    assert trust.known() is before
    (desk.trust / "root.pem").write_bytes(pki.pem("stranger") + b"\n")
    assert [each.subject.native["common_name"] for each in trust.known().anchors] == ["CA lạ"]
    (desk.trust / "broken.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert trust.known().unreadable == ("broken.pem",)


@pytest.mark.parametrize(
    ("who", "reason"), [("expired", "certificate-expired"), ("future", "certificate-not-yet-valid")]
)
async def test_a_certificate_outside_its_time_is_indeterminate(desk, pki, who, reason):
    report = await desk.judge(await pki.sign(pki.drawing, who))
    assert (report.verdict, report.signatures[0].reasons) == ("indeterminate", (reason,))


async def test_a_timestamp_from_when_the_certificate_was_valid_saves_an_expired_one(desk, pki):
    at = NOW - 90 * DAY
    report = await desk.judge(await pki.sign(pki.drawing, "expired", stamped_at=at))
    assert (report.verdict, report.signatures[0].stamped_at) == ("valid", at)


async def test_a_later_document_timestamp_saves_an_expired_one_too(desk, pki):
    at = NOW - 90 * DAY
    report = await desk.judge(await pki.stamp(await pki.sign(pki.drawing, "expired"), at))
    assert (report.verdict, [each.type for each in report.signatures]) == ("valid", ["signature", "timestamp"])
    assert report.signatures[0].stamped_at == at
    assert report.signatures[0].changed_after == "maintenance"


async def test_a_timestamp_of_an_authority_nobody_trusts_proves_nothing(desk, pki):
    (desk.trust / "root.pem").write_bytes(pki.pem("ca"))
    report = await desk.judge(await pki.sign(pki.drawing, "expired", stamped_at=NOW - 90 * DAY))
    assert report.signatures[0].reasons == ("certificate-expired", "timestamp-untrusted")
    assert report.signatures[0].stamped_at is None


async def test_a_certificate_on_a_revocation_list_fails(desk, pki):
    desk.lay_out_lists()
    report = await desk.judge(await pki.sign(pki.drawing, "revoked"))
    assert (report.verdict, report.signatures[0].reasons) == ("invalid", ("certificate-revoked",))
    assert report.signatures[0].revoked_at == dt.datetime(2025, 6, 1, tzinfo=dt.UTC)


async def test_a_revocation_told_by_ocsp_fails_though_nothing_is_known_of_the_issuer(desk, pki):
    (desk.answers / "revoked.ocsp").write_bytes(pki.ocsp("revoked"))
    report = await desk.judge(await pki.sign(pki.drawing, "revoked"))
    assert report.signatures[0].reasons == ("certificate-revoked",)


async def test_a_revocation_after_a_trusted_timestamp_does_not_reach_back(desk, pki):
    desk.lay_out_lists()
    report = await desk.judge(await pki.sign(pki.drawing, "revoked", stamped_at=dt.datetime(2025, 5, 1, tzinfo=dt.UTC)))
    assert (report.verdict, report.signatures[0].revocation) == ("valid", "good")


async def test_answers_inside_the_file_are_used(desk, pki):
    signed = await pki.sign(pki.drawing, PERSON)
    assert (await desk.judge(signed)).signatures[0].revocation == "unknown"
    helped = pki.with_answers(signed, crls=[pki.crl("root")], ocsps=[pki.ocsp(PERSON)])
    report = await desk.judge(helped)
    assert (report.signatures[0].revocation, report.signatures[0].changed_after) == ("good", "maintenance")


async def test_answers_inside_the_file_may_also_tell_of_a_revocation(desk, pki):
    signed = pki.with_answers(await pki.sign(pki.drawing, "revoked"), crls=[pki.crl("ca")])
    assert (await desk.judge(signed)).signatures[0].reasons == ("certificate-revoked",)


async def test_a_forged_answer_is_worth_nothing(desk, pki):
    # Signed by another authority than the one it speaks for.
    (desk.answers / "ca.crl").write_bytes(pki.crl("root"))
    assert (await desk.judge(await pki.sign(pki.drawing, PERSON))).signatures[0].revocation == "unknown"


async def test_a_stale_list_leaves_the_revocation_unknown(desk, pki):
    for name in ("root", "ca"):
        (desk.answers / f"{name}.crl").write_bytes(pki.crl(name, NOW - 90 * DAY))
    assert (await desk.judge(await pki.sign(pki.drawing, PERSON))).signatures[0].revocation == "unknown"


@pytest.mark.parametrize(
    ("policy", "verdict", "revocation"),
    [("soft", "passed", "unknown"), ("hard", "indeterminate", "unknown"), ("off", "passed", "not-checked")],
)
async def test_what_an_unanswered_revocation_means_is_policy(desk, pki, policy, verdict, revocation):
    one = (await desk.judge(await pki.sign(pki.drawing, PERSON), revocation=policy)).signatures[0]
    assert (one.verdict, one.revocation) == (verdict, revocation)
    if revocation == "unknown":
        assert one.reasons == ("revocation-unknown",)
        assert one.revocation_urls == (
            "http://pki.invalid/pki/ocsp/ca",
            "http://pki.invalid/pki/crls/ca/latest.crl",
        )


async def test_who_is_an_organisation_can_be_told_by_a_rule_of_ones_own(desk, pki):
    rules = (KindRule("organisation", "organization_name", "^nơi khác$"),)
    report = await desk.judge(await pki.sign(pki.drawing, "unknown", PERSON), kind_rules=rules)
    assert [each.signer.kind for each in report.signatures] == ["organisation", "unknown"]


async def test_a_kind_of_signature_we_cannot_check_is_told_not_passed_over(desk, pki):
    signed = await pki.sign(pki.drawing, PERSON)
    report = await desk.judge(signed.replace(b"/ETSI.CAdES.detached", b"/adbe.x509.rsa_sha1 "))
    assert (report.verdict, report.signatures[0].reasons) == ("indeterminate", ("kind-unsupported",))


async def test_garbage_in_a_signature_field_fails_and_hides_no_other_signature(desk, pki):
    signed = await pki.sign(pki.drawing, PERSON)
    at = signed.index(b"/Contents <") + 11
    broken = await pki.sign(signed[:at] + b"ff" * 40 + signed[at + 80 :], ORGAN)
    report = await desk.judge(broken)
    assert report.verdict == "invalid"
    assert {each.reasons for each in report.signatures} == {("signature-unreadable",), ("revocation-unknown",)}


@pytest.mark.parametrize("broken", [b"", b"%PDF-1.7\n", b"not a pdf at all", b"%PDF-1.7\n" + bytes(1000)])
async def test_what_is_no_pdf_cannot_be_examined(desk, broken):
    with pytest.raises(Unexaminable) as error:
        await desk.judge(broken)
    assert error.value.code == "damaged"


async def test_more_signatures_than_the_limit_are_not_examined(desk, pki):
    signed = await pki.sign(pki.drawing, PERSON, ORGAN)
    with pytest.raises(Unexaminable, match="too-many-signatures"):
        await desk.judge(signed, limits=Limits(signatures=1))
