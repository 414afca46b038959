from gateway.rules import statuses


def test_a_delivery_is_answered_by_arrival_refusal_or_any_step_of_its_handling():
    assert all(statuses.answers(code) for code in ("01", "02", "03", "04", "05", "06"))


def test_recall_talk_and_unknown_codes_answer_no_delivery():
    assert not any(statuses.answers(code) for code in ("13", "15", "16", "07", "999", ""))


def test_an_office_does_not_report_arrival_itself():
    assert "01" not in statuses.FROM_OFFICE
    assert statuses.REASON_REQUIRED <= statuses.FROM_OFFICE
