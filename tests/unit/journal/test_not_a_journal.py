import pytest

from gateway.errors import Misconfigured
from gateway.journal import Journal
from tests.pki import NOW


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough to be read as one" * 20, b"SQLite format 3\0" + bytes(84)]
)
async def test_a_file_that_is_no_journal_is_refused_by_name(tmp_path, content):
    path = tmp_path / "journal.sqlite"
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match=r"journal\.sqlite: cannot be used as a journal"):
        await Journal.open(path, now=lambda: NOW)
    assert path.read_bytes() == content
