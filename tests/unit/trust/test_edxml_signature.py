import copy
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lxml import etree

from gateway.edxml import parse
from gateway.model import Business
from gateway.trust import edxml_signature, markup, signature
from gateway.trust.errors import SignatureInvalid
from mock_axis.edxml_reading import EdxmlReader
from mock_axis.edxml_signature import verdict
from mock_axis.keys import Trust
from schemas import EDXML_NAMESPACE
from tests import pki
from tests.unit.trust.signed import digests, document_file, status_file

TRUST = pki.trust(pki.valid(pki.GATEWAY), pki.valid(pki.OTHER))
NS = {"e": EDXML_NAMESPACE, "d": markup.DS}
INTACT = (("MessageHeader", "intact"), ("edXMLManifest", "intact"), ("cid:1", "intact"), ("cid:2", "intact"))
SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "samples"


def check(data, attachments=None, *, now=pki.NOW, trust=TRUST):
    return edxml_signature.check(data, digests() if attachments is None else attachments, trust=trust, now=now)


def edited(path, change, data=None):
    root = etree.fromstring(data or document_file())
    change(root.find(path, NS))
    return etree.tostring(root)


def codes(report):
    return [finding.code for finding in report.findings]


def test_a_packed_file_is_signed_line_by_line():
    report = check(document_file())
    assert report == edxml_signature.SignatureReport(
        "valid", pki.GATEWAY, pki.valid(pki.GATEWAY).pair().fingerprint, INTACT
    )


def test_the_envelope_that_reading_leaves_is_enough():
    parsed = parse.read(document_file())
    assert b"JVBERi" not in parsed.envelope
    assert check(parsed.envelope).verdict == "valid"


# --- what a document does to earlier ones ------------------------------------------------------------------------

RECALL = Business(type=1, reason="Gửi nhầm")


def test_what_makes_a_document_a_recall_is_signed_as_a_line_of_its_own():
    report = check(document_file(business=RECALL))
    assert report.verdict == "valid"
    assert report.lines[2] == ("Bussiness", "intact")


@pytest.mark.parametrize("field", ["BussinessDocType", "BussinessDocReason"])
def test_a_recall_whose_kind_or_reason_was_changed_on_the_way_is_found_out(field):
    changed = edited(f".//e:{field}", lambda leaf: setattr(leaf, "text", "2"), document_file(business=RECALL))
    assert check(changed).verdict == "invalid"
    assert ("Bussiness", "changed") in check(changed).lines


def test_a_recall_that_was_taken_out_is_missed():
    def remove(element):
        element.getparent().remove(element)

    report = check(edited(".//e:Bussiness", remove, document_file(business=RECALL)))
    assert ("Bussiness", "missing") in report.lines
    assert report.verdict == "invalid"


@pytest.mark.parametrize(
    "business",
    [
        "<e:Bussiness><e:BussinessDocType>1</e:BussinessDocType></e:Bussiness>",
        "<e:Business><e:BusinessDocType>1</e:BusinessDocType></e:Business>",
        "<e:Bussiness><e:BussinessDocType><!-- -->1</e:BussinessDocType></e:Bussiness>",
        "<Bussiness xmlns=''><BussinessDocType>01</BussinessDocType></Bussiness>",
    ],
)
@pytest.mark.parametrize("also", [RECALL, Business()])
def test_nobody_on_the_way_can_make_a_recall_of_a_document(business, also):
    def put(traces):
        traces.insert(0, etree.fromstring(business.replace(">", f" xmlns:e='{EDXML_NAMESPACE}'>", 1)))

    forged = edited(".//e:TraceHeaderList", put, document_file(business=also))
    assert parse.read(forged).document.business.type == 1
    assert ("Bussiness", "extra") in check(forged).lines or ("Bussiness", "changed") in check(forged).lines
    assert check(forged).verdict == "invalid"


def test_the_kind_of_a_new_document_needs_no_line():
    def remove(element):
        element.getparent().remove(element)

    assert check(document_file(business=Business(reason="Mới"))).lines == INTACT
    assert check(edited(".//e:Bussiness", remove, document_file(business=Business(paper=1)))).verdict == "valid"


