"""Limits of one axis or one office, judged at the door."""

import pytest

from gateway.config import FileLimits
from gateway.errors import Refused
from gateway.model import LOCAL_AXIS
from gateway.pipeline.limits import Limiter, edxml_bytes
from gateway.texts import say
from tests.pipeline.road import FAR, NEIGHBOUR, OFFICE, OURS, document_file, open_road, settings

NINH_BINH = FileLimits(attachment_bytes=50 << 20, name_length=50, name_characters="plain")


def limited(*, axis=None, office=None):
    plain = settings()
    changed = plain.axis[0].model_copy(update={"limits": axis or FileLimits()})
    offices = [
        each.model_copy(update={"limits": office}) if office and each.name == OFFICE else each for each in plain.office
    ]
    return Limiter(plain.model_copy(update={"axis": (changed,), "office": tuple(offices)}))


def refused(limiter, *files, axes=("national",)):
    with pytest.raises(Refused) as raised:
        limiter.refuse(OFFICE, axes, files)
    return raised.value.status, [(each.field, each.code, each.facts) for each in raised.value.problems]


@pytest.mark.parametrize(
    ("name", "code", "facts"),
    [
        ("tờ trình.pdf", "limit-name-characters", {"of": "axis:national"}),
        ("a/b.pdf", "limit-name-characters", {"of": "axis:national"}),
        ("n" * 47 + ".pdf", "limit-name-length", {"of": "axis:national", "limit": "50"}),
    ],
)
def test_a_name_that_the_axis_does_not_take_is_refused_by_field_axis_and_limit(name, code, facts):
    assert refused(limited(axis=NINH_BINH), ("a.pdf", 1), (name, 1)) == (422, [("attachments[1].name", code, facts)])


def test_the_largest_that_is_allowed_is_taken():
    limited(axis=NINH_BINH).refuse(OFFICE, ["national"], [("n" * 46 + ".pdf", 50 << 20)])


def test_sizes_are_refused_with_413_and_the_limit():
    limits = FileLimits(attachment_bytes=10, submission_bytes=15, attachments=3)
    assert refused(limited(axis=limits), ("a", 11), ("b", 5)) == (
        413,
        [
            ("attachments[0].size", "limit-attachment-bytes", {"of": "axis:national", "limit": "10"}),
            ("attachments", "limit-submission-bytes", {"of": "axis:national", "limit": "15"}),
        ],
    )
    assert refused(limited(axis=limits), *(("a", 1),) * 4)[1][0][1] == "limit-attachments"


def test_the_edxml_file_is_estimated_with_base64():
    limiter = limited(axis=FileLimits(edxml_bytes=1_000_000))
    limiter.refuse(OFFICE, ["national"], [("a", 690_000)])
    assert refused(limiter, ("a", 750_000))[1][0][1] == "limit-edxml-bytes"


async def test_the_estimate_is_never_too_low(road):
    message_id = await road.submit(files=tuple((f"tệp số {n}.pdf", b"%PDF-1.7 " + bytes(n)) for n in range(1, 60)))
    await road.run()
    sent = await road.message(message_id)
    assert sent.size <= edxml_bytes([9 + n for n in range(1, 60)])


def test_an_office_has_limits_of_its_own_on_every_road():
    limiter = limited(office=FileLimits(attachments=1))
    assert refused(limiter, ("a", 1), ("b", 1), axes=[LOCAL_AXIS])[1] == [
        ("attachments", "limit-attachments", {"of": f"office:{OFFICE}", "limit": "1"})
    ]
    limiter.refuse("huyen-thu", [LOCAL_AXIS, "national"], [("a", 1), ("b", 1)])


def test_the_sentences_name_whose_limit_it_is():
    problem = refused(limited(axis=NINH_BINH), ("a" * 60, 1))[1][0]
    assert "axis:national" in say(problem[1], "vi", **problem[2])
    assert "50" in say(problem[1], "en", **problem[2])


async def test_a_document_too_large_for_one_of_its_axes_is_refused_whole(tmp_path):
    async with open_road(tmp_path) as road:
        road.intake._limiter = limited(axis=FileLimits(attachment_bytes=5))
        with pytest.raises(Refused) as raised:
            await road.submit(NEIGHBOUR, FAR)
        assert [(each.code, each.facts["of"]) for each in raised.value.problems] == [
            ("limit-attachment-bytes", "axis:national")
        ]
        assert await road.submit(NEIGHBOUR)
        with pytest.raises(Refused, match="takes no more"):
            await road.intake.submit_edxml(OFFICE, _pieces(document_file(OURS, signer=None), FAR, OURS))


async def test_what_is_declared_too_large_is_refused_before_a_byte_of_it_is_read(road):
    road.intake._limiter = limited(axis=FileLimits(attachment_bytes=5))

    async def never():
        raise AssertionError("it was read")
        yield

    record = {
        "from": {"code": OURS, "name": "Sở Thử nghiệm"},
        "to": [{"code": FAR, "name": "Cơ quan thử"}],
        "number": "1",
        "notation": "STN-VP",
        "promulgation": {"date": "2026-03-01"},
        "subject": "V/v thử nghiệm",
        "attachments": [{"name": "a.pdf", "content_type": "application/pdf", "size": 6}],
    }
    with pytest.raises(Refused) as raised:
        await road.intake.submit(OFFICE, "k", record, never())
    assert raised.value.status == 413


async def _pieces(data, old, new):
    """The file as ours: from our organ to the one far away."""
    yield data.replace(new.encode(), b"\0").replace(old.encode(), new.encode()).replace(b"\0", old.encode())
