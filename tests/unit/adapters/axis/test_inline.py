"""Small files that come with their line of the list."""

import base64
import hashlib

import pytest

from gateway.model import Kind

FILE = b"<edXML>a small status</edXML>"


def listing(axis, *, content=FILE, size=None, sha256=None):
    def answer(asked):
        encoded = f"<Content>{base64.b64encode(content).decode()}</Content>" if content is not None else ""
        return axis.reply(
            asked,
            "<Pending><AxisId>A-1</AxisId><Kind>status</Kind><FromOrganId>000.00.00.G22</FromOrganId>"
            f"<DocumentId>D-1</DocumentId><Priority>0</Priority><Size>{len(FILE) if size is None else size}</Size>"
            f"<Sha256>{sha256 or hashlib.sha256(FILE).hexdigest()}</Sha256>{encoded}</Pending>",
        )

    return answer


async def read(driver):
    async with driver.fetch("A-1", Kind.STATUS) as fetched:
        return b"".join([chunk async for chunk in fetched.chunks])


def operations(axis):
    return [asked.operation for asked in axis.asked]


async def test_a_file_that_came_with_the_list_is_not_fetched_again(axis, driver):
    axis.answers = [listing(axis)]
    (item,) = await driver.pending(10)
    assert (await read(driver), item.size) == (FILE, len(FILE))
    assert operations(axis) == ["GetPendingDocumentIds"]


@pytest.mark.parametrize(
    "spoilt", [{"content": b"<edXML>something else</edXML>"}, {"sha256": "0" * 64}, {"size": 7}, {"content": None}]
)
async def test_a_file_that_its_line_does_not_vouch_for_is_fetched(axis, driver, spoilt):
    axis.answers = [listing(axis, **spoilt), lambda asked: b""]
    await driver.pending(10)
    with pytest.raises(Exception, match="axis-"):
        await read(driver)
    assert operations(axis)[-1] == "GetDocument"


async def test_a_second_fetch_asks_the_axis(axis, driver):
    axis.answers = [listing(axis), lambda asked: b""]
    await driver.pending(10)
    await read(driver)
    with pytest.raises(Exception, match="axis-"):
        await read(driver)
    assert operations(axis)[-1] == "GetDocument"


async def test_a_long_list_is_asked_for_without_files(axis, driver):
    axis.answers = [listing(axis)]
    await driver.pending(5000)
    assert axis.asked[-1].text("InlineBelow") == "0"
