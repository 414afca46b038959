"""A throw-away public-key infrastructure with revocation lists, an OCSP responder and a time-stamping authority, in process.

People and organs are invented. `NOW` is when files are judged.
"""

import datetime as dt
import io
from functools import cache, cached_property

from asn1crypto import ocsp as asn1_ocsp
from certomancer.registry import ArchLabel, CertLabel, CertomancerConfig, KeyLabel, ServiceLabel
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko.sign.timestamps import TimeStamper
from pyhanko.sign.validation import DocumentSecurityStore
from pyhanko_certvalidator.registry import SimpleCertificateStore

NOW = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
REVOKED = "2025-06-01T00:00:00+0000"
REVOKED_LATER = "2026-03-20T00:00:00+0000"
PERSON, ORGAN = "person", "organ"
_LONG = {"valid-from": "2024-01-01T00:00:00+0000", "valid-to": "2048-01-01T00:00:00+0000"}
_PAST = {"valid-from": "2024-01-01T00:00:00+0000", "valid-to": "2026-01-01T00:00:00+0000"}
_TO_COME = {"valid-from": "2026-06-01T00:00:00+0000", "valid-to": "2028-01-01T00:00:00+0000"}
_NAMES = {
    "root": {"common-name": "CA gốc thử nghiệm"},
    "ca": {"common-name": "CA cấp phát thử nghiệm"},
    "responder": {"common-name": "OCSP thử nghiệm"},
    "tsa": {"common-name": "TSA thử nghiệm"},
    PERSON: {"common-name": "Nguyễn Văn Thử", "organization-name": "Sở Thử nghiệm", "user-id": "CCCD:000000000001"},
    ORGAN: {"common-name": "Sở Thử nghiệm", "organization-name": "UBND tỉnh Thử", "user-id": "MST:0000000001"},
    "expired": {"common-name": "Trần Thị Cũ"},
    "future": {"common-name": "Lê Văn Sớm"},
    "revoked": {"common-name": "Phạm Văn Mất"},
    "stranger": {"common-name": "CA lạ"},
    "unknown": {"common-name": "Ký hiệu 7", "organization-name": "Nơi khác"},
}


def _usage(*usages):
    return {"id": "key_usage", "critical": True, "smart-value": {"schema": "key-usage", "params": list(usages)}}


def _addresses(issuer):
    lists = {"schema": "crl-dist-url", "params": {"crl-repo-names": [issuer]}}
    asked = {"schema": "aia-urls", "params": {"ocsp-responder-names": [issuer]}}
    return [
        {"id": "crl_distribution_points", "smart-value": lists},
        *([{"id": "authority_information_access", "smart-value": asked}] if issuer == "ca" else []),
    ]


def _signer(name, issuer="ca", validity=_LONG, **more):
    extensions = [_usage("digital_signature", "non_repudiation"), *(_addresses("ca") if issuer == "ca" else [])]
    return {"subject": name, "issuer": issuer, "validity": validity, "extensions": extensions, **more}


def _authority(name, issuer):
    extensions = [
        {"id": "basic_constraints", "critical": True, "value": {"ca": True}},
        _usage("key_cert_sign", "crl_sign"),
        *(_addresses("root") if name == "ca" else []),
    ]
    return {"subject": name, "issuer": issuer, "validity": _LONG, "extensions": extensions}


def _service(name, usage, **more):
    return {
        "subject": name,
        "issuer": "root" if name == "tsa" else "ca",
        "validity": _LONG,
        "extensions": [
            _usage("digital_signature"),
            {"id": "extended_key_usage", "critical": True, "value": [usage]},
            *([{"id": "ocsp_no_check"}] if name == "responder" else _addresses("root")),
        ],
        **more,
    }


