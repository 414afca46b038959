"""HTTP replies of an axis gone wrong or taken over, one per way of being so. Uses nothing of the gateway.

    python tests/assets/make_replies.py DIR      writes them all

`REPLIES` maps a name to the raw bytes; none is signed, so none may settle anything. `ENDLESS` are pieces to repeat.
"""

import sys
import zlib
from pathlib import Path

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
ENVELOPE = (
    f'<soap:Envelope xmlns:soap="{SOAP}"><soap:Body><a xmlns="urn:lienthong:axis:1"/></soap:Body></soap:Envelope>'
)
TEXT = "Content-Type: text/xml; charset=utf-8"
CUT = 'Content-Type: multipart/related; type="text/xml"; boundary="cut"'


def reply(body, *headers, status="200 OK", length=None):
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", *(headers or (TEXT,)), f"Content-Length: {len(data) if length is None else length}"]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + data


def part(*headers, body=ENVELOPE):
    return "\r\n".join(["--cut", *headers, "", body, ""])


def bomb():
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(b" " * (1 << 20)) for _ in range(256)) + packer.flush()


ROOT = part("Content-Type: text/xml")
DTD = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
ENTITY = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'

REPLIES = {
    "nothing": b"",
    "no_http": b"SSH-2.0-OpenSSH_9.2\r\n",
    "empty": reply(""),
    "html": reply("<html><body>captive portal</body></html>", "Content-Type: text/html"),
    "json": reply("{}", "Content-Type: application/json"),
    "no_content_type": reply(ENVELOPE, "X: y"),
    "odd_content_type": reply(ENVELOPE, 'Content-Type: ;;;="\x7f'),
    "not_xml": reply("hello"),
    "unsigned": reply(ENVELOPE),
    "dtd": reply(DTD + ENVELOPE),
    "external_entity": reply(ENTITY + ENVELOPE.replace("<a", "&a;<a")),
    "deep": reply(f'<soap:Envelope xmlns:soap="{SOAP}">' + "<x>" * 10_000),
    "utf_7": reply('<?xml version="1.0" encoding="utf-7"?>' + ENVELOPE),
    "oversize": reply("<x>" + " " * (9 << 20) + "</x>"),
    "declares_1_gib": reply(ENVELOPE, length=1 << 30),
    "declares_more_than_64_bits": reply(ENVELOPE, length=1 << 70),
    "negative_length": reply(ENVELOPE, length=-1),
    "gzip_bomb": reply(bomb(), TEXT, "Content-Encoding: gzip"),
    "gzip_that_is_none": reply(ENVELOPE, TEXT, "Content-Encoding: gzip"),
    "unknown_encoding": reply(ENVELOPE, TEXT, "Content-Encoding: rot13"),
    "redirect": reply("", "Location: http://169.254.169.254/latest/meta-data", status="307 Temporary Redirect"),
    "redirect_to_file": reply("", "Location: file:///etc/passwd", status="302 Found"),
    "asks_for_a_password": reply("", "WWW-Authenticate: Basic realm=x", status="401 Unauthorized"),
    "long_header": reply(ENVELOPE, TEXT, "X: " + "y" * (1 << 20)),
    "long_reason": reply(ENVELOPE, status="200 " + "O" * (1 << 20)),
    "retry_after_a_million_years": reply("", "Retry-After: 99999999999999999999", status="503 Service Unavailable"),
    "bad_chunk": b"HTTP/1.1 200 OK\r\n" + TEXT.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
    "cut_chunk": b"HTTP/1.1 200 OK\r\n" + TEXT.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nhello",
    "multipart_without_boundary": reply(ROOT, "Content-Type: multipart/related"),
    "multipart_empty": reply("", CUT),
    "multipart_cut_in_envelope": reply(ROOT[:80], CUT),
    "multipart_without_part": reply("--cut--\r\n", CUT),
    "multipart_file_first": reply(part("Content-Type: application/octet-stream", body="x") + ROOT + "--cut--\r\n", CUT),
    "multipart_encoded_root": reply(
        part("Content-Type: text/xml", "Content-Transfer-Encoding: base64") + "--cut--", CUT
    ),
    "multipart_long_preamble": reply("x" * (1 << 20) + "\r\n" + ROOT + "--cut--\r\n", CUT),
    "multipart_many_headers": reply(part(*["X: y"] * 50_000) + "--cut--\r\n", CUT),
}

ENDLESS = {
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000),
    "one_header": (b"HTTP/1.1 200 OK\r\nX: ", b"y" * 8192),
    "status_line": (b"HTTP/1.1 200 ", b"O" * 8192),
    "body": (b"HTTP/1.1 200 OK\r\n" + TEXT.encode() + b"\r\n\r\n", b" " * 65536),
    "interim_replies": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "preamble": (b"HTTP/1.1 200 OK\r\n" + CUT.encode() + b"\r\n\r\n", b"x" * 65536),
    "slow_headers": (b"HTTP/1.1 200 OK\r\n", b""),
    "slow_body": (b"HTTP/1.1 200 OK\r\n" + TEXT.encode() + b"\r\n\r\n<", b""),
}


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in REPLIES.items():
        (folder / f"{name}.http").write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
