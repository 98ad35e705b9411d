"""Every common format becomes the same dialogue; what cannot is refused with its line, a rule and a fix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sft_shared.config import load_yaml
from sft_shared.data.hygiene.dataset import DatasetSettings, read_dataset
from sft_shared.data.hygiene.formats import FORMATS, detect_format
from sft_shared.data.steps import Rejected
from sft_shared.dialogue import Example, Message, Provenance, ToolCall, write_examples
from sft_shared.errors import DataError

WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "d", "parameters": {"type": "object", "properties": {}}},
}


def lines(path: Path, *values: Any) -> Path:
    path.write_text(
        "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values), encoding="utf-8"
    )
    return path


def only(path: Path, **settings: Any) -> Example:
    (item,) = read_dataset(path, **settings)
    assert isinstance(item, Example), item
    return item


def said(example: Example) -> list[tuple[str, str | None]]:
    return [(message.role, message.content) for message in example.messages]


def turns(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in pairs]


ASKED = turns(("system", "Be kind."), ("user", "订单到哪了？"), ("assistant", "已发货。"))
SAME: dict[str, dict[str, Any]] = {
    "openai": {"messages": ASKED},
    "sharegpt": {
        "system": "Be kind.",
        "conversations": [{"from": "human", "value": "订单到哪了？"}, {"from": "gpt", "value": "已发货。"}],
    },
    "alpaca": {"instruction": "订单到哪了？", "input": "", "output": "已发货。", "system": "Be kind."},
    "prompt_completion": {"prompt": ASKED[:2], "completion": ASKED[2:]},
}


@pytest.mark.parametrize("name", SAME)
def test_one_dialogue_in_every_format_is_the_same_example(tmp_path: Path, name: str) -> None:
    """Detected without being told, from lines as from an array."""
    path = lines(tmp_path / "d.jsonl", SAME[name])
    assert detect_format(path).format == name
    assert said(only(path)) == [("system", "Be kind."), ("user", "订单到哪了？"), ("assistant", "已发货。")]
    (tmp_path / "d.json").write_text(json.dumps([SAME[name]], indent=1), encoding="utf-8")
    assert only(tmp_path / "d.json") == only(path)


def test_alpaca_with_input_and_history(tmp_path: Path) -> None:
    """The history comes first; the input is a line of its own."""
    path = lines(
        tmp_path / "d.jsonl",
        {"instruction": "Sum up", "input": "a long text", "output": "short", "history": [["hi", "hello"]]},
    )
    assert [content for _, content in said(only(path))] == ["hi", "hello", "Sum up\na long text", "short"]


def test_sharegpt_tool_calls(tmp_path: Path) -> None:
    """Two calls in a row are one turn with two calls; observations are their results."""
    call = json.dumps({"name": "weather", "arguments": {"city": "Rome"}})
    path = lines(
        tmp_path / "d.jsonl",
        {
            "conversations": [
                {"from": "human", "value": "Weather?"},
                {"from": "function_call", "value": call},
                {"from": "function_call", "value": call.replace("Rome", "Oslo")},
                {"from": "observation", "value": "20"},
                {"from": "observation", "value": "5"},
                {"from": "gpt", "value": "Warm and cold."},
            ],
            "tools": json.dumps([WEATHER["function"]]),
        },
    )
    example = only(path)
    assert [message.role for message in example.messages] == [
        "user",
        "assistant",
        "tool",
        "tool",
        "assistant",
    ]
    assert [call.arguments["city"] for call in example.messages[1].tool_calls] == ["Rome", "Oslo"]
    assert example.tools[0].name == "weather"


def test_openai_tools_legacy_calls_and_content_parts(tmp_path: Path) -> None:
    """The three spellings of OpenAI's own history."""
    modern = [
        {"role": "developer", "content": "Be kind."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Weather"}, {"type": "text", "text": "in Rome?"}],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "20"},
        {"role": "assistant", "content": "Warm."},
    ]
    legacy = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": '{"a": 1}'}},
        {"role": "function", "name": "weather", "content": "20"},
        {"role": "assistant", "content": "Warm.", "weight": 1},
    ]
    strict = {**WEATHER, "function": {**WEATHER["function"], "strict": True}}
    path = lines(
        tmp_path / "d.jsonl",
        {"messages": modern, "tools": [strict]},
        {"messages": legacy, "functions": [WEATHER["function"]]},
    )
    first, second = read_dataset(path)
    assert isinstance(first, Example)
    assert isinstance(second, Example)
    assert said(first)[:2] == [("system", "Be kind."), ("user", "Weather\nin Rome?")]
    assert first.messages[2].tool_calls == (ToolCall(name="weather", id="c1"),)
    assert second.messages[1].tool_calls == (ToolCall(name="weather", arguments={"a": 1}),)
    assert first.tools == second.tools


