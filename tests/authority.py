"""A time-stamping authority of a throw-away public-key infrastructure, in process or over HTTP on loopback."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from asn1crypto import tsp
from certomancer.registry import ServiceLabel

from gateway.trust import timestamps
from gateway.trust.pdf.trust_list import TrustList
from tests.unit.trust_pdf.pki import NOW, Pki


class Authority:
    """`trust` is the folder that leads to it."""

    def __init__(self, folder, at=NOW, *, revoked=False):
        """`revoked`: its list says so, some days after `NOW`."""
        self.pki, self.at = Pki(folder, tsa_revoked=revoked), at
        self.trust = folder / "trust"
        self.trust.mkdir()
        (self.trust / "root.pem").write_bytes(self.pki.pem("root"))

    def answer(self, request):
        service = self.pki._arch.service_registry.summon_timestamper(ServiceLabel("tsa"), at_time=self.at)
        return service.request_tsa_response(tsp.TimeStampReq.load(request)).dump()

    def token(self, data, digest="sha256"):
        asked, nonce = timestamps.request(data, digest)
        return timestamps.token(self.answer(asked), nonce)

    def known(self):
        return TrustList(self.trust, self.trust).known()

    @contextlib.contextmanager
    def served(self):
        """Its address. For commands, which have an event loop of their own."""
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                answer = authority.answer(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/"
            finally:
                server.shutdown()
                thread.join()