@pytest.mark.parametrize("business", [Business(), RECALL])
def test_an_agency_of_the_mock_axis_takes_our_signature(business, tmp_path):
    reader = EdxmlReader()
    reader.feed(document_file(business=business))
    read = reader.close()
    assert verdict(read, Trust(pki.write_trust(tmp_path, pki.valid(pki.GATEWAY))), pki.NOW) == "valid"


def test_a_status_is_signed_with_its_header_alone():
    assert check(status_file(), []).lines == (("MessageHeader", "intact"),)
    assert check(status_file(), []).verdict == "valid"
    changed = edited(".//e:StatusCode", lambda code: setattr(code, "text", "06"), status_file())
    assert check(changed, []).lines == (("MessageHeader", "changed"),)


def test_the_signature_is_written_in_its_canonical_form():
    root = etree.fromstring(document_file())
    element = root.find(".//d:Signature", NS)
    data = document_file()
    assert markup.canonical(element) in data


def test_a_hop_may_rewrite_the_traces_and_nothing_is_changed():
    def hop(traces):
        traces.append(copy.deepcopy(traces[0]))

    assert check(edited(".//e:TraceHeaderList", hop)).verdict == "valid"


def test_a_header_changed_by_reserialising_is_told_apart_from_its_attachments():
    report = check(edited(".//e:Subject", lambda subject: setattr(subject, "text", "Khác")))
    assert report.verdict == "invalid"
    assert report.signer == pki.GATEWAY
    assert report.lines == (("MessageHeader", "changed"), *INTACT[1:])
    assert codes(report) == ["signed-part-changed"]


def test_reindenting_the_header_changes_it_but_not_the_core():
    report = check(edited(".//e:MessageHeader", etree.indent))
    assert report.signer == pki.GATEWAY
    assert report.lines == (("MessageHeader", "changed"), *INTACT[1:])


def test_reindenting_the_signature_itself_breaks_the_core():
    report = check(edited(".//d:Signature", etree.indent))
    assert (report.verdict, report.signer) == ("invalid", None)


def test_each_attachment_has_its_own_line():
    one, two = digests()
    other = ("1", hashlib.sha256(b"other").hexdigest())
    assert check(document_file(), [other, two]).lines == (*INTACT[:2], ("cid:1", "changed"), ("cid:2", "intact"))
    assert check(document_file(), [two]).lines == (*INTACT[:2], ("cid:1", "missing"), ("cid:2", "intact"))
    assert check(document_file(), [one, two, ("3", "00" * 32)]).lines == (*INTACT, ("cid:3", "extra"))
    doubled = check(document_file(), [one, ("cid:1", "00" * 32), two])
    assert doubled.lines == (*INTACT[:3], ("cid:1", "extra"), ("cid:2", "intact"))
    for attachments in ([other, two], [two], [one, two, ("3", "00" * 32)], [one, one, two]):
        assert check(document_file(), attachments).verdict == "invalid"


def test_the_order_of_attachments_does_not_matter():
    assert check(document_file(), digests()[::-1]).verdict == "valid"


@pytest.mark.parametrize(
    "path", [".//e:MessageHeader", ".//e:edXMLManifest", ".//e:edXMLHeader", ".//e:edXMLBody", "e:edXMLEnvelope"]
)
def test_a_second_of_what_is_covered_is_found(path):
    def double(element):
        twin = copy.deepcopy(element)
        for inner in [*twin.iter(signature.TAG)]:
            inner.getparent().remove(inner)
        element.addprevious(twin)

    report = check(edited(path, double))
    assert report.verdict != "valid"


@pytest.mark.parametrize(
    ("path", "forged"),
    [
        (".//e:edXMLHeader", "<MessageHeader/>"),
        (".//e:edXMLHeader", '<x:MessageHeader xmlns:x="urn:other"/>'),
        (".//e:edXMLHeader", "<Status/>"),
        (".//e:edXMLBody", '<Manifest xmlns="urn:other"/>'),
        ("e:edXMLEnvelope", f'<Header xmlns="{EDXML_NAMESPACE}"/>'),
        (".", f'<EdXMLEnvelope xmlns="{EDXML_NAMESPACE}"/>'),
    ],
)
def test_nothing_may_stand_beside_the_covered_that_a_liberal_reader_could_take(path, forged):
    report = check(edited(path, lambda parent: parent.insert(0, etree.fromstring(forged))))
    assert report.verdict == "invalid"
    assert "extra" in dict(report.lines).values()


