import io

import pytest

from gateway.trust.pdf import PdfOptions
from gateway.trust.pdf.signatures import examine
from gateway.trust.pdf.trust_list import TrustList
from tests.unit.trust_pdf.pki import NOW, Pki


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


class Desk:
    """A trust list and answers on disk, and the judge behind the worker, called in process."""

    def __init__(self, folder, pki):
        self.trust, self.answers, self.pki = folder / "trust", folder / "answers", pki
        self.trust.mkdir()
        self.answers.mkdir()
        (self.trust / "root.pem").write_bytes(pki.pem("root"))

    def options(self, **options):
        return PdfOptions(trust=self.trust, revocation_answers=self.answers, **options)

    def lay_out_lists(self):
        for name in ("root", "ca"):
            (self.answers / f"{name}.crl").write_bytes(self.pki.crl(name))

    async def judge(self, pdf, now=NOW, **options):
        options = self.options(**options)
        return await examine(
            io.BytesIO(pdf), options, TrustList(options.trust, options.revocation_answers).known(), now
        )


@pytest.fixture
def desk(tmp_path, pki):
    return Desk(tmp_path, pki)
