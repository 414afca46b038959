import re
import time
import unicodedata

import pytest

from gateway.rules.secrets_in_text import DEFAULT, Hit, Pattern, problems, search

AROUND = "ỦY BAN NHÂN DÂN TỈNH THỬ\n{}\nSố: 12/UBND-VX\nKính gửi: Sở Thử nghiệm"


def degrees(text):
    return [hit.degree for hit in search(text)]


@pytest.mark.parametrize(
    ("line", "degree"),
    [
        ("MẬT", "mat"),
        ("  [ M Ậ T ]  ", "mat"),
        ("Mật", "mat"),
        ("MAT", "mat"),
        ("TỐI MẬT", "toi-mat"),
        ("T Ố I   M Ậ T", "toi-mat"),
        ("TỐI\u00a0MẬT", "toi-mat"),
        ("TOI MAT", "toi-mat"),
        ("TUYỆT MẬT", "tuyet-mat"),
        ("* Tuyệt mật *", "tuyet-mat"),
        ("TUYÖT MËT", "tuyet-mat"),
        ("TOÁI MAÄT", "toi-mat"),
        ("UBND TỈNH THỬ        TUYỆT MẬT", "tuyet-mat"),
        ("SỞ THỬ NGHIỆM   MẬT", "mat"),
        ("Độ mật: Tối mật", "toi-mat"),
        ("DO MAT : MAT", "mat"),
        ("Số: 05/M-UBND", "mat"),
        ("Số:      /M-UBND", "mat"),
        ("Số: 123/UBND-VX-M", "mat"),
        ("Số: ….../TM-BCA", "toi-mat"),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_marking_is_found_however_it_is_written(line, degree, form):
    text = unicodedata.normalize(form, AROUND.format(line))
    assert degree in degrees(text)


@pytest.mark.parametrize(
    "line",
    [
        "Luật Bảo vệ bí mật nhà nước",
        "VỀ VIỆC BẢO MẬT HỆ THỐNG THÔNG TIN",
        "THỰC HIỆN CÔNG TÁC BẢO VỆ BÍ MẬT",
        "CÔNG TÁC BẢO MẬT",
        "Mật độ dân số 300 người/km2, khí thải 3/m-phút",
        "mật khẩu đăng nhập",
        "Tôi mất giấy tờ; tới mặt bằng",
        "MẶT",
        "mặt",
        "mat",
        "Số: 12/QĐ-UBND",
        "Số: 7816/VPCP-TTĐT",
        "Căn cứ Nghị định số 30/2020/NĐ-CP",
        "ngày 12/3/2026 - MTTQ",
        "Số: 4/MTTQ-VP",
    ],
)
def test_words_of_every_day_are_no_markings(line):
    assert search(AROUND.format(line)) == ()


def test_what_looks_like_a_notation_at_the_end_of_a_line_is_a_false_alarm_we_accept():
    assert degrees("tiêu chuẩn 4054/M") == ["mat"]


def test_a_hit_never_repeats_the_text():
    hits = search("TỐI MẬT\nKế hoạch bí mật của Sở Thử nghiệm")
    said = repr(hits) + repr(problems("attachments[0]", hits))
    assert not re.search("Kế hoạch|TỐI MẬT|Sở", said)
    assert problems("attachments[0]", hits)[0].facts == {"degree": "toi-mat"}


def test_patterns_are_ones_own_to_add():
    own = Pattern("code-word", "mat", r"\bkế hoạch x\b", "text", plain=False)
    folded = Pattern("code-word", "mat", r"\bke hoach x\b", "text", plain=True)
    assert search("theo KẾ HOẠCH X", [*DEFAULT, folded]) == (Hit("code-word", "mat"),)
    assert search("theo KẾ HOẠCH X", [own]) == ()
    with pytest.raises(re.error):
        Pattern("broken", "mat", "(")


@pytest.mark.parametrize(
    "text", ["1" * 500_000, "A-" * 250_000, " " * 500_000, "BÍ MẬT " * 70_000, "\n" * 500_000, "1/A-" * 120_000]
)
def test_a_long_hostile_text_is_searched_in_time(text):
    began = time.process_time()
    search(text)
    assert time.process_time() - began < 5
