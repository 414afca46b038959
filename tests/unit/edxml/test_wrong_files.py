import time

import pytest

from gateway.edxml import parse
from gateway.edxml.words import _VI
from tests.assets import make_edxml as assets

INSPECTED = {"type-mislabelled", "attachment-cut", "attachment-damaged", "zip-bomb", "zip-damaged"}


def feed_all(splitter, slices):
    for data in slices:
        splitter.feed(data)


def read_in_slices(data, step):
    splitter = parse.Splitter()
    feed_all(splitter, [data[at : at + step] for at in range(0, len(data), step)])
    return splitter.close()


@pytest.mark.parametrize("name", assets.REFUSED)
@pytest.mark.parametrize("step", [None, 511])
def test_a_wrong_file_is_refused_with_its_code_and_quickly(name, step):
    code, data = assets.REFUSED[name]
    began = time.process_time()
    with pytest.raises(parse.EdxmlError) as caught:
        read_in_slices(data, step or len(data) or 1)
    assert caught.value.code == code
    assert time.process_time() - began < 2


@pytest.mark.parametrize("name", [name for name, (code, _) in assets.ODD.items() if code not in INSPECTED])
def test_an_odd_file_is_read_and_its_oddity_told(name):
    code, data = assets.ODD[name]
    parsed = parse.read(data)
    assert parsed.document or parsed.status
    assert code in {finding.code for finding in parsed.findings}


def test_the_sound_file_earns_no_finding():
    assert parse.read(assets.sound()).findings == ()


def test_every_code_has_its_sentence_in_vietnamese():
    codes = {code for group in (assets.REFUSED, assets.ODD) for code, _ in group.values()}
    assert codes <= _VI.keys()


def test_a_file_larger_than_the_limit_is_refused_before_it_is_parsed():
    splitter = parse.Splitter(limit=1000)
    splitter.feed(b" " * 3)
    with pytest.raises(parse.EdxmlError, match="too-large"):
        splitter.feed(assets.sound())


def test_a_tag_that_never_ends_is_refused_before_it_fills_the_memory():
    splitter = parse.Splitter(limits=parse.Limits(envelope=1 << 20))
    splitter.feed(b"<edXML ")
    with pytest.raises(parse.EdxmlError, match="too-large"):
        feed_all(splitter, [b"a" * (64 << 10)] * 100)


def test_comments_count_against_the_envelope():
    splitter = parse.Splitter(limits=parse.Limits(envelope=1 << 20))
    splitter.feed(b"<edXML>")
    with pytest.raises(parse.EdxmlError, match="too-large"):
        feed_all(splitter, [b"<!--" + b"a" * (32 << 10) + b"-->"] * 100)


@pytest.mark.parametrize("name_first", [True, False])
def test_a_truncated_attachment_is_reported_with_its_name(name_first):
    broken = assets.attachment(text="QUJ", name="biên bản.pdf", cid="2")
    if not name_first:
        broken = broken.replace("<AttachmentName>biên bản.pdf</AttachmentName>", "")
    data = assets.sound(
        references=assets.reference() + assets.reference(cid="2", name="biên bản.pdf"),
        attachments=assets.attachment() + broken,
    )
    with pytest.raises(parse.EdxmlError) as caught:
        parse.read(data)
    assert (caught.value.code, caught.value.where) == ("base64-truncated", "biên bản.pdf")


def test_a_refusal_never_quotes_the_file():
    with pytest.raises(parse.EdxmlError) as caught:
        parse.read(assets.sound(header=assets.HEADER.replace("V/v", "tuyệt mật &nbsp;")))
    assert "mật" not in str(caught.value)


def test_many_attachments_cost_time_in_proportion():
    many = "".join(assets.attachment(b"x", cid=str(i), name=f"{i}.txt") for i in range(10_000))
    listed = "".join(assets.reference(cid=str(i), name=f"{i}.txt") for i in range(10_000))
    data = assets.sound(attachments=many, references=listed)
    began = time.process_time()
    assert len(parse.read(data).attachments) == 10_000
    assert time.process_time() - began < 3


def test_what_looks_like_attachments_inside_the_header_stays_in_the_envelope():
    hidden = "<edXML><AttachmentEncoded><Attachment/></AttachmentEncoded></edXML>"
    parsed = parse.read(assets.sound(header=assets.HEADER + hidden))
    assert hidden.encode() in parsed.envelope
    assert [a.name for a in parsed.attachments] == ["tờ trình.pdf"]


def test_the_generator_writes_one_file_per_case(tmp_path):
    assets.main(tmp_path / "files")
    written = len(list((tmp_path / "files").iterdir()))
    assert written == sum(map(len, (assets.REFUSED, assets.ODD, assets.AT_THE_DOOR, assets.NAMES)))