def test_tables_of_questions_and_of_labels(tmp_path: Path) -> None:
    """CSV with Chinese headings; a text with a label becomes structured output."""
    (tmp_path / "qa.csv").write_text("问题,答案\n怎么退款？,请提供订单号。\n", encoding="utf-8")
    assert said(only(tmp_path / "qa.csv")) == [("user", "怎么退款？"), ("assistant", "请提供订单号。")]
    (tmp_path / "labels.tsv").write_text("text\tcategory\nwhere is my card\tcard_arrival\n", encoding="utf-8")
    example = only(tmp_path / "labels.tsv")
    assert json.loads(example.answer.content or "") == {"intent": "card_arrival"}
    assert example.category == "card_arrival"


def test_our_own_examples_keep_what_they_are(tmp_path: Path) -> None:
    """Id, category and provenance are not overwritten."""
    example = Example(
        id="x",
        messages=(Message(role="user", content="?"), Message(role="assistant", content="!")),
        category="c",
        provenance=Provenance(source="s", session="t", split="held_out", origin="o"),
    )
    write_examples(tmp_path / "d.jsonl", [example])
    assert only(tmp_path / "d.jsonl", source="other", split="train") == example


OK = {"role": "user", "content": "q"}
CALL = {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]}
BAD = {
    "empty-answer": [OK, {"role": "assistant", "content": " "}],
    "empty-turn": [{"role": "user", "content": ""}, {"role": "assistant", "content": "a"}],
    "no-answer": [OK],
    "no-turns": [],
    "role-order": [OK, OK, {"role": "assistant", "content": "a"}],
    "wrong-role": [OK, {"role": "李雷 13800138000", "content": "a"}],
    "orphan-tool-id": [OK, CALL, {"role": "tool", "tool_call_id": "2", "content": "r"}, CALL],
    "orphan-tool": [OK, {"role": "tool", "content": "r"}, {"role": "assistant", "content": "a"}],
    "duplicate-tool-id": [OK, {**CALL, "tool_calls": CALL["tool_calls"] * 2}],
    "duplicate-key": [
        OK,
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": '{"a": 1, "a": 2}'}}]},
    ],
    "bad-tool-call": [
        OK,
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]},
    ],
    "not-text": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, OK],
    "weight-zero": [OK, {"role": "assistant", "content": "a", "weight": 0}],
    "bad-turn": ["q", "a"],
}


def test_two_calls_of_a_dialogue_never_have_the_same_id(tmp_path: Path) -> None:
    """Nor has a call's argument two values; wherever the dialogue's form comes from."""
    result, end = {"role": "tool", "tool_call_id": "1", "content": "r"}, {"role": "assistant", "content": "a"}
    doubled = {"id": "1", "function": {"name": "f", "arguments": '{"a": 1, "a": 2}'}}
    both = [OK, CALL, result, CALL, result, end], [OK, {**CALL, "tool_calls": [doubled]}, result, end]
    head = {"id": "x", "provenance": {"source": "s", "session": "t"}}
    records = [{"messages": each, **more} for more in ({}, head) for each in both]
    found = list(read_dataset(lines(tmp_path / "d.jsonl", *records[:2])))
    found += read_dataset(lines(tmp_path / "e.jsonl", *records[2:]))
    rules = [each.rule for each in found if isinstance(each, Rejected)]
    assert rules == ["duplicate-tool-id", "duplicate-key"] * 2


@pytest.mark.parametrize("rule", BAD)
def test_a_broken_dialogue_is_refused_and_the_next_is_read(tmp_path: Path, rule: str) -> None:
    """file:line, a code, and words with a fix that quote nothing of the dialogue."""
    path = lines(tmp_path / "d.jsonl", {"messages": ASKED}, {"messages": BAD[rule]}, {"messages": ASKED})
    good, bad, after = read_dataset(path)
    assert isinstance(good, Example)
    assert isinstance(after, Example)
    assert isinstance(bad, Rejected)
    assert (bad.where, bad.rule) == (f"{path}:2", rule)
    assert "李雷" not in bad.detail
    assert ";" in bad.detail


