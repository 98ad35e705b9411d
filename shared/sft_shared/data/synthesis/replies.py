"""What a language model is asked for new questions and for labels, and how its replies are read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sft_shared.data.templating.slots import Language
from sft_shared.dialogue import Example

_WRITE = {
    "zh": "下面是用户对客服说的话，意图都是 {intent}：\n{shots}\n"
    "请再写 {count} 条意图相同、说法和内容都不同的新句子。只输出一个 JSON 字符串列表。",
    "en": "These are messages of users to customer service, all with the intent {intent}:\n{shots}\n"
    "Write {count} new messages of the same intent, in other words and about other things. "
    "Reply with a JSON list of strings only.",
}
_LABEL = {
    "zh": "判断用户的意图，从他的话里取出参数，并写出答复。意图只能是：{intents}。"
    "只输出一个 JSON 对象。\n\n{shots}\n\n用户：{text}\n",
    "en": "Tell the user's intent, take the parameters from the words, and write the reply. "
    "The intent is one of: {intents}. Reply with one JSON object only.\n\n{shots}\n\nUser: {text}\n",
}
_USER = {"zh": "用户", "en": "User"}


def question_of(example: Example) -> str:
    """The last thing that the user says before the answer; empty if there is nothing."""
    said = [message.content or "" for message in example.prompt if message.role == "user"]
    return said[-1] if said else ""


def label_of(example: Example) -> dict[str, Any]:
    """A seed's answer as ``{"intent", "parameters", "response"}``; a plain one gets its entities."""
    name = example.intent.name if example.intent else ""
    try:
        given = json.loads(example.answer.content or "")
    except ValueError:
        given = None
    if isinstance(given, dict) and {"intent", "parameters", "response"} <= given.keys():
        return given
    parameters: dict[str, Any] = {entity.type: entity.value for entity in example.entities}
    for call in example.answer.tool_calls:
        parameters = call.arguments
    return {"intent": name, "parameters": parameters, "response": example.answer.content or ""}


def writing_prompt(intent: str, shots: Sequence[Example], *, count: int, language: Language) -> str:
    """Ask for ``count`` new questions of an intent, with questions of its seeds."""
    lines = "\n".join(f"- {question_of(shot)}" for shot in shots)
    return _WRITE[language].format(intent=intent, shots=lines, count=count)


def labelling_prompt(
    text: str, shots: Sequence[Example], *, intents: Sequence[str], language: Language
) -> str:
    """Ask for the label of a question, without saying what it was written for."""
    lines = "\n\n".join(
        f"{_USER[language]}{'：' if language == 'zh' else ': '}{question_of(shot)}\n"
        + json.dumps(label_of(shot), ensure_ascii=False)
        for shot in shots
    )
    return _LABEL[language].format(intents=", ".join(intents), shots=lines, text=text)


def read_questions(reply: str) -> list[str]:
    """The questions in a reply: a JSON list of texts or of objects with one, or else one a line.

    >>> read_questions('Sure! ["a?", {"text": "b?"}]'), read_questions("Here you are:\\n1. a?\\n- b?")
    (['a?', 'b?'], ['a?', 'b?'])
    """
    found: list[Any] = next((it for it in _json_values(reply, "[") if isinstance(it, list)), [])
    texts = [
        next((it for it in item.values() if isinstance(it, str)), "") if isinstance(item, dict) else item
        for item in found
    ]
    if not any(isinstance(text, str) for text in texts):
        lines = [line.strip() for line in reply.splitlines()]
        texts = [
            re.sub(r"^(?:[-*•]|\(?\d{1,3}[.)、:：])\s*", "", line).strip("\"'“”「」, ")
            for line in lines
            if not line.startswith("```") and not line.endswith((":", "："))
        ]
    return [" ".join(text.split()) for text in texts if isinstance(text, str) and text.strip()]


def read_label(reply: str) -> Mapping[str, Any] | None:
    """The first JSON object in a reply, None if there is none."""
    return next((it for it in _json_values(reply, "{") if isinstance(it, dict)), None)


def _json_values(reply: str, opening: str) -> list[Any]:
    decoder, values = json.JSONDecoder(), []
    for match in re.finditer(re.escape(opening), reply):
        try:
            values.append(decoder.raw_decode(reply, match.start())[0])
        except (ValueError, RecursionError):
            continue
        break
    return values
