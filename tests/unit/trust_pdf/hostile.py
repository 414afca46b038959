"""PDFs made to hurt whoever reads them, by script: small on disk, without bound in memory or time."""

import zlib


def _file(objects, *, trailer=b""):
    out, places = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<</Size %d/Root 1 0 R%b>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, table)
    return bytes(out)


def _stream(data, entries=b""):
    return b"<</Length %d%b>>\nstream\n%b\nendstream" % (len(data), entries, data)


_CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
_PAGES = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
_PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R>>"


def _zeros(megabytes):
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    return b"".join([*(packer.compress(block) for _ in range(megabytes)), packer.flush()])


def nested():
    """Arrays in arrays, deeper than any parser's stack."""
    return _file([_CATALOG[:-2] + b"/AcroForm " + b"[" * 100_000 + b"]" * 100_000 + b">>", _PAGES, _PAGE, _stream(b"")])


def page_stream_bomb():
    """A page whose drawing unpacks to 512 MB, packed twice."""
    packed = zlib.compress(_zeros(512), 9)
    return _file([_CATALOG, _PAGES, _PAGE, _stream(packed, b"/Filter[/FlateDecode/FlateDecode]")])


def object_stream_bomb():
    """The catalog stands in an object stream of 256 MB."""
    packed = _zeros(256)
    store = b"1 0 obj\n" + _stream(packed, b"/Type/ObjStm/N 1/First 4/Filter/FlateDecode") + b"\nendobj\n"
    head = b"%PDF-1.7\n"
    table_at = len(head) + len(store)
    rows = b"\x00\x00\x00\xff" + b"\x01" + len(head).to_bytes(2, "big") + b"\x00" + b"\x02\x00\x01\x00"
    rows += b"\x01" + table_at.to_bytes(2, "big") + b"\x00" if table_at < 1 << 16 else b"\x00\x00\x00\x00"
    table = b"3 0 obj\n" + _stream(rows, b"/Type/XRef/Size 4/W[1 2 1]/Root 2 0 R") + b"\nendobj\n"
    return head + store + table + b"startxref\n%d\n%%%%EOF\n" % table_at


def pages_in_a_circle():
    """A page tree that is its own child."""
    return _file([_CATALOG, b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 1000000000/Parent 2 0 R>>"])


def tables_in_a_circle():
    """Each cross-reference table names itself as the earlier one."""
    plain = _file([_CATALOG, _PAGES, _PAGE, _stream(b"")])
    at = plain.rindex(b"xref\n0")
    return plain.replace(b"/Root 1 0 R>>", b"/Root 1 0 R/Prev %d>>" % at)


def fields_in_a_circle():
    """Form fields that are their own children."""
    form = b"/AcroForm<</Fields[5 0 R]>>>>"
    return _file(
        [_CATALOG[:-2] + form, _PAGES, _PAGE, _stream(b""), b"<</FT/Sig/T(a)/Kids[5 0 R 5 0 R]/Parent 5 0 R>>"]
    )


def slow(megabytes=12):
    """A hexadecimal string that is read letter by letter."""
    return _file([_CATALOG[:-2] + b"/AcroForm<</Fields[]/DA<" + b"20" * (megabytes << 19) + b">>>>>", _PAGES, _PAGE, _stream(b"")])  # fmt: skip


def many_objects(count=150_000):
    """More objects than a reader should hold."""
    return _file([_CATALOG[:-2] + b"/AcroForm<</Fields[%b]>>>>" % (b"5 0 R " * count), _PAGES, _PAGE, _stream(b"")])


ALL = (nested, page_stream_bomb, object_stream_bomb, pages_in_a_circle, tables_in_a_circle, fields_in_a_circle, slow, many_objects)  # fmt: skip
