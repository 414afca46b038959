"""How claims and reasons are said, in Vietnamese and English. Codes are the verifier's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

VERDICTS: Final[Mapping[str, tuple[str, str]]] = {
    "proven": ("ĐÃ CHỨNG MINH", "PROVEN"),
    "not-proven": ("CHƯA CHỨNG MINH", "NOT PROVEN"),
    "false": ("SAI", "FALSE"),
}

CLAIMS: Final[Mapping[str, tuple[str, str]]] = {
    "files": ("Các tệp trong gói đúng như bản kê", "The files are those of the manifest"),
    "summary": ("Bản tóm tắt khớp với bản kê", "The summary says what the manifest says"),
    "bytes": ("Tệp edXML là đúng tệp đã gửi hoặc nhận", "The edXML file is the one sent or received"),
    "description": ("Bản kê nói đúng nội dung tệp edXML", "The manifest tells truly of the edXML file"),
    "signature": ("Chữ ký của tệp edXML", "Signature of the edXML file"),
    "receipt": ("Biên nhận", "Receipt"),
    "hops": (
        "Biên nhận của cả hai chặng cho cùng các tệp đính kèm",
        "Receipts of both hops for the same attachments",
    ),
    "status": ("Trạng thái do cơ quan ký", "Status signed by the organ"),
    "journal": ("Chuỗi nhật ký của gói tin", "The message's chain of journal entries"),
    "blocks": ("Nhật ký nằm trong các khối đã ký", "The entries lie in signed blocks"),
    "verdicts": ("Kết quả kiểm tra đúng như nhật ký ghi", "The verdicts are those of the journal"),
    "pdf-reports": (
        "Kết quả kiểm tra chữ ký trong các tệp PDF đúng như nhật ký ghi",
        "What was found of the signatures in PDFs is as the journal has it",
    ),
    "revocation": ("Các câu trả lời về thu hồi chứng thư", "The enclosed revocation answers"),
    "pdf": ("Chữ ký trong tệp PDF, kiểm tra lại", "Signatures in the PDF, examined again"),
    "certificates": ("Các chứng thư kèm theo", "The enclosed certificates"),
    "head": ("Mốc nhật ký ghi ngoài cơ sở dữ liệu", "The journal's head, kept outside the database"),
    "head-timestamp": ("Dấu thời gian RFC 3161 của mốc nhật ký", "RFC 3161 timestamp of the journal's head"),
    "timestamp": ("Dấu thời gian RFC 3161 của gói", "RFC 3161 timestamp of the bundle"),
}

REASONS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("không có trong gói", "not in the bundle"),
    "purged": (
        "nội dung đã được xóa theo quy định; chỉ còn mã băm",
        "the content was purged as the law asks; its digest remains",
    ),
    "changed": ("đã bị thay đổi", "was changed"),
    "differs": ("không khớp", "does not agree"),
    "digest": ("mã băm hoặc độ dài không khớp", "digest or size does not match"),
    "form": ("không đúng dạng quy định", "not of the form"),
    "unreadable": ("không đọc được là edXML", "cannot be read as edXML"),
    "not-anchored": (
        "chữ ký đúng, nhưng người ký không nằm trong gốc tin cậy (--trust)",
        "the signature is right, but its signer is not among the trust roots (--trust)",
    ),
    "signer-unknown": ("không có chứng thư tin cậy của người ký", "the signer's certificate is not known"),
    "certificate-expired": ("chứng thư đã hết hiệu lực lúc ký", "the certificate had expired when it signed"),
    "certificate-not-yet-valid": (
        "chứng thư chưa có hiệu lực lúc ký",
        "the certificate was not yet valid when it signed",
    ),
    "certificate-revoked": ("chứng thư đã bị thu hồi lúc ký", "the certificate had been revoked when it signed"),
    "signature-bad": ("chữ ký không khớp với nội dung", "the signature does not match"),
    "signature-missing": ("không có chữ ký", "there is no signature"),
    "signature-invalid": ("chữ ký không khớp với nội dung", "the signature does not match"),
    "rewritten": (
        "chữ ký không còn khớp, vì trục này viết lại tệp khi chuyển",
        "the signature no longer holds, because this axis writes files anew on the way",
    ),
    "signature-absent": ("tệp không được ký", "the file is not signed"),
    "signature-indeterminate": ("không kết luận được về chữ ký", "the signature cannot be judged"),
    "not-covered": ("chữ ký không bao trùm nội dung", "the signature does not cover the content"),
    "not-xml": ("không phải XML đúng chuẩn", "not well-formed XML"),
    "algorithm": ("thuật toán không được chấp nhận", "an algorithm that is not taken"),
    "may-not-speak": (
        "người ký không có tên trong danh sách được nói thay cơ quan này",
        "the trust roots do not let the signer speak for this organ",
    ),
    "mismatch": ("biên nhận không khớp với các byte, ở", "the receipt does not match the bytes, in"),
    "unsigned-reply": (
        "trục chỉ trả lời đã nhận, không ký (acknowledged)",
        "the axis only said yes, and signed nothing (acknowledged)",
    ),
    "one-hop": ("gói chỉ có biên nhận của một chặng", "the bundle has the receipt of one hop only"),
    "about-another": ("trạng thái nói về văn bản khác", "the status is about another document"),
    "not-a-receiver": ("cơ quan này không có trong nơi nhận", "the organ is not among the receivers"),
    "chain-broken": ("chuỗi nhật ký bị đứt hoặc bị sửa", "the chain is broken or changed"),
    "entry-of-other-bytes": ("nhật ký ghi các byte khác", "the journal speaks of other bytes"),
    "entry-of-other-message": ("nhật ký ghi mã khác của trục", "the journal speaks of another axis id"),
    "no-entry-of-purge": ("nhật ký không ghi việc xóa", "no entry tells of a purge"),
    "path-of-no-entry": ("bằng chứng khối không thuộc mục nào", "a block proof of no entry"),
    "path-broken": ("mục nhật ký không nằm trong khối", "an entry does not lead to its block"),
    "block-missing": ("thiếu một khối", "a block is missing"),
    "block-unsigned": ("thiếu chữ ký của khối", "a block's signature is missing"),
    "block-forged": ("chữ ký của khối không khớp", "a block's signature does not match"),
    "no-block": ("chưa có khối nào", "no block yet"),
    "newest-without-block": ("các mục mới nhất chưa nằm trong khối", "the newest entries are in no block yet"),
    "told-otherwise": (
        "bản tóm tắt kết luận khác với kết quả kiểm tra này",
        "it concludes otherwise than this examination",
    ),
    "head-forged": ("chữ ký của mốc không khớp", "its signature does not match"),
    "head-of-earlier-blocks": (
        "mốc không bao trùm các mục nhật ký của gói tin",
        "it does not cover the message's entries",
    ),
    "head-of-other-blocks": ("mốc ghi chuỗi khối khác", "it speaks of another chain of blocks"),
    "head-not-proven": (
        "dấu thời gian đúng, nhưng mốc chưa được chứng minh",
        "the token holds, but the head is not proven",
    ),
    "pdf-otherwise": ("kết quả trái với lúc nhận", "the contrary of what was found when it came"),
    "pdf-invalid": (
        "có chữ ký không đúng, như đã biết lúc nhận",
        "a signature does not hold, as was known when it came",
    ),
    "pdf-unsigned": ("tệp không được ký", "it is not signed"),
    "pdf-indeterminate": ("không kết luận được về chữ ký", "a signature cannot be judged"),
    "pdf-could-not-be-examined": ("không kiểm tra được tệp này", "the file could not be examined"),
    "timestamp-form": ("không phải dấu thời gian RFC 3161", "not an RFC 3161 timestamp"),
    "timestamp-imprint": ("dấu thời gian của dữ liệu khác", "the timestamp is over other data"),
    "timestamp-bad": ("chữ ký của dấu thời gian không khớp", "the timestamp's signature does not match"),
    "timestamp-early": ("dấu thời gian ở tương lai", "the timestamp lies in the future"),
    "timestamp-untrusted": (
        "cơ quan cấp dấu thời gian không nằm trong gốc tin cậy (--timestamp-trust)",
        "its authority is not among the trust roots (--timestamp-trust)",
    ),
    "timestamp-revoked": (
        "chứng thư của cơ quan cấp dấu thời gian đã bị thu hồi",
        "the certificate of its authority was revoked",
    ),
}

UNREADABLE: Final[Mapping[str, str]] = {
    "not-zip": "không phải tệp zip",
    "no-manifest": "không có manifest.json: không phải gói chứng cứ",
    "manifest": "manifest.json không đúng dạng",
    "too-many": "có quá nhiều tệp",
    "too-large": "có tệp quá lớn",
    "name": "có tệp mang tên không thuộc gói chứng cứ",
    "twice": "có hai tệp cùng tên",
    "kind": "có liên kết, tệp mã hóa hoặc cách nén không được chấp nhận",
    "bomb": "giải nén ra quá lớn so với tệp (bom nén)",
    "damaged": "tệp zip bị hỏng",
}
"""In Vietnamese; the reader's own messages are English."""

GRADES: Final[Mapping[str, tuple[str, str]]] = {
    "signed-receipt": ("biên nhận có ký số (signed-receipt)", "signed receipt (signed-receipt)"),
    "acknowledged": ("trục trả lời đã nhận, không ký số (acknowledged)", "unsigned reply (acknowledged)"),
    "none": ("không có", "none"),
}


def pick(words: Mapping[str, tuple[str, str]], code: str, language: str) -> str:
    """The words for a code; the code itself where there are none."""
    found = words.get(code)
    return code if found is None else found[language == "en"]
