"""The leak gate: every part of an example is looked at, one certain hit stops, and no value is told."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from sft_shared.data.desensitise.gate import inspect, require_clean
from sft_shared.dialogue import Example
from sft_shared.errors import LeakError

CARD, PHONE, MAIL = "4111111111111111", "13812345678", "zhang.wei88@qq.com"


def example(*contents: str, **changes: Any) -> Example:
    """User and assistant in turn."""
    roles = ("user", "assistant")
    messages = [{"role": roles[place % 2], "content": content} for place, content in enumerate(contents)]
    if len(messages) % 2:
        messages.append({"role": "assistant", "content": "ok"})
    values = {"id": "one", "messages": messages, "provenance": {"source": "t", "session": "s"}, **changes}
    return Example.model_validate(values)


def calling(arguments: dict[str, Any]) -> Example:
    """An assistant's call."""
    call = {"role": "assistant", "tool_calls": [{"name": "f", "arguments": arguments}]}
    return example(messages=[{"role": "user", "content": "?"}, call])


def certain(value: Example) -> list[tuple[str, str]]:
    """(where, kind) of the certain hits."""
    return [(leak.where, leak.kind) for leak in inspect(value) if leak.certain]


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (example("hello", f"it is {CARD}."), "message 2, characters 7-22"),
        (calling({"a": 1, "b": {"c": [CARD]}}), "message 2, call 1, value 5, characters 1-16"),
        (calling({"n": int(CARD)}), "message 2, call 1, value 2, characters 1-16"),
        (calling({"n": float(CARD)}), "message 2, call 1, value 2, characters 1-16"),
        (calling({CARD: "x"}), "message 2, call 1, value 1, characters 1-16"),
        (
            example("?", expected_calls=[{"name": "f", "arguments": {"a": [CARD]}}]),
            "expected call 1, value 2, ",
        ),
        (example("?", tools=[{"name": "f", "description": f"as {CARD}"}]), "tool 1, its description, "),
        (example("?", tools=[{"name": "f", "parameters": {"enum": [CARD]}}]), "tool 1, value 2, "),
        (example("?", id=f"chat-{CARD}"), "its id"),
        (example("?", provenance={"source": "t", "session": CARD}), "its provenance, "),
        (example("?", provenance={"source": "t", "session": "s", "origin": CARD}), "its provenance, "),
        (example("?", category=CARD), "its category, "),
    ],
)
def test_every_part_of_an_example_is_looked_at(value: Example, where: str) -> None:
    """Messages, arguments as text, number and key, answers, tools, ids, provenance."""
    ((place, kind),) = certain(value)
    assert place.startswith(where)
    assert kind == "card"


@pytest.mark.parametrize("path", [f"/data/张伟/{PHONE}.png", f"scans/{CARD}.jpg", f"{MAIL}/1.png"])
def test_the_path_of_a_picture_is_looked_at(path: str) -> None:
    """What its file and folders are called; another path passes."""
    picture = {"role": "user", "content": "<image>?", "images": [{"path": path}]}
    answer = {"role": "assistant", "content": "ok"}
    ((place, _),) = certain(example(messages=[picture, answer]))
    assert place.startswith("message 1, the path of picture 1, characters ")
    assert certain(example(messages=[{**picture, "images": [{"path": "a/7.png"}]}, answer])) == []


def test_labels_are_looked_at() -> None:
    """An entity repeats what its message says."""
    entity = {"type": "card", "value": CARD, "message": 0, "start": 0, "end": 16}
    places = [place for place, _ in certain(example(CARD, entities=[entity]))]
    assert [place.split(",")[0] for place in places] == ["message 1", "entity 1"]


def test_json_with_escaped_characters_is_read() -> None:
    """Digits may hide behind \\u0034 and \\u56db."""
    result = json.dumps({"card": "四一一一一一一一一一一一一一一一"})
    assert "\\u" in result
    value = example(
        messages=[
            {"role": "user", "content": "?"},
            {"role": "tool", "content": result},
            {"role": "assistant", "content": "ok"},
        ]
    )
    assert certain(value) == [("message 2", "card")]


