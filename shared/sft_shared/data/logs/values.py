"""Values of log fields: ids, times, feedback, tool calls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sft_shared.data.logs.turns import Call, check_text
from sft_shared.lines import BadLine, parse_json

Scale = Literal["thumbs", "binary", "stars"]

GOOD = frozenset(
    [
        "up",
        "thumbs_up",
        "thumbsup",
        "like",
        "liked",
        "good",
        "positive",
        "helpful",
        "yes",
        "true",
        "👍",
        "满意",
        "非常满意",
        "好评",
        "赞",
        "有用",
        "有帮助",
        "已解决",
        "是",
    ]
)
BAD = frozenset(
    [
        "down",
        "thumbs_down",
        "thumbsdown",
        "dislike",
        "disliked",
        "bad",
        "negative",
        "unhelpful",
        "no",
        "false",
        "👎",
        "不满意",
        "非常不满意",
        "差评",
        "踩",
        "没用",
        "没帮助",
        "未解决",
        "否",
    ]
)
NEITHER = frozenset({"", "none", "null", "neutral", "skip", "skipped", "一般", "未评价", "n/a", "-"})
NUMBER = re.compile(r"\d{9,13}(?:\.\d+)?")
MAX_SECONDS = 1e11  # a number above it is milliseconds: the year 5138 in seconds, 1973 in milliseconds


def look_up(record: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The value under the first of ``names`` that is there and not null; None if none is."""
    for name in names:
        if name in record:
            value = record[name]
            if value is not None:
                return value
        elif "." in name:
            value = record
            for part in name.split("."):
                value = value.get(part) if isinstance(value, Mapping) else None
            if value is not None:
                return value
    return None


def read_id(value: Any, *, what: str) -> str | None:
    """A session's or user's id as text. Raises BadLine if it is neither text nor a whole number."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return check_text(value, where=what)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise BadLine("wrong-type", f"{what} is a {type(value).__name__}, not text or a whole number")


@lru_cache
def time_zone(name: str) -> tzinfo:
    """A zone by its IANA name or as an offset such as +08:00. Raises ValueError."""
    match = re.fullmatch(r"([+-])(\d\d):?(\d\d)", name)
    if match:
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-offset if match[1] == "-" else offset)
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ValueError(
            "no such zone; write an offset such as +08:00, or a name such as Asia/Shanghai"
        ) from None


def read_time(value: Any, *, zone: str | None = None, time_format: str | None = None) -> float | None:
    """Seconds since 1970 of ISO 8601 with a zone, or of a number of seconds or milliseconds.

    ``zone`` stands in for a missing one; ``time_format`` is strptime's. Raises BadLine.
    """
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str) and time_format is not None:
            moment = datetime.strptime(value, time_format)
        else:
            number = _as_number(value)
            if number is not None:
                seconds = number / 1000 if abs(number) > MAX_SECONDS else number
                datetime.fromtimestamp(seconds, UTC)
                return seconds
            moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            if zone is None:
                raise BadLine("bad-time", "the time has no zone")
            moment = moment.replace(tzinfo=time_zone(zone))
        return moment.timestamp()
    except (ValueError, TypeError, OverflowError, OSError):
        raise BadLine("bad-time", "the time cannot be read") from None


def _as_number(value: Any) -> float | None:
    if isinstance(value, bool):
        raise ValueError
    if isinstance(value, int | float):
        return float(value)
    return float(value) if "-" not in value and NUMBER.fullmatch(value) else None


def read_feedback(value: Any, *, scale: Scale = "thumbs") -> int | None:
    """1 for good, -1 for bad, 0 for neither, None for no feedback. Raises BadLine.

    Numbers depend on the scale: ``thumbs`` has -1, 0 and 1; ``binary`` 0 (bad) and 1; ``stars`` 1 to 5, of
    which 4 and 5 are good, 1 and 2 bad. True and False are thumbs, words such as up or 满意 are known, and an
    object is looked into for ``score``, ``rating``, ``value`` or ``thumbs``.
    """
    if isinstance(value, Mapping):
        value = look_up(value, ("score", "rating", "value", "thumbs"))
    if value is None:
        return None
    if isinstance(value, bool):
        return 1 if value else -1
    if isinstance(value, str):
        word = value.strip().casefold()
        if word in GOOD or word in BAD:
            return 1 if word in GOOD else -1
        if word in NEITHER:
            return None
        match = re.fullmatch(r"([+-]?\d(?:\.\d+)?)\s*(/\s*5|stars?|星)?", word)
        value = float(match[1]) if match else None
        scale = "stars" if match and match[2] else scale
    if isinstance(value, int | float) and scale == "stars" and 1 <= value <= 5:
        return 1 if value >= 4 else -1 if value <= 2 else 0
    if scale == "thumbs" and value in (-1, 0, 1):
        return int(value)
    if scale == "binary" and value in (0, 1):
        return 1 if value else -1
    raise BadLine("wrong-type", f"the feedback is no known word and no number on the scale {scale!r}")


def read_calls(value: Any) -> tuple[Call, ...]:
    """The tool calls of an assistant's turn, in OpenAI's form or flat. Raises BadLine."""
    if isinstance(value, str):
        try:
            value = parse_json(value) if value.strip() else None
        except BadLine as bad:
            raise _of_a_call(bad, "tool_calls is not JSON") from None
    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadLine("bad-tool-call", "tool_calls is no list")
    calls = tuple(_read_call(item) for item in value)
    ids = [call.id for call in calls if call.id is not None]
    if len(set(ids)) < len(ids):
        raise BadLine("duplicate-tool-id", "two tool calls of a turn have the same id")
    return calls


def _read_call(item: Any) -> Call:
    function = item.get("function", item) if isinstance(item, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str) or not name or not isinstance(function, dict):
        raise BadLine("bad-tool-call", "a tool call has no function name")
    arguments = function.get("arguments") or {}
    if isinstance(arguments, str):
        try:
            arguments = parse_json(arguments)
        except BadLine as bad:
            raise _of_a_call(bad, "the arguments of a tool call are not JSON") from None
    if not isinstance(arguments, dict):
        raise BadLine("bad-tool-call", "the arguments of a tool call are no object")
    identity = item.get("id")
    return Call(identity if isinstance(identity, str) and identity else None, check_text(name), arguments)


def _of_a_call(bad: BadLine, problem: str) -> BadLine:
    if bad.rule == "duplicate-key":
        return BadLine(bad.rule, f"in a tool call, {bad.reason}")
    return BadLine("bad-tool-call", problem)
