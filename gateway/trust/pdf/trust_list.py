"""Whom PDF signatures may lead to, and what is known of revocation: two folders, reread when their files change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asn1crypto import crl, ocsp, pem, x509

LARGEST = 64 << 20
"""No certificate and no revocation list is larger."""


@dataclass(frozen=True, slots=True)
class Known:
    anchors: tuple[Any, ...] = ()
    crls: tuple[Any, ...] = ()
    ocsps: tuple[Any, ...] = ()
    unreadable: tuple[str, ...] = ()
    """Names of files that are not what their ending says; they count for nothing."""


class TrustList:
    def __init__(self, trust: Path, answers: Path | None) -> None:
        self._folders = [(trust, ".pem")] + ([(answers, ".crl"), (answers, ".ocsp")] if answers else [])
        self._seen: Sequence[object] | None = None
        self._known = Known()

    def known(self) -> Known:
        """As the files are now; parsed once for each state of the folders."""
        files = [path for folder, ending in self._folders for path in sorted(folder.glob(f"*{ending}"))]
        seen = [(path, stat.st_mtime_ns, stat.st_size) for path in files for stat in (path.stat(),)]
        if seen != self._seen:
            self._known, self._seen = _read(files), seen
        return self._known


def with_answers(known: Known, files: Sequence[Path]) -> Known:
    """The same, and these revocation answers."""
    more = _read(files)
    return Known(known.anchors, known.crls + more.crls, known.ocsps + more.ocsps, known.unreadable + more.unreadable)


def _read(files: Sequence[Path]) -> Known:
    found: dict[str, list[Any]] = {ending: [] for ending in _READERS}
    unreadable = []
    for path in files:
        try:
            if path.stat().st_size > LARGEST:
                raise ValueError(path.name)
            found[path.suffix] += _READERS[path.suffix](path.read_bytes())
        except (OSError, ValueError, TypeError):
            unreadable.append(path.name)
    return Known(tuple(found[".pem"]), tuple(found[".crl"]), tuple(found[".ocsp"]), tuple(unreadable))


def _certificates(data: bytes) -> list[Any]:
    found = [x509.Certificate.load(der, strict=True) for _, _, der in pem.unarmor(data, multiple=True)]
    return [each for each in found if each.subject.native]  # .native: read it through, now and not amid a file


def _crl(data: bytes) -> list[Any]:
    found = crl.CertificateList.load(_der(data), strict=True)
    return [found] if found["tbs_cert_list"]["this_update"].native else []


def _ocsp(data: bytes) -> list[Any]:
    found = ocsp.OCSPResponse.load(data, strict=True)
    return [found] if found["response_status"].native == "successful" else []


def _der(data: bytes) -> bytes:
    return bytes(pem.unarmor(data)[2]) if pem.detect(data) else data


_READERS: dict[str, Callable[[bytes], list[Any]]] = {".pem": _certificates, ".crl": _crl, ".ocsp": _ocsp}
