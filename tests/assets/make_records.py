"""Records (the office API's JSON part), one per way of being wrong. Uses nothing of the gateway.

    python tests/assets/make_records.py DIR      writes them all

`REFUSED` maps a name to (a code that must be among those it is refused with, its bytes). `record` makes a sound one.
"""

import json
import sys
from pathlib import Path

SUBJECT = "V/v thử nghiệm bí mật riêng tư"
"""Stands in every file, and may appear in no answer and in no log."""


def record(**changes):
    sound = {
        "from": {"code": "000.00.00.H08", "name": "Sở Mẫu"},
        "to": [{"code": "000.00.00.G22", "name": "Văn phòng Mẫu"}],
        "number": "15",
        "notation": "UBND-VX",
        "promulgation": {"place": "Quy Nhơn", "date": "2024-05-06"},
        "subject": SUBJECT,
        **changes,
    }
    return {name: value for name, value in sound.items() if value is not ...}


def text(**changes):
    return json.dumps(record(**changes)).encode()


def dated(date):
    return text(promulgation={"date": date})


SOUND = text()

REFUSED = {
    "empty": ("not-json", b""),
    "cut": ("not-json", SOUND[:-20]),
    "trailing": ("not-json", SOUND + b"{}"),
    "comment": ("not-json", SOUND + b" // done"),
    "list": ("not-an-object", b"[" + SOUND + b"]"),
    "number": ("not-an-object", b"1"),
    "name_twice": ("name-twice", SOUND[:-1] + b', "secrecy": "M", "secrecy": null}'),
    "deep": ("too-deep", b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "number_of_5000_digits": ("not-json", SOUND[:-1] + b', "priority": ' + b"1" * 5000 + b"}"),
    "not_a_number": ("not-json", SOUND[:-1] + b', "priority": NaN}'),
    "infinity": ("not-json", SOUND[:-1] + b', "priority": Infinity}'),
    "latin_1": ("not-utf-8", json.dumps(record(), ensure_ascii=False).replace("ử", "à").encode("latin-1", "replace")),
    "utf_16": ("not-utf-8", SOUND.decode().encode("utf-16")),
    "raw_control_character": ("not-json", SOUND.replace(b"UBND", b"UB\x01ND")),
    "control_character": ("control-character", text(notation="UB\x01ND")),
    "nul": ("control-character", text(subject=f"{SUBJECT}\0")),
    "lone_surrogate": ("wrong-type", text(notation="\ud800")),
    "lone_surrogate_as_name": ("wrong-type", text(**{"\ud800": 1})),
    "line_break": ("line-break", text(notation="UB\nND")),
    "day_that_does_not_exist": ("date", dated("2014-02-30")),
    "day_of_zeros": ("date", dated("0000-00-00")),
    "day_as_number": ("date", dated(1714953600)),
    "day_in_words": ("date", dated("hôm qua")),
    "day_in_the_future": ("date-in-future", dated("2124-05-06")),
    "time_without_zone": ("time-zone", text(priority=4, deliver_by="2124-05-06T08:00:00")),
    "time_past": ("time-past", text(expires="2024-05-06T08:00:00+07:00")),
    "flash_without_time": ("deliver-by-missing", text(priority=4)),
    "unknown_field": ("unknown-field", text(so_luong=1)),
    "no_receiver": ("missing", text(to=[])),
    "no_subject": ("missing", text(subject="")),
    "long_number": ("too-long", text(number="1" * 12)),
    "priority_nine": ("number-too-large", text(priority=9)),
    "priority_as_text": ("wrong-type", text(priority="1")),
    "organ_that_leads_up": ("pattern", text(to=["../../etc"])),
    "organ_nobody_reaches": ("organ-unknown", text(to=["000.00.00.X99"])),
    "organ_of_another_office": ("organ-not-yours", text(**{"from": "000.00.00.G09"})),
    "degree_of_secrecy": ("state-secret", text(secrecy="Tuyệt mật")),
    "secret_notation": ("state-secret", text(notation="MẬT-UBND")),
    "attachment_that_leads_up": ("file-name", text(attachments=[{"name": "../../etc/passwd"}])),
    "attachment_without_name": ("missing", text(attachments=[{"size": 1}])),
    "attachment_that_does_not_come": ("attachment-missing", text(attachments=[{"name": "a.pdf"}])),
    "attachments_as_text": ("wrong-type", text(attachments="a.pdf")),
    "too_many_attachments": ("too-many", text(attachments=[{"name": f"{i}.pdf"} for i in range(201)])),
}


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (_, data) in REFUSED.items():
        (folder / f"{name}.json").write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
