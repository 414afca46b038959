"""An issuer of certificates that tells on loopback which it revoked, and a desk where PDFs are looked at."""

import contextlib

from aiohttp import web

from gateway.journal import DiskContents
from gateway.outside.revocation import FetchedRevocation
from gateway.pipeline.pdfs import Pdfs, Revocation
from gateway.rules.signatures import Policy
from gateway.trust.pdf import PdfExaminer, PdfOptions
from tests.contract.journals import Clock
from tests.unit.trust_pdf.pki import NOW, Pki

OFFICES = {"strict": Policy("require"), "mild": Policy("warn")}


class Issuer:
    """A public-key infrastructure that answers on loopback at the addresses in its certificates."""

    def __init__(self):
        self.asked, self.down, self.at = [], set(), NOW
        self.instead = {}

    async def open(self, stack, folder, whose="ours"):
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.host = f"127.0.0.1:{runner.addresses[0][1]}"
        self.pki = Pki(folder, address=f"http://{self.host}", whose=whose)
        return self

    async def answer(self, request):
        kind = "ocsp" if request.method == "POST" else "crl"
        name = "ca" if "/ca" in request.path else "root"
        self.asked.append(f"{kind} {name}")
        if f"{kind} {name}" in self.instead:
            return self.instead[f"{kind} {name}"]()
        if kind in self.down:
            return web.Response(status=503)
        body = self.pki.ocsp_answer(await request.read(), self.at) if kind == "ocsp" else self.pki.crl(name, self.at)
        return web.Response(body=body)


class Desk:
    def __init__(self, issuer, contents, clock, source, pdfs):
        self.issuer, self.contents, self.clock, self.source, self.pdfs = issuer, contents, clock, source, pdfs

    async def look(self, pdf, office="strict"):
        return await self.pdfs.look([await self.contents.store_bytes(pdf)], [office])

    async def signatures(self, pdf, office="mild"):
        looked = await self.look(pdf, office)
        return [(each["verdict"], each.get("revocation", "not-checked")) for each in looked.detail[0]["signatures"]]


@contextlib.asynccontextmanager
async def desk(folder, *, policy="soft", hosts=None):
    async with contextlib.AsyncExitStack() as stack:
        (folder / "pki").mkdir()
        issuer = await Issuer().open(stack, folder / "pki")
        (folder / "trust").mkdir()
        (folder / "trust" / "root.pem").write_bytes(issuer.pki.pem("root"))
        contents = DiskContents(folder / "contents")
        stack.push_async_callback(contents.close)
        clock = Clock()
        clock.time = NOW
        source = FetchedRevocation(folder / "revocation", [issuer.host] if hosts is None else hosts, clock)
        options = PdfOptions(folder / "trust", revocation=policy, workers=1)
        examiner = await stack.enter_async_context(PdfExaminer(options))
        pdfs = Pdfs(contents, examiner, OFFICES, clock, revocation=Revocation(source, policy == "hard"))
        yield Desk(issuer, contents, clock, source, pdfs)
