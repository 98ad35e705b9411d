"""Every kind of source, and every kind of bad line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sft_shared.data.logs.source import Source
from sft_shared.data.logs.sources import SourceSettings
from sft_shared.data.logs.turns import FIXES
from sft_shared.errors import DataError
from sft_shared.lines import BadLine


def source(kind: str, **fields: Any) -> Source:
    made: Source = TypeAdapter(SourceSettings).validate_python({"kind": kind, "path": "log", **fields})
    return made


LINE = {"session": "s", "user": "u", "time": "2026-03-01T09:00:00+08:00", "role": "user", "text": "你好"}


def changed(**fields: Any) -> str:
    return json.dumps({**LINE, **fields}, ensure_ascii=False)


def test_a_line_is_a_turn() -> None:
    piece = source("jsonl").parse(changed(feedback="up", intent="greet"), header="")
    assert (piece.session, piece.user) == ("s", "u")
    (turn,) = piece.turns
    assert (turn.role, turn.text, turn.feedback, turn.intent) == ("user", "你好", 1, "greet")


def test_a_line_is_a_session_with_its_feedback_and_intent() -> None:
    """Feedback on the session is feedback on its last turn; its intent is that of the first question."""
    messages = [
        {"role": "system", "content": "x"},
        {"role": "human", "value": "q"},
        {"from": "gpt", "value": "a"},
    ]
    line = json.dumps({"session_id": 7, "messages": messages, "rating": -1, "intent": "ask"})
    piece = source("jsonl").parse(line, header="")
    assert piece.session == "7"
    assert [turn.role for turn in piece.turns] == ["system", "user", "assistant"]
    assert piece.turns[2].feedback == -1
    assert piece.turns[1].intent == "ask"


def test_fields_and_roles_can_be_named() -> None:
    made = source(
        "jsonl", fields={"session": "conv.id", "role": ["who"], "text": "said"}, roles={"座席": "assistant"}
    )
    piece = made.parse('{"conv": {"id": "c"}, "who": "座席", "said": "您好"}', header="")
    assert piece.session == "c"
    assert piece.turns[0].role == "assistant"


BAD = [
    ("broken-json", '{"session": "s"'),
    ("broken-json", '{"session": "s", "role": "user", "text": "a", "score": NaN}'),
    ("broken-json", "[" * 100_000),
    ("not-an-object", "[1, 2]"),
    ("duplicate-key", '{"session": "a", "session": "b", "role": "user", "text": "a"}'),
    ("duplicate-key", '{"session": "a", "role": "user", "text": "a", "meta": {"k": 1, "k": 2}}'),
    ("missing-field", changed(text=None)),
    ("missing-field", changed(role=None)),
    ("missing-field", changed(messages=[])),
    ("wrong-type", changed(text=5)),
    ("wrong-type", changed(session=[1])),
    ("wrong-type", changed(feedback=17)),
    ("wrong-type", changed(text=[{"type": "image_url", "image_url": "x"}])),
    ("wrong-role", changed(role="wizard")),
    ("wrong-role", changed(role=3)),
    ("bad-time", changed(time="yesterday")),
    ("empty-turn", changed(text="  ")),
    ("empty-assistant-turn", changed(role="assistant", text="")),
    ("empty-assistant-turn", changed(role="assistant", text=None)),
    ("bad-tool-call", changed(role="assistant", tool_calls=[{"x": 1}])),
    ("bad-tool-call", changed(tool_calls=[{"name": "f"}])),
    ("control-characters", changed(text="a\x00b")),
    ("control-characters", changed(text="\x1b[31mred")),
    ("control-characters", changed(session="a\x07")),
]


@pytest.mark.parametrize(("rule", "line"), BAD, ids=[f"{rule}-{at}" for at, (rule, _) in enumerate(BAD)])
def test_a_bad_line_is_named_by_its_rule_with_a_fix(rule: str, line: str) -> None:
    """And the reason holds none of its text."""
    with pytest.raises(BadLine) as caught:
        source("jsonl").parse(line, header="")
    assert caught.value.rule == rule
    assert rule in FIXES
    assert "你好" not in caught.value.reason


def test_a_csv_row_is_a_turn(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text('\ufeffsession;who;text\ns;user;"a;b\nc"\n', encoding="utf-8")
    made = source("csv", path=str(path), delimiter=";", fields={"role": "who"})
    header = made.header(path)
    piece = made.parse('s;user;"a;b\nc"', header=header)
    assert (piece.session, piece.turns[0].text) == ("s", "a;b\nc")
    for row in ("s;user", 's;user;"a"b'):
        with pytest.raises(BadLine) as caught:
            made.parse(row, header=header)
        assert caught.value.rule == "broken-csv"


@pytest.mark.parametrize(
    ("header", "message"),
    [("session,role", "no column holds the text"), ("role,text,role", "twice"), ('"role,text', "not CSV")],
)
def test_a_csv_header_is_checked_at_once(tmp_path: Path, header: str, message: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(header + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"log.csv:1: .*{message}"):
        source("csv").header(path)


PATTERN = r"^\[(?P<time>[^\]]+)\] (?P<session>\S+) (?P<role>\w+): (?P<text>.*)$"


def test_a_text_line_is_read_by_its_pattern() -> None:
    made = source("text", pattern=PATTERN, zone="+08:00")
    piece = made.parse("[2026-03-01 09:00:00] s1 客户: 第一行\n第二行\n", header="")
    assert piece.session == "s1"
    assert piece.turns[0].text == "第一行\n第二行"
    with pytest.raises(BadLine) as caught:
        made.parse("something else", header="")
    assert caught.value.rule == "no-match"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pattern": "("}, "regular expression"),
        ({"pattern": "(?P<role>a)"}, "lacks the named groups text"),
        ({"pattern": PATTERN, "zone": "Mars/Olympus"}, "no such zone"),
    ],
)
def test_a_text_source_that_cannot_work_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        source("text", **fields)


def test_no_file_is_an_error_that_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        source("jsonl", path=str(tmp_path / "*.jsonl")).files()


def test_a_pattern_finds_its_files_in_order(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "c.txt"):
        (tmp_path / name).write_text("x")
    found = source("jsonl", path=str(tmp_path / "*.jsonl")).files()
    assert [path.name for path in found] == ["a.jsonl", "b.jsonl"]
