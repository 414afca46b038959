from dataclasses import dataclass

import pytest

from gateway.rules.signatures import Policy, judge


@dataclass
class Signer:
    kind: str


@dataclass
class Signature:
    signer: Signer | None
    verdict: str = "passed"
    type: str = "signature"
    reasons: tuple[str, ...] = ()


@dataclass
class Report:
    verdict: str = "valid"
    signatures: tuple[Signature, ...] = ()
    findings: tuple[str, ...] = ()


def signed(*kinds, **report):
    return Report(signatures=tuple(Signature(Signer(kind)) for kind in kinds), **report)


BOTH = signed("person", "organisation")
REQUIRE = Policy("require")


def codes(problems):
    return [each.code for each in problems]


@pytest.mark.parametrize("mode", ["require", "warn", "off"])
def test_signed_by_person_then_organisation_nobody_has_a_word_to_say(mode):
    judged = judge(Policy(mode), [("attachments[0]", BOTH)])
    assert (judged.refused, judged.warned) == ((), ())


def test_an_attachment_of_its_own_needs_the_organisation_only():
    judged = judge(REQUIRE, [("attachments[0]", BOTH), ("attachments[1]", signed("organisation"))])
    assert not judged.refused


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([], ["pdf-missing"]),
        ([Report("unsigned")], ["pdf-no-person", "pdf-no-organisation", "pdf-unsigned"]),
        ([signed("person")], ["pdf-no-organisation", "pdf-organisation-not-last"]),
        ([signed("organisation")], ["pdf-no-person"]),
        ([signed("unknown", "organisation")], ["pdf-no-person"]),
        ([signed("organisation", "person")], ["pdf-organisation-not-last"]),
        ([signed("person"), signed("organisation")], ["pdf-not-both", "pdf-organisation-not-last"]),
        ([Report("could-not-be-examined", findings=("time",))], ["pdf-not-examined"]),
        ([signed("person", verdict="invalid")], ["pdf-signature-invalid"]),
        ([signed("person", verdict="indeterminate")], ["pdf-signature-indeterminate"]),
        ([BOTH, Report("unsigned")], ["pdf-unsigned"]),
    ],
)
def test_what_lacks_is_refused_where_it_is_required_and_else_only_told(reports, expected):
    pdfs = [(f"attachments[{index}]", report) for index, report in enumerate(reports)]
    assert codes(judge(REQUIRE, pdfs).refused) == expected
    assert codes(judge(Policy(), pdfs).warned) == expected
    assert not judge(Policy(), pdfs).refused
    assert judge(Policy("off"), pdfs) == judge(Policy("off"), [("attachments[0]", BOTH)])


def test_a_signature_that_did_not_pass_counts_for_nobody():
    report = Report(
        "invalid", (Signature(Signer("person"), "failed", reasons=("altered",)), Signature(Signer("organisation")))
    )
    (problem,) = judge(REQUIRE, [("attachments[0]", report)]).refused
    assert (problem.code, problem.facts) == ("pdf-signature-invalid", {"reasons": "altered"})


def test_an_unexamined_file_may_pass_where_the_policy_says_so():
    judged = judge(Policy("require", unexamined="warn"), [("attachments[0]", Report("could-not-be-examined"))])
    assert (codes(judged.refused), codes(judged.warned)) == ([], ["pdf-not-examined"])


def test_a_change_after_the_last_signature_is_told():
    report = signed("person", "organisation", findings=("changed-after-last-signature",))
    assert codes(judge(REQUIRE, [("attachments[0]", report)]).warned) == ["pdf-changed-after"]