@pytest.mark.parametrize("path", [".//e:MessageHeader", ".//e:edXMLManifest"])
def test_a_covered_element_moved_away_is_missing(path):
    report = check(edited(path, lambda element: element.getparent().remove(element)))
    assert report.verdict == "invalid"
    assert "missing" in dict(report.lines).values()


def test_a_signature_moved_elsewhere_does_not_count():
    report = check(edited(".//d:Signature", lambda found: found.getroottree().getroot().append(found)))
    assert (report.verdict, codes(report)) == ("invalid", ["not-covered"])


def test_a_signature_of_another_file_does_not_vouch_for_this_one():
    foreign = etree.fromstring(status_file()).find(".//d:Signature", NS)
    report = check(edited(".//d:Signature", lambda own: own.getparent().replace(own, foreign)))
    assert report.verdict == "invalid"


@pytest.mark.parametrize("path", [".//d:Manifest/d:Reference", ".//d:Object", ".//d:KeyInfo", ".//d:SignatureValue"])
def test_a_stripped_core_is_never_valid(path):
    assert check(edited(path, lambda element: element.getparent().remove(element))).verdict != "valid"


def test_a_manifest_changed_after_signing_breaks_the_core():
    line = ".//d:Manifest/d:Reference/d:DigestValue"
    report = check(edited(line, lambda value: setattr(value, "text", markup.base64(b"0" * 32))))
    assert (report.verdict, report.signer, codes(report)) == ("invalid", None, ["signature-bad"])


def test_a_second_manifest_is_refused():
    def double(manifest):
        manifest.addprevious(copy.deepcopy(manifest))

    assert check(edited(".//d:Manifest", double)).verdict == "invalid"


def test_a_second_signature_is_refused():
    report = check(edited(".//d:Signature", lambda own: own.addnext(copy.deepcopy(own))))
    assert (report.verdict, codes(report)) == ("invalid", ["form"])


def test_an_id_repeated_within_the_signature_is_refused():
    report = check(edited(".//d:KeyInfo", lambda info: info.set("Id", "edxml-manifest")))
    assert (report.verdict, codes(report)) == ("invalid", ["form"])


def signed_lines(*lines):
    """A file whose signer, of all people trusted, made a Manifest of other lines than ours."""
    pair = pki.valid(pki.GATEWAY).pair()
    written = f' Id="m">{"".join(map(signature.write_reference, lines))}</ds:Manifest>'
    digest = markup.sha256(f'<ds:Manifest xmlns:ds="{markup.DS}"{written}'.encode())
    core = signature.Reference("#m", digest, (markup.EXC_C14N,), edxml_signature.MANIFEST_TYPE)
    made = signature.write([core], pair, objects=f"<ds:Object><ds:Manifest{written}</ds:Object>")
    return edited(".//d:Signature", lambda own: own.getparent().replace(own, etree.fromstring(made)))


def line(uri, *transforms):
    root = etree.fromstring(document_file())
    found = root.find(f".//e:{uri.removeprefix('edxml:')}", NS) if uri.startswith("edxml:Message") else None
    digest = b"0" * 32 if found is None else markup.sha256(markup.canonical(found))
    return signature.Reference(uri, digest, transforms)


HEADER = line("edxml:MessageHeader", markup.EXC_C14N)


@pytest.mark.parametrize(
    ("lines", "verdict", "code"),
    [
        ([line("cid:1"), line("cid:2")], "invalid", "not-covered"),
        ([HEADER, HEADER], "invalid", "form"),
        ([HEADER, line("cid:1"), line("cid:1")], "invalid", "form"),
        ([HEADER, line("http://example.invalid/")], "invalid", "form"),
        ([HEADER, line("cid:1", markup.EXC_C14N)], "indeterminate", "algorithm"),
        ([line("edxml:MessageHeader")], "indeterminate", "algorithm"),
    ],
)
def test_a_manifest_of_other_lines_is_refused_whoever_signed_it(lines, verdict, code):
    report = check(signed_lines(*lines))
    assert (report.verdict, codes(report)) == (verdict, [code])


def test_what_a_signed_manifest_leaves_out_is_extra():
    report = check(signed_lines(HEADER))
    assert report.verdict == "invalid"
    assert report.lines == (
        ("MessageHeader", "intact"),
        ("edXMLManifest", "extra"),
        ("cid:1", "extra"),
        ("cid:2", "extra"),
    )