@pytest.mark.parametrize(
    ("turns", "places"),
    [
        (["卡号是4111 1111", "好的", "1111 1111"], "messages 1 and 3"),
        (["4111", "请继续", "1111", "嗯", "1111", "还有吗", "1111。"], "messages 1 and 3 and 5 and 7"),
        (["我的身份证是110105，", "然后呢", "后面是19491231002X"], "messages 1 and 3"),
        (["the first digits are 41111111", "11111111 are the rest"], "messages 1 and 2"),
    ],
)
def test_a_number_split_over_turns_is_certain(turns: list[str], places: str) -> None:
    """Whether the other side speaks in between or not."""
    assert [where for where, _ in certain(example(*turns))] == [f"{places}, where one number goes on"]


@pytest.mark.parametrize(
    "turns",
    [
        ["买 15", "好", "12 件"],
        ["I paid 4111 yesterday", "thanks", "1111 1111 1111 was another"],
        ["[信用卡号]", "[CARD]"],
        ["6200 0085 0219 0963", "15412345678 a@example.com 198.18.0.1"],
        ["请看440140132330", "请看1983年2月6日"],  # together a card by Luhn's sum, but a year
    ],
)
def test_other_dialogues_pass(turns: list[str]) -> None:
    """Numbers of their own in each turn, tags and pseudonyms."""
    assert inspect(example(*turns)) == []


def test_a_placeholder_hides_no_neighbour() -> None:
    """A real number beside a pseudonym or a tag is found."""
    for beside in ("6200 0085 0219 0963", "[CARD]", "15412345678", "张砚禾", "澄泽路12号", "Quillmere"):
        for text in (f"{beside} {CARD}", f"{CARD}，{beside}", f"{beside}，{PHONE}"):
            assert len(certain(example(text))) == 1, text


def test_one_certain_hit_stops_and_no_value_is_told() -> None:
    """The message has file, example, place and kind, how many more there are, and what to do."""
    examples = [example("hi", id="a"), example(f"call {PHONE}", id="b"), example(MAIL, CARD, id="c")]
    with pytest.raises(LeakError) as caught:
        require_clean(examples, Path("data/train.jsonl"))
    message = str(caught.value)
    assert message.startswith("data/train.jsonl: example 'b', message 1, characters 6-16: phone. ")
    assert "3 such places in 2 examples" in message
    assert "Desensitise the file again" in message
    for private in (PHONE, MAIL, CARD):
        assert private not in message


def test_an_id_that_tells_is_not_told() -> None:
    """The example is named by its number."""
    with pytest.raises(LeakError) as caught:
        require_clean([example("hi"), example("hi", id=f"chat {PHONE}")], Path("x.jsonl"))
    assert str(caught.value).startswith("x.jsonl: example number 2, its id: phone. ")
    assert PHONE not in str(caught.value)


def test_an_id_in_han_is_not_told_either() -> None:
    """It may be a name."""
    with pytest.raises(LeakError) as caught:
        require_clean([example(MAIL, id="张伟-1")], Path("x.jsonl"))
    assert "张伟" not in str(caught.value)
    assert "example number 1" in str(caught.value)


def test_suspects_are_counted_and_do_not_stop() -> None:
    """By kind."""
    examples = [example("京A12345"), example("版本 4.3.2.1"), example("车牌京B23456")]
    assert require_clean(examples, Path("x.jsonl")) == {"plate": 2, "ip": 1}


def test_it_takes_its_time_by_the_length_of_the_text() -> None:
    """At least 1 MB a second even where other work goes on; alone it is about 10."""
    turn = (
        "你好，我想查询一下我的订单什么时候可以到。Order 2024-09-18 has shipped, number 1234567, thanks. " * 5
    )
    examples = [example(turn, turn, id=f"{number}") for number in range(500)]
    size = sum(len((message.content or "").encode()) for each in examples for message in each.messages)
    start = time.perf_counter()
    require_clean(examples, Path("x.jsonl"))
    assert size / 1e6 / (time.perf_counter() - start) > 1
