"""Who signed: a person or an organisation?

No published rule says how certificates of Vietnamese issuers tell them apart, so it is a list of rules in the
configuration: the first that matches decides, none means `unknown`. The default follows what certificates carry in
practice: a tax or budget code is an organisation's, an identity or passport number a person's (also inside the prefixes
of ETSI EN 319 412-1), a title or a surname a person's; last, the common name itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gateway.trust.pdf.report import Kind, Signer


@dataclass(frozen=True, slots=True)
class KindRule:
    kind: Literal["person", "organisation"]
    attribute: str
    """A subject attribute by its usual name (`common_name`, `user_id`, `organization_identifier` …), or
    `extended_key_usage`, `policies` (dotted numbers), `fingerprint`."""
    pattern: str
    """Regular expression, found anywhere in one of its values, without regard to case."""


_PEOPLE = (
    r"^(nguyễn|trần|lê|phạm|hoàng|huỳnh|phan|vũ|võ|đặng|bùi|đỗ|hồ|ngô|dương|lý|đinh|trịnh|đào|đoàn|lương|mai|trương|"
    r"lâm|phùng|tô|hà|cao|tạ|chu|thái|quách|vương|triệu|la|lưu|kiều|tống|nông|hứa|tăng|từ|thạch|danh)( \w+){1,5}$"
)
_ORGANISATIONS = (
    r"^(văn phòng|ủy ban|uỷ ban|ubnd|hội đồng|hđnd|bộ|sở|cục|vụ|chi cục|tổng cục|ban|phòng|trung tâm|viện|trường|học viện|"
    r"đảng ủy|tỉnh ủy|thành ủy|kho bạc|bảo hiểm|tòa án|viện kiểm sát|thanh tra|công an|chính phủ|quốc hội|công ty|ngân hàng)\b"
)
DEFAULT_RULES = (
    KindRule("person", "serial_number", r"^(PAS|IDC|PNO|TIN)[A-Z]{2}-"),
    KindRule("organisation", "organization_identifier", r"\S"),
    KindRule("person", "user_id", r"^\W*(CCCD|CMND|CMTND|CMT|HC|HOCHIEU|PASSPORT)\b"),
    KindRule("person", "title", r"\S"),
    KindRule("person", "surname", r"\S"),
    KindRule("organisation", "common_name", _ORGANISATIONS),
    KindRule("person", "common_name", _PEOPLE),
    KindRule("organisation", "user_id", r"^\W*(MST|MNS|MQHNS|MSDN|MDD)\b"),
)


def describe(certificate: Any, rules: Iterable[KindRule]) -> Signer:
    """`certificate` is asn1crypto's, as pyHanko hands it out."""
    said = _attributes(certificate)
    kind, by = _kind(said, rules)
    one = {name: values[0] for name, values in said.items() if values}
    return Signer(
        kind=kind,
        kind_by=by,
        name=one.get("common_name", ""),
        organisation=one.get("organization_name", ""),
        unit=one.get("organizational_unit_name", ""),
        subject_serial=one.get("serial_number", ""),
        issuer=next(iter(_named(certificate.issuer).get("common_name", ())), ""),
        certificate_serial=f"{certificate.serial_number:x}",
        fingerprint=certificate.sha256.hex(),
        valid_until=certificate.not_valid_after,
    )


def _kind(said: Mapping[str, list[str]], rules: Iterable[KindRule]) -> tuple[Kind, str]:
    for rule in rules:
        if any(re.search(rule.pattern, value, re.IGNORECASE) for value in said.get(rule.attribute, ())):
            return rule.kind, rule.attribute
    return "unknown", ""


def _attributes(certificate: Any) -> dict[str, list[str]]:
    said = _named(certificate.subject)
    usage, policies = certificate.extended_key_usage_value, certificate.certificate_policies_value
    said["extended_key_usage"] = [each.dotted for each in usage] if usage else []
    said["policies"] = [each["policy_identifier"].dotted for each in policies] if policies else []
    said["fingerprint"] = [certificate.sha256.hex()]
    return said


def _named(name: Any) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for part in name.chosen:
        for each in part:
            said.setdefault(each["type"].native, []).append(_one_line(str(each["value"].native)))
    return said


def _one_line(text: str) -> str:
    """Certificates are written by anyone: no line breaks, no invisible characters, no page of text."""
    composed = unicodedata.normalize("NFC", text[:256])
    return " ".join("".join(c for c in composed if unicodedata.category(c)[0] != "C" or c.isspace()).split())
