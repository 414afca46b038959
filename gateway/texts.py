"""What people are told, by code, in Vietnamese and English: one sentence per code.

Machines go by the code; these sentences may change. They hold limits, names of organs and the like by `{fact}`, never
what was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from gateway.model import Problem

Language = Literal["vi", "en"]

CATALOGUE: Mapping[str, tuple[str, str]] = {
    # --- who calls
    "key-required": ("Cần khóa API của hệ thống văn phòng điện tử.", "An office's API key is needed."),
    "key-unknown": (
        "Khóa API đúng dạng nhưng cổng kết nối không biết khóa này, hoặc khóa đã bị thu hồi.",
        "The API key has the right form, but the gateway does not know it, or it was revoked.",
    ),
    "organ-not-yours": (
        "Hệ thống không được gửi thay cơ quan, đơn vị này.",
        "This organ does not belong to your office.",
    ),
    # --- the request
    "bad-request": ("Yêu cầu không hợp lệ.", "The request is not valid."),
    "not-found": ("Không tìm thấy.", "There is no such thing."),
    "method-not-allowed": ("Phương thức không được hỗ trợ.", "This method is not possible here."),
    "media-type": ("Kiểu nội dung không được hỗ trợ.", "This content type is not taken here."),
    "media-type-document": (
        "Dùng multipart/form-data (phần record trước, rồi đến các tệp đính kèm) hoặc application/edxml+xml (tệp edXML).",
        "Use multipart/form-data (the record, then its attachments) or application/edxml+xml (an edXML file).",
    ),
    "range": ("Khoảng byte nằm ngoài tệp.", "The file has no such bytes."),
    "cursor": ("Con trỏ trang không hợp lệ.", "The cursor is not one of this list."),
    "limit": ("Số dòng mỗi trang phải từ 1 đến {limit}.", "The limit must be 1 to {limit}."),
    "parameter": ("Giá trị của tham số không hợp lệ.", "This is not a value of the parameter."),
    "parameter-unknown": ("Không có tham số này.", "There is no such parameter."),
    "internal": (
        "Lỗi bên trong cổng kết nối; đã được ghi nhận.",
        "Something went wrong inside the gateway; it has been noted.",
    ),
    "try-again": ("Tạm thời chưa xử lý được, hãy thử lại.", "This could not be done just now; try again."),
    "disk-full": (
        "Cổng kết nối sắp hết chỗ lưu trữ, hãy gửi lại sau.",
        "The gateway is short of storage; hand it in again later.",
    ),
    "too-many-uploads": (
        "Khóa này đang tải lên quá nhiều cùng lúc.",
        "This key has too many uploads under way at once.",
    ),
    "too-many-requests": (
        "Khóa này gửi quá nhiều yêu cầu trong một giây, hãy thử lại sau.",
        "This key asks too often within a second; try again later.",
    ),
    # --- SOAP
    "soap-version": ("Chỉ nhận phong bì SOAP 1.1.", "Only envelopes of SOAP 1.1 are taken here."),
    "soap-must-understand": (
        "Có phần header bắt buộc hiểu mà cổng kết nối không biết.",
        "A header must be understood that the gateway does not know.",
    ),
    "soap-body": (
        "Phong bì SOAP phải đứng đầu và có đúng một phần tử trong Body.",
        "The SOAP envelope must come first, with exactly one element in its Body.",
    ),
    "soap-operation": ("Không có thao tác này.", "There is no such operation."),
    "xml-invalid": ("Yêu cầu không đúng lược đồ office.xsd.", "The request is not as office.xsd has it."),
    "element-unexpected": (
        "Phần tử sai tên, sai thứ tự hoặc bị lặp.",
        "This element has a wrong name, a wrong place, or is repeated.",
    ),
    # --- signatures and markings in PDFs
    "pdf-signatures": (
        "Chữ ký số trong các tệp PDF chưa đủ theo yêu cầu.",
        "The signatures in the PDFs are not what the office requires.",
    ),
    "pdf-missing": ("Văn bản không có tệp PDF nào.", "No attachment is a PDF."),
    "pdf-unsigned": ("Tệp PDF không có chữ ký số.", "The PDF is not signed."),
    "pdf-signature-invalid": ("Tệp PDF có chữ ký số không hợp lệ.", "A signature of the PDF does not hold."),
    "pdf-signature-indeterminate": (
        "Chưa xác nhận được một chữ ký số của tệp PDF.",
        "A signature of the PDF could not be confirmed.",
    ),
    "pdf-not-examined": (
        "Không kiểm tra được chữ ký số của tệp PDF.",
        "The signatures of the PDF could not be examined.",
    ),
    "pdf-no-person": (
        "Không tệp PDF nào có chữ ký số của người có thẩm quyền.",
        "No PDF carries the signature of a person.",
    ),
    "pdf-no-organisation": (
        "Không tệp PDF nào có chữ ký số của cơ quan, tổ chức.",
        "No PDF carries the signature of an organisation.",
    ),
    "pdf-not-both": (
        "Không tệp PDF nào có đủ chữ ký số của người có thẩm quyền và của cơ quan, tổ chức.",
        "No PDF is signed by both a person and an organisation.",
    ),
    "pdf-organisation-not-last": (
        "Chữ ký số cuối cùng của tệp PDF không phải của cơ quan, tổ chức.",
        "The last signature of the PDF is not the organisation's.",
    ),
    "pdf-changed-after": (
        "Tệp PDF đã bị thay đổi sau chữ ký số cuối cùng.",
        "The PDF was changed after its last signature.",
    ),
    "pdf-text-not-examined": (
        "Chưa dò được hết dấu hiệu bí mật nhà nước trong tệp PDF (bản quét, hoặc quá dài).",
        "The PDF could not be searched, or not wholly, for markings of state secrets.",
    ),
    "secret-suspected": (
        "Nội dung có dấu chỉ độ mật; văn bản được giữ lại chờ người có trách nhiệm.",
        "The text carries the marking of a state secret; persons in charge must decide.",
    ),
    # --- viruses
    "infected": ("Tệp đính kèm nhiễm mã độc.", "An attachment carries a virus."),
    "attachment-infected": (
        "Tệp đính kèm nhiễm mã độc ({virus}); văn bản không được gửi đi.",
        "The attachment carries a virus ({virus}); it is not sent.",
    ),
    "attachment-not-scanned": (
        "Tệp đính kèm chưa được quét mã độc ({reason}).",
        "The attachment was not scanned for viruses ({reason}).",
    ),
    "antivirus-unreachable": (
        "Tạm thời chưa quét được mã độc, hãy gửi lại sau.",
        "Attachments cannot be scanned for viruses just now; hand it in again later.",
    ),
    # --- the idempotency key
    "idempotency-key-missing": ("Thiếu tiêu đề Idempotency-Key.", "The header Idempotency-Key is missing."),
    "idempotency-key-form": (
        "Idempotency-Key phải gồm 1 đến 255 ký tự ASCII không có dấu cách.",
        "An Idempotency-Key is 1 to 255 ASCII characters without spaces.",
    ),
    "key-reused": (
        "Idempotency-Key này đã dùng cho một lần gửi khác.",
        "This Idempotency-Key was used for another submission.",
    ),
    "key-running": (
        "Lần gửi trước với Idempotency-Key này vẫn đang chạy.",
        "The first submission with this Idempotency-Key is still running.",
    ),
    # --- the parts of a submission
    "multipart-broken": ("Nội dung multipart bị hỏng hoặc bị cắt.", "The multipart body is broken or cut short."),
    "upload-stalled": (
        "Dữ liệu ngừng gửi quá lâu; hãy gửi lại với cùng Idempotency-Key.",
        "Nothing came for too long; send it again with the same Idempotency-Key.",
    ),
    "record-first": ("Phần đầu tiên phải là record.", "The first part must be the record."),
    "part-encoded": (
        "Không dùng Content-Transfer-Encoding cho các phần.",
        "Parts must come without a Content-Transfer-Encoding.",
    ),
    "not-utf-8": ("JSON không phải UTF-8.", "The JSON is not UTF-8."),
    "not-json": ("Không phải JSON hợp lệ.", "This is not JSON."),
    "not-an-object": ("JSON phải là một đối tượng.", "The JSON must be one object."),
    "too-deep": ("JSON lồng quá sâu.", "The JSON nests too deep."),
    "name-twice": ("JSON có tên bị lặp.", "A name stands twice in one JSON object."),
    "too-large": ("Quá lớn.", "This is too large."),
    "too-many-bytes": ("Tối đa {limit} byte.", "At most {limit} bytes."),
    "too-many": ("Tối đa {limit} mục.", "At most {limit} items."),
    "limit-attachment-bytes": (
        "Vượt giới hạn của {of}: mỗi tệp tối đa {limit} byte.",
        "Over the limit of {of}: at most {limit} bytes in one attachment.",
    ),
    "limit-submission-bytes": (
        "Vượt giới hạn của {of}: tất cả các tệp tối đa {limit} byte.",
        "Over the limit of {of}: at most {limit} bytes in all attachments together.",
    ),
    "limit-edxml-bytes": (
        "Vượt giới hạn của {of}: tệp edXML tối đa {limit} byte (base64 làm tệp lớn thêm một phần ba).",
        "Over the limit of {of}: the edXML file may have {limit} bytes, and base64 adds a third to attachments.",
    ),
    "limit-attachments": (
        "Vượt giới hạn của {of}: tối đa {limit} tệp đính kèm.",
        "Over the limit of {of}: at most {limit} attachments.",
    ),
    "limit-name-length": (
        "Vượt giới hạn của {of}: tên tệp tối đa {limit} ký tự.",
        "Over the limit of {of}: a file name has at most {limit} characters.",
    ),
    "limit-name-characters": (
        "Theo quy định của {of}, tên tệp chỉ gồm chữ không dấu, chữ số, dấu cách và các ký tự . - _ ( ).",
        "{of} takes file names of letters without marks, digits, spaces and . - _ ( ) only.",
    ),
    "attachment-extra": ("Tệp không có trong record.", "The record does not name this file."),
    "attachment-missing": ("Thiếu nội dung của tệp đính kèm.", "The attachment's bytes did not come."),
    "attachment-order": (
        "Các tệp không theo thứ tự trong record.",
        "The files do not come in the record's order.",
    ),
    "attachment-empty": ("Tệp đính kèm rỗng.", "The attachment is empty."),
    "attachment-damaged": (
        "Tệp đính kèm bị hỏng do chuyển đổi văn bản.",
        "A text conversion has broken the attachment.",
    ),
    "attachment-cut": (
        "Tệp đính kèm bị cắt ngang: thiếu phần cuối.",
        "The attachment is cut short: its end is missing.",
    ),
    "type-mislabelled": (
        "Nội dung tệp đính kèm không đúng loại đã khai.",
        "The attachment is not of the type it is declared as.",
    ),
    "attachment-wrapped": (
        "Tệp đính kèm là một tệp zip chỉ chứa một tệp nhưng không mang tên .zip.",
        "The attachment is a zip with one file in it, under a name that does not say so.",
    ),
    "zip-bomb": (
        "Tệp nén bung ra lớn bất thường; được giữ nguyên.",
        "The zip holds far more than its size says; it stays as it came.",
    ),
    "zip-damaged": ("Tệp nén bị hỏng; được giữ nguyên.", "The zip is damaged; it stays as it came."),
    "zip-entry-differs": (
        "Tệp zip chứa một tệp khác loại với tên tệp đính kèm; được giữ nguyên.",
        "The zip holds another kind of file than the attachment's name says; it stays as it came.",
    ),
    "size-differs": ("Kích thước khác với khai báo.", "The size is not the one declared."),
    "digest-differs": ("SHA-256 khác với khai báo.", "The SHA-256 is not the one declared."),
    "no-attachment": ("Văn bản không có tệp đính kèm.", "The document has no attachment."),
    # --- the record
    "invalid": ("Hồ sơ văn bản có chỗ không hợp lệ.", "The record is not valid."),
    "missing": ("Bắt buộc phải có.", "This is required."),
    "unknown-field": ("Không có trường này.", "There is no such field."),
    "wrong-type": ("Sai kiểu dữ liệu.", "This is of the wrong type."),
    "pattern": ("Không đúng khuôn dạng.", "This is not of the form it should have."),
    "too-long": ("Tối đa {limit} ký tự.", "At most {limit} characters."),
    "too-small": ("Phải từ {limit} trở lên.", "Must be {limit} or more."),
    "number-too-large": ("Vượt quá giới hạn {limit}.", "Beyond the limit of {limit}."),
    "negative": ("Không được âm.", "Must not be negative."),
    "unknown-value": ("Phải là một trong: {allowed}.", "Must be one of: {allowed}."),
    "repeated": ("Bị lặp lại.", "Stands here more than once."),
    "control-character": (
        "Có ký tự mà tệp edXML không chứa được.",
        "Holds a character that no edXML file can carry.",
    ),
    "line-break": ("Phải nằm trên một dòng.", "Must be one line."),
    "file-name": ("Phải là tên tệp, không kèm thư mục.", "Must be a file name without a folder."),
    "date": ("Phải là ngày hoặc giờ theo ISO 8601.", "Must be a date or time in ISO 8601."),
    "time-zone": ("Giờ phải kèm múi giờ.", "A time needs its zone."),
    "date-in-future": ("Ngày ban hành ở tương lai.", "The date of promulgation lies in the future."),
    "time-too-late": ("Phải là thời điểm trước năm 3000.", "This must be a time before the year 3000."),
    "time-past": ("Thời điểm đã qua.", "This time has passed."),
    "deliver-by-missing": (
        "Hỏa tốc hẹn giờ cần thời điểm phải đến (deliver_by).",
        "Priority 4 needs the time to deliver by (deliver_by).",
    ),
    "organ-code": ("Không phải mã định danh.", "This is no identifier code."),
    "organ-unknown": (
        "Không có tuyến nào đến mã định danh {organ}.",
        "No route reaches the identifier code {organ}.",
    ),
    "organ-unlisted": (
        "Danh bạ của trục không có mã định danh {organ}. Gần giống: {nearest}.",
        "The axis's directory does not list {organ}. Nearest: {nearest}.",
    ),
    "organ-closed": (
        "Cơ quan {organ} ({name}) không hoạt động vào ngày này. Gần giống: {nearest}.",
        "The organ {organ} ({name}) is not open on this day. Nearest: {nearest}.",
    ),
    "organ-renamed": (
        "Mã {organ} nay là {listed} theo danh bạ của trục; văn bản được gửi theo mã {listed}.",
        "The axis's directory lists {organ} as {listed}; the document goes to {listed}.",
    ),
    "duplicate-document-id": (
        "Đã có văn bản cùng mã định danh văn bản: {earlier}.",
        "An earlier document has the same DocumentId: {earlier}.",
    ),
    "duplicate-number": (
        "Trong năm đã có văn bản cùng số, ký hiệu của cơ quan này: {earlier}.",
        "An earlier document of this organ has the same number and notation in this year: {earlier}.",
    ),
    "content-id": ("ContentId không dùng được.", "The content id cannot be referred to."),
    # --- state secrets
    "state-secret": (
        "Văn bản chứa bí mật nhà nước không được gửi qua trục liên thông.",
        "A document with state secrets must not travel through the axis.",
    ),
    "secret-degree": ("Hồ sơ văn bản có độ mật.", "The record carries a degree of secrecy."),
    "secret-notation": ("Số, ký hiệu cho thấy văn bản mật.", "Number or notation mark the document as secret."),
    "purged": (
        "Nội dung văn bản đã bị xóa theo quy định; chỉ còn mã, thời gian, mã băm và biên nhận.",
        "The content was purged as the law asks; ids, times, digests and receipts remain.",
    ),
    # --- a ready edXML file
    "edxml-unreadable": ("Không đọc được tệp edXML.", "The file cannot be read as edXML."),
    "edxml-invalid": ("Tệp edXML có chỗ không hợp lệ.", "The edXML file is not valid."),
    "edxml-incomplete": (
        "Tệp không chứa văn bản hay trạng thái nào.",
        "The file holds neither a document nor a status.",
    ),
    "base64-bad": (
        "Phần base64 của tệp đính kèm có ký tự lạ hoặc bị nối thêm.",
        "The attachment's base64 holds foreign characters, or goes on after its end.",
    ),
    "base64-truncated": (
        "Phần base64 của tệp đính kèm bị cắt ngang; hãy tạo lại tệp.",
        "The attachment's base64 stops midway; make the file again.",
    ),
    "content-id-repeated": (
        "Hai tệp đính kèm có cùng ContentId.",
        "Two attachments have the same content id.",
    ),
    "date-impossible": ("Không có ngày này trong lịch.", "There is no such day."),
    "date-unreadable": ("Không đọc được thành ngày (yyyy/MM/dd).", "This is no date (yyyy/MM/dd)."),
    "depth": ("Các phần tử lồng nhau quá sâu.", "Its elements nest too deep."),
    "dtd": ("Tệp có khai báo DTD; hãy bỏ đi.", "The file has a document type definition; leave it out."),
    "encoding": ("Tệp phải dùng bảng mã UTF-8 hoặc UTF-16.", "The file must be in UTF-8 or UTF-16."),
    "entity": (
        "Tệp dùng thực thể XML; hãy viết thẳng ký tự.",
        "The file uses an XML entity; write the character itself.",
    ),
    "flag-unreadable": ("Phải là 0 hoặc 1.", "This must be 0 or 1."),
    "header-missing": ("Tệp không có phần MessageHeader.", "The file has no MessageHeader in its place."),
    "not-xml": ("Tệp không phải XML hợp lệ tại vị trí này.", "The file is not well-formed XML at this place."),
    "number-unreadable": ("Không đọc được thành số.", "This is no number."),
    "priority-unknown": ("Độ khẩn phải từ 0 đến 4.", "The priority must be 0 to 4."),
    "root": ("Phần tử gốc không phải của edXML.", "The root element is not edXML's."),
    "too-many-elements": ("Tệp có quá nhiều phần tử.", "The file has too many elements."),
    # --- files and rows of an office
    "file-missing": (
        "Không có tệp này cạnh bản ghi hoặc trong thư mục dùng chung (liên kết không được tính).",
        "There is no such file beside the record, or in the shared folder (links do not count).",
    ),
    "name-unfit": (
        "Cần tên tệp đơn thuần, không kèm thư mục.",
        "A plain file name is needed, with no folder in it.",
    ),
    "not-a-file": ("Cần tệp thường, không phải liên kết.", "A regular file is needed, no link."),
    "no-shared-folder": (
        "Cổng kết nối không có thư mục dùng chung với hệ thống này.",
        "The gateway shares no folder with this office.",
    ),
    "piece-missing": (
        "Các phần của tệp không được đánh số lần lượt từ 0.",
        "The pieces of the file are not numbered one by one from 0.",
    ),
    "piece-too-large": ("Mỗi phần của tệp tối đa {limit} byte.", "A piece has at most {limit} bytes."),
    "changes-not-taken": (
        "Hãy thu hồi, cập nhật, thay thế qua API.",
        "Recall, update and replace by the office API.",
    ),
    "statuses-not-taken": ("Hãy báo trạng thái qua API.", "Report statuses by the office API."),
    # --- statuses
    "not-a-document": ("Chỉ báo trạng thái cho văn bản.", "Statuses are about documents."),
    "status-code": ("Mã trạng thái phải là một trong: {codes}.", "The code must be one of: {codes}."),
    "reason-required": ("Phải kèm lý do.", "A reason is needed."),
    # --- recalls, updates, replacements
    "not-of-this-kind": (
        "Loại văn bản này (mới, thu hồi, cập nhật, thay thế) không dùng giá trị này.",
        "This does not go with this kind of document (new, recall, update, replacement).",
    ),
    "earlier-unnamed": (
        "Phải nêu mã định danh văn bản, hoặc số, ký hiệu và ngày của văn bản bị thu hồi.",
        "Name the document to recall: its DocumentId, or its number, notation and date.",
    ),
    "earlier-unknown": (
        "Cơ quan gửi này chưa gửi văn bản nào như vậy qua phần mềm của bạn.",
        "Your office sent no such document from this organ.",
    ),
    "earlier-differs": (
        "Đây là văn bản khác với văn bản trong địa chỉ yêu cầu.",
        "This is another document than the one in the request's address.",
    ),
    "not-a-receiver": ("Văn bản không được gửi đến cơ quan này.", "The document did not go to this organ."),
    "not-sent": (
        "Văn bản chưa được gửi đi; hãy thu hồi toàn bộ (by: status) để hủy việc gửi, hoặc chờ gửi xong.",
        "It has not been sent: withdraw all of it by a recall (by: status), or wait until it is sent.",
    ),
    "being-sent": (
        "Văn bản đang được gửi, chưa rõ đã đến trục hay chưa; hãy thử lại sau.",
        "It is being sent, and may or may not be there: try again later.",
    ),
    "nothing-to-recall": (
        "Không còn nơi nào giữ văn bản để thu hồi.",
        "Nobody has it who could be asked: it was refused or returned.",
    ),
    "already-recalled": (
        "Đã yêu cầu thu hồi văn bản này; đang chờ trả lời hoặc bên nhận đã đồng ý.",
        "It was asked back already; the receiver has not answered yet, or has agreed.",
    ),
    "recalled": (
        "Văn bản đang bị thu hồi nên không thể cập nhật hay thay thế.",
        "It is being recalled: it can be neither updated nor replaced.",
    ),
    "recall-not-asked": (
        "Văn bản không bị thu hồi, cũng không phải văn bản cập nhật hay thay thế: không có gì để trả lời bằng 15 hoặc 16.",
        "Nobody asked for it back, and it is no update or replacement: there is nothing to answer by 15 or 16.",
    ),
    "recall-answered": (
        "Đã trả lời yêu cầu thu hồi; không thể nói khác đi.",
        "The recall was answered already; what was said stands.",
    ),
    "change-answered": (
        "Đã trả lời văn bản cập nhật hoặc thay thế này; không thể nói khác đi, trừ đổi 16 thành 15.",
        "The update or replacement was answered already; what was said stands, but 16 may still turn into 15.",
    ),
    "asked-back": (
        "Văn bản vừa bị yêu cầu thu hồi: hãy xem yêu cầu đó rồi trả lời lại.",
        "It has just been asked back: look at that, and answer again.",
    ),
}


def knows(code: str) -> bool:
    return code in CATALOGUE


class _Facts(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "…"


def say(code: str, language: Language, /, **facts: str) -> str:
    """The sentence for `code`; the code itself where there is none, since silence would say less."""
    sentences = CATALOGUE.get(code)
    if sentences is None:
        return code
    return sentences[language == "en"].format_map(_Facts(facts))


def sentence(problem: Problem, language: Language) -> str:
    """What is wrong, in the reader's language where there is one for its code, else as it was found."""
    return say(problem.code, language, **problem.facts) if knows(problem.code) else problem.message