def test_an_orphan_id_in_an_example_of_ours_is_refused(tmp_path: Path) -> None:
    """Also an id that was used before, and an empty answer."""
    own = {
        "id": "a",
        "messages": [OK, {"role": "assistant", "content": "a"}],
        "provenance": {"source": "s", "session": "t"},
    }
    orphan = [
        OK,
        CALL,
        {"role": "tool", "tool_call_id": "9", "content": "r"},
        {"role": "assistant", "content": "a"},
    ]
    empty = [OK, {"role": "assistant", "content": ""}]
    path = lines(
        tmp_path / "d.jsonl",
        own,
        own,
        {**own, "id": "b", "messages": orphan},
        {**own, "id": "c", "messages": empty},
    )
    rules = [item.rule for item in read_dataset(path) if isinstance(item, Rejected)]
    assert rules == ["duplicate-id", "orphan-tool-id", "empty-answer"]


def test_a_mixed_file_is_an_error_with_both_lines(tmp_path: Path) -> None:
    """Which line is of which format, and the fields found."""
    path = lines(tmp_path / "d.jsonl", {"messages": ASKED}, SAME["alpaca"])
    with pytest.raises(
        DataError, match=r"d\.jsonl:2: found alpaca \(instruction, input.*d\.jsonl:1 is openai"
    ):
        list(read_dataset(path))


def test_an_unknown_file_lists_the_formats(tmp_path: Path) -> None:
    """The fields found and the formats there are, but never data taken for a heading."""
    path = lines(tmp_path / "d.jsonl", {"body": "x", "stars": 5})
    with pytest.raises(DataError, match="fields body, stars, which fit no known format") as error:
        list(read_dataset(path))
    assert all(name in str(error.value) for name in FORMATS)
    (tmp_path / "d.csv").write_text("13800138000,李雷\n13900139000,韩梅梅\n", encoding="utf-8")
    with pytest.raises(DataError, match="2 that are no field names") as error:
        list(read_dataset(tmp_path / "d.csv"))
    assert "138" not in str(error.value)
    assert "李雷" not in str(error.value)


def test_a_record_of_another_format_later_on_is_refused_alone(tmp_path: Path) -> None:
    """Detection looks at the first records only."""
    path = lines(tmp_path / "d.jsonl", *[{"messages": ASKED}] * 60, SAME["alpaca"])
    *good, last = read_dataset(path)
    assert len(good) == 60
    assert isinstance(last, Rejected)
    assert last.rule == "other-format"


def test_detection_says_why(tmp_path: Path) -> None:
    """How many records, which fields, and what is not used."""
    path = lines(tmp_path / "d.jsonl", {**SAME["alpaca"], "stars": 5})
    reason = detect_format(path).reason
    assert "alpaca: the first 1 records have instruction and output" in reason
    assert reason.endswith("not used: stars")


def test_every_answer_can_be_an_example(tmp_path: Path) -> None:
    """Each with what came before it, all of one session."""
    path = lines(
        tmp_path / "d.jsonl",
        {"messages": [*ASKED, *turns(("user", "谢谢"), ("assistant", "不客气"))], "id": 7},
    )
    first, second = read_dataset(path, answers="every")
    assert isinstance(first, Example)
    assert isinstance(second, Example)
    assert (first.id, second.id) == ("d:1#1", "d:1#2")
    assert first.provenance.session == second.provenance.session == "7"
    assert len(first.messages) == 3
    assert only(path).id == "d:1"


def test_settings_from_yaml_name_source_category_and_split(tmp_path: Path) -> None:
    """A maker of examples beside the others of the pipeline."""
    lines(tmp_path / "d.jsonl", {**SAME["alpaca"], "topic": "订单"}, SAME["alpaca"])
    (tmp_path / "s.yaml").write_text(
        "kind: dataset\npath: d.jsonl\nsource: shop\ncategory_field: topic\nsplit: held_out\n",
        encoding="utf-8",
    )
    good, bad = load_yaml(tmp_path / "s.yaml", DatasetSettings).examples()
    assert isinstance(good, Example)
    assert (good.category, good.provenance.source, good.provenance.split) == ("订单", "shop", "held_out")
    assert isinstance(bad, Rejected)
    assert bad.rule == "no-category"