def test_a_stranger_s_signature_cannot_be_judged_and_names_its_certificate():
    report = check(document_file(pki.stranger()))
    assert (report.verdict, report.signer, codes(report)) == ("indeterminate", None, ["signer-unknown"])
    assert report.certificate == pki.stranger().pair().fingerprint


def test_the_signer_named_is_the_one_whose_key_signed():
    assert check(document_file(pki.valid(pki.OTHER))).signer == pki.OTHER
    swapped = etree.fromstring(document_file(pki.valid(pki.OTHER)))
    swapped.find(".//d:X509Certificate", NS).text = markup.base64(pki.valid(pki.GATEWAY).pair().der)
    assert (check(etree.tostring(swapped)).verdict, check(etree.tostring(swapped)).signer) == ("invalid", None)


def test_validity_is_judged_at_the_time_given():
    report = check(document_file(), now=pki.NOW + 2 * pki.YEAR)
    assert (report.verdict, codes(report)) == ("indeterminate", ["certificate-expired"])


def test_nothing_is_signed_with_an_expired_certificate():
    with pytest.raises(SignatureInvalid):
        document_file(pki.expired(pki.GATEWAY))


@pytest.mark.parametrize(
    ("path", "algorithm"),
    [
        (".//d:SignatureMethod", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
        (".//d:SignatureMethod", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"),
        (".//d:SignedInfo//d:DigestMethod", "http://www.w3.org/2000/09/xmldsig#sha1"),
        (".//d:SignedInfo//d:Transform", "http://www.w3.org/TR/1999/REC-xslt-19991116"),
        (".//d:CanonicalizationMethod", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
    ],
)
def test_foreign_algorithms_are_not_judged(path, algorithm):
    report = check(edited(path, lambda method: method.set("Algorithm", algorithm)))
    assert (report.verdict, codes(report)) == ("indeterminate", ["algorithm"])


def test_a_file_without_a_signature_says_so():
    bare = edited(".//d:Signature", lambda own: own.getparent().remove(own))
    assert check(bare) == edxml_signature.SignatureReport("absent")
    stub = edited(
        ".//e:edXMLHeader", lambda header: etree.SubElement(header, f"{{{EDXML_NAMESPACE}}}DigitalSignature"), bare
    )
    assert (check(stub).verdict, codes(check(stub))) == ("absent", ["empty-signature"])


@pytest.mark.parametrize("namespace", [EDXML_NAMESPACE, markup.DS])
def test_the_world_s_own_signatures_are_a_finding(namespace):
    stub = etree.fromstring(
        f'<Signature xmlns="{namespace}"><SignedInfo><SignatureMethod '
        'Algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1"/></SignedInfo>'
        "<SignatureValue>GbVb8n9</SignatureValue></Signature>"
    )
    report = check(edited(".//d:Signature", lambda own: own.getparent().replace(own, stub)))
    assert (report.verdict, codes(report)) == ("indeterminate", ["foreign-signature"])


@pytest.mark.parametrize("data", [b"", b"<a", b"<!DOCTYPE a><a/>", b"<x:a/>", b"\xff\xfe<\x00a\x00/\x00>\x00"])
def test_bytes_that_cannot_be_read_are_a_verdict_not_a_crash(data):
    assert (check(data).verdict, codes(check(data))) == ("indeterminate", ["not-xml"])


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples from real traffic are not on this machine")
def test_real_files_are_absent_or_indeterminate():
    found = {path.name: check(parse.read(path.read_bytes()).envelope, []).verdict for path in SAMPLES.glob("*.edxml")}
    assert set(found.values()) <= {"absent", "indeterminate"}
    assert found["document_new.edxml"] == "indeterminate"


def test_threads_checking_at_once_never_take_a_forgery():
    cases = {0: document_file(), 1: document_file(pki.stranger()), 2: document_file(pki.valid(pki.OTHER))}
    line = ".//d:Manifest/d:Reference/d:DigestValue"
    cases[3] = edited(line, lambda value: setattr(value, "text", markup.base64(b"0" * 32)))

    def once(number):
        report = check(cases[number % 4])
        return number % 4, report.verdict, report.signer

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(once, range(400)))
    assert found == {
        (0, "valid", pki.GATEWAY),
        (1, "indeterminate", None),
        (2, "valid", pki.OTHER),
        (3, "invalid", None),
    }
