"""Tool calls that are written otherwise than as the JSON we ask for: found, so that none passes unseen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

_KEYS = r"(?:name|function|function_name|tool|tool_name|action|api)"
_ARGUMENTS = r"(?:arguments|args|parameters|params|kwargs|input|action_input|tool_input)"
_ANY_JSON = re.compile(
    rf"""(?<![\w]){_KEYS}["']?\s*:\s*["'][^"'\n]{{1,100}}["']\s*,\s*["']?{_ARGUMENTS}["']?\s*:""",
    re.IGNORECASE,
)
"""A name and its arguments, whole or broken off, in JSON or Python's dicts, whatever the keys are called."""

_MARKED = re.compile(
    r"<(?:tool_calls?|function_calls?|functioncall|tool_use)\b|<function\s*=|<invoke\s+name\s*="
    r"|<\|(?:tool_calls?(?:_begin)?|python_tag)\|>|<｜tool▁calls?▁begin｜>|\[TOOL_CALLS\]|✿FUNCTION✿",
    re.IGNORECASE,
)
"""What models put before a call: Hermes and Qwen, Llama, DeepSeek, Mistral, and others."""

_STATEMENT = r"^[ \t`>]*(?:\w+[ \t]*=[ \t]*)?(?:await |return )?(?:print[ \t]*\([ \t]*)?\[?(?:\w+\.)*"
_ANNOUNCED = r"(?:action|tool|function|call(?:ing)?|use|动作|行动|操作|工具|函数|调用(?:工具|函数)?)"
_VALUE = r"""["'\d\[{]|True\b|False\b|None\b|true\b|false\b|null\b"""


def has_marked_call(text: str) -> bool:
    """Whether a model's mark of a call is in ``text``.

    >>> has_marked_call("<function=pay>{}"), has_marked_call("the function is paid for")
    (True, False)
    """
    return _MARKED.search(text) is not None


def has_json_call(text: str, names: Sequence[str]) -> bool:
    """Whether a call's JSON is in ``text``, or a piece: any name with arguments, or a known one under a key.

    >>> has_json_call('[{"name": "pay"}]', ["pay"]), has_json_call('{"tool": "fly", "args": {', ["pay"])
    (True, True)
    >>> has_json_call('{"name": "Rome"}', ["pay"]), has_json_call('{"pay": {"to": "x"}}', ["pay"])
    (False, True)
    """
    if _ANY_JSON.search(text):
        return True
    return bool(names) and _named_json(tuple(names)).search(text) is not None


def has_statement(text: str, names: Sequence[str]) -> bool:
    """Whether a line of ``text`` is a call of a known tool in Python's syntax.

    >>> has_statement("PAY(amount=5)", ["pay"]), has_statement("- pay(amount) pays.", ["pay"])
    (True, False)
    """
    return bool(names) and _statement(tuple(names)).search(text) is not None


def has_announcement(text: str, names: Sequence[str]) -> bool:
    """Whether a line of ``text`` says that a known tool is called now, as ReAct's do.

    >>> has_announcement("Action: pay", ["pay"]), has_announcement("Action: pay nothing.", ["pay"])
    (True, False)
    """
    return bool(names) and _announcement(tuple(names)).search(text) is not None


def has_concrete_call(text: str, names: Sequence[str]) -> bool:
    """Whether a known tool is called with values somewhere in a sentence of ``text``.

    >>> has_concrete_call("I would do pay(5) now.", ["pay"]), has_concrete_call("pay(amount) pays.", ["pay"])
    (True, False)
    """
    return bool(names) and _concrete(tuple(names)).search(text) is not None


@lru_cache(maxsize=256)
def _named_json(names: tuple[str, ...]) -> re.Pattern[str]:
    known = _known(names)
    return re.compile(
        rf"""(?<!\w){_KEYS}["']?\s*:\s*["'](?:functions\.)?{known}["']|(?<!\w){known}["'`]?[ \t]*:?\s*\{{""",
        re.IGNORECASE,
    )


@lru_cache(maxsize=256)
def _statement(names: tuple[str, ...]) -> re.Pattern[str]:
    whole = r"[ \t]*\([^()\n]*\)[\])]?[ \t;`.。]*$"
    begun = rf"[ \t]*\(\s*\w+[ \t]*=|\(\s*(?:{_VALUE})"
    return re.compile(rf"{_STATEMENT}{_known(names)}[`'\"]?(?:{whole}|{begun})", re.IGNORECASE | re.MULTILINE)


@lru_cache(maxsize=256)
def _announcement(names: tuple[str, ...]) -> re.Pattern[str]:
    known = rf"[`'\"]?{_known(names)}[`'\"]?"
    said = rf"{_ANNOUNCED}\**[ \t]*[:：][ \t]*\**{known}\**[ \t]*(?:[({{]|$)"
    return re.compile(
        rf"^[^\w\n]*(?:{said}|{known}[ \t]*[:：][ \t]*\w+[ \t]*[=:])", re.IGNORECASE | re.MULTILINE
    )


@lru_cache(maxsize=256)
def _concrete(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(
        rf"(?<![\w.]){_known(names)}[`'\"]?\(\s*(?:\w+\s*=\s*(?:{_VALUE})|{_VALUE})", re.IGNORECASE
    )


def _known(names: tuple[str, ...]) -> str:
    return f"(?:{'|'.join(re.escape(name) for name in sorted(names, key=len, reverse=True))})"
