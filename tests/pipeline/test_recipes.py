"""How the journal keeps a packed file: as a table, and, until not long ago, as text within text."""

import base64
import dataclasses
import json

from gateway.edxml.build import Encoded, Literal
from gateway.model import Content
from gateway.pipeline.outgoing import Packed

FILE = Content("ab" * 32, 100_000, "segments/0001:42")
PACKED = Packed((Literal("<Trích yếu/>".encode()), Encoded(FILE)), (("210", "ab" * 32),), ("000.00.00.G22",))


def test_a_packed_file_is_read_as_it_was_kept():
    assert Packed.of(json.loads(json.dumps(PACKED.table()))) == PACKED


def test_a_packed_file_is_read_in_the_form_it_was_kept_in_at_first():
    pieces = [
        {"literal": base64.b64encode("<Trích yếu/>".encode()).decode()},
        {"content": dataclasses.asdict(FILE)},
    ]
    kept = json.dumps({"pieces": json.dumps(pieces), "attachments": PACKED.attachments, "to": PACKED.to})
    assert Packed.of(kept) == PACKED
