"""Every code an office may be answered with has a sentence in both languages."""

import ast
import string
from pathlib import Path

import pytest

from gateway import texts

ROOT = Path(texts.__file__).parent
ANSWERING = [
    *(ROOT / "web").glob("*.py"),
    *(ROOT / "rules").glob("*.py"),
    *(ROOT / "pipeline" / name for name in ("record.py", "checks.py", "intake.py", "intake_edxml.py", "scanning.py")),
    ROOT / "pipeline" / "limits.py",
    ROOT / "edxml" / "check.py",
]
PLACES = {"Problem": 1, "over": 1, "_over": 1, "answer": 1, "Busy": 0, "_malformed": 0, "PydanticCustomError": 0}
"""Which argument of these calls is the code."""


def written_codes(path):
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(call, ast.Call):
            continue
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        arguments = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
        if name in PLACES and len(call.args) > PLACES[name]:
            arguments.append(call.args[PLACES[name]])
        for argument in arguments:
            for node in ast.walk(argument):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def test_every_code_that_an_office_is_answered_with_has_its_sentences():
    from gateway.pipeline import record
    from gateway.web import problems

    codes = {code for path in ANSWERING for code in written_codes(path)}
    codes |= set(record._CODES.values()) | {"wrong-type"} | set(problems._HTTP_CODES.values())
    assert len(codes) > 60
    assert sorted(code for code in codes if not texts.knows(code)) == []


def test_both_sentences_of_a_code_use_the_same_facts_and_neither_is_empty():
    for code, sentences in texts.CATALOGUE.items():
        vietnamese, english = ({name for _, name, _, _ in string.Formatter().parse(one) if name} for one in sentences)
        assert vietnamese == english, code
        assert all(sentence.endswith((".", "}")) for sentence in sentences), code


@pytest.mark.parametrize(("language", "said"), [("vi", "Tối đa 5 byte."), ("en", "At most 5 bytes.")])
def test_a_sentence_is_said_in_the_language_asked_for(language, said):
    assert texts.say("too-many-bytes", language, limit="5") == said


def test_a_fact_is_never_read_as_a_template():
    assert "{0.__class__}" in texts.say("organ-unknown", "en", organ="{0.__class__}")


def test_a_missing_fact_or_an_unknown_code_is_no_second_error():
    assert "…" in texts.say("too-many-bytes", "en")
    assert texts.say("never-heard-of", "vi") == "never-heard-of"