@cache
def _key(name, whose):
    """In PEM; RSA keys are slow to make, and signers of ours have such."""
    del whose
    key = rsa.generate_private_key(65537, 2048) if name in {PERSON, ORGAN} else ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Pki:
    def __init__(self, folder, *, tsa_revoked=False, address="http://pki.invalid", whose="ours"):
        """`whose`: another's has other keys behind the same names."""
        for name in _NAMES:
            (folder / f"{name}.pem").write_bytes(_key(name, whose))
        revoked = {"revocation": {"revoked-since": REVOKED, "reason": "key_compromise"}}
        later = {"revocation": {"revoked-since": REVOKED_LATER, "reason": "key_compromise"}} if tsa_revoked else {}
        config = {
            "external-url-prefix": address,
            "keysets": {"k": {"path-prefix": ".", "keys": {name: {"path": f"{name}.pem"} for name in _NAMES}}},
            "pki-architectures": {
                "pki": {
                    "keyset": "k",
                    "entity-defaults": {"country-name": "VN"},
                    "entities": _NAMES,
                    "certs": {
                        "root": _authority("root", "root"),
                        "ca": _authority("ca", "root"),
                        "stranger": _authority("stranger", "stranger"),
                        "responder": _service("responder", "ocsp_signing"),
                        "tsa": _service("tsa", "time_stamping", **later),
                        PERSON: _signer(PERSON),
                        ORGAN: _signer(ORGAN),
                        "expired": _signer("expired", validity=_PAST),
                        "future": _signer("future", validity=_TO_COME),
                        "revoked": _signer("revoked", **revoked),
                        "unknown": _signer("unknown", issuer="stranger"),
                    },
                    "services": {
                        "crl-repo": {
                            name: {"for-issuer": name, "simulated-update-schedule": "P30D"} for name in ("root", "ca")
                        },
                        "ocsp": {"ca": {"for-issuer": "ca", "responder-cert": "responder"}},
                        "time-stamping": {"tsa": {"signing-cert": "tsa"}},
                    },
                }
            },
        }
        self._arch = CertomancerConfig(config, key_search_dir=str(folder)).get_pki_arch(ArchLabel("pki"))

    def certificate(self, name):
        return self._arch.get_cert(CertLabel(name))

    def pem(self, name):
        return x509.load_der_x509_certificate(self.certificate(name).dump()).public_bytes(serialization.Encoding.PEM)

    def crl(self, name, at=NOW):
        return self._arch.service_registry.get_crl(ServiceLabel(name), at).dump()

    def ocsp_answer(self, request, at=NOW):
        responder = self._arch.service_registry.summon_responder(ServiceLabel("ca"), at_time=at)
        return responder.build_ocsp_response(asn1_ocsp.OCSPRequest.load(request)).dump()

    def ocsp(self, name, at=NOW):
        subject, issuer = (x509.load_der_x509_certificate(self.certificate(each).dump()) for each in (name, "ca"))
        request = ocsp.OCSPRequestBuilder().add_certificate(subject, issuer, hashes.SHA1()).build()
        return self.ocsp_answer(request.public_bytes(serialization.Encoding.DER), at)

    async def sign(self, pdf, *names, stamped_at=None, sub_filter=fields.SigSeedSubFilter.PADES):
        """Signed by each in turn."""
        for name in names:
            meta = signers.PdfSignatureMetadata(field_name=f"Ky-{name}", md_algorithm="sha256", subfilter=sub_filter)
            writer, out = IncrementalPdfFileWriter(io.BytesIO(pdf)), io.BytesIO()
            stamper = _Stamper(self._arch, stamped_at) if stamped_at else None
            signer = signers.PdfSigner(meta, self._pen(name), timestamper=stamper)
            await signer.async_sign_pdf(writer, output=out)
            pdf = out.getvalue()
        return pdf

    async def stamp(self, pdf, at):
        """A document timestamp over all of it."""
        out = io.BytesIO()
        await signers.PdfTimeStamper(_Stamper(self._arch, at)).async_timestamp_pdf(
            IncrementalPdfFileWriter(io.BytesIO(pdf)), md_algorithm="sha256", output=out
        )
        return out.getvalue()

    def with_answers(self, pdf, *, crls=(), ocsps=()):
        """The same with revocation answers in its document security store."""
        from asn1crypto import crl

        out = io.BytesIO(pdf)
        DocumentSecurityStore.add_dss(
            out,
            sig_contents=None,
            certs=[self.certificate("ca")],
            ocsps=[asn1_ocsp.OCSPResponse.load(each) for each in ocsps],
            crls=[crl.CertificateList.load(each) for each in crls],
        )
        return out.getvalue()

    def _pen(self, name):
        chain = [self.certificate("ca" if name != "unknown" else "stranger")]
        return signers.SimpleSigner(
            signing_cert=self.certificate(name),
            signing_key=self._arch.key_set.get_private_key(KeyLabel(name)),
            cert_registry=SimpleCertificateStore.from_certs(chain),
        )

    @cached_property
    def drawing(self):
        from mock_axis.pdf import BODY, draw

        return draw(BODY)


class _Stamper(TimeStamper):
    def __init__(self, arch, at):
        super().__init__()
        self._authority = arch.service_registry.summon_timestamper(ServiceLabel("tsa"), at_time=at)

    async def async_request_tsa_response(self, req):
        return self._authority.request_tsa_response(req)
