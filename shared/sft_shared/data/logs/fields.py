"""From the fields of a log line to a turn: what they are called, and who the roles are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from sft_shared.config import Settings
from sft_shared.data.logs.turns import Turn, check_text, check_turn
from sft_shared.data.logs.values import (
    Scale,
    look_up,
    read_calls,
    read_feedback,
    read_id,
    read_time,
    time_zone,
)
from sft_shared.dialogue import Role
from sft_shared.lines import BadLine


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _not_empty(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(value):
        raise ValueError("a field's name is empty; name the field, or leave it out")
    return value


MAX_LAYOUTS = 256  # that are remembered

Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_more), AfterValidator(_not_empty)]
"""Names under which a field may stand; the first one found counts. A dot leads into an object."""


class FieldNames(Settings):
    """Which field of a line holds what: one name or several, of which the first one present counts."""

    session: Names = ("session", "session_id", "conversation_id", "chat_id", "thread_id")
    user: Names = ("user", "user_id", "customer_id", "uid")
    time: Names = ("time", "timestamp", "ts", "created_at", "created")
    role: Names = ("role", "sender", "speaker", "from")
    text: Names = ("text", "content", "message", "value")
    tool_calls: Names = ("tool_calls",)
    tool_call_id: Names = ("tool_call_id",)
    feedback: Names = ("feedback", "rating", "score")
    intent: Names = ("intent",)
    messages: Names = ("messages", "turns", "conversations")  # of a line that holds a session or a request
    tools: Names = ("tools",)

    def found_in(self, record: Mapping[str, Any]) -> FieldNames:
        """The names that can be found in ``record``: lines of a log have few layouts, each tried once."""
        return self._layout(tuple(record))

    @cached_property
    def _layout(self) -> Callable[[tuple[str, ...]], FieldNames]:
        def cut_down(keys: tuple[str, ...]) -> FieldNames:
            there = set(keys)
            found: dict[str, Any] = {
                field: tuple([name for name in names if name in there or name.split(".")[0] in there])
                for field, names in self
            }
            return FieldNames.model_construct(**found)

        return lru_cache(maxsize=MAX_LAYOUTS)(cut_down)


ROLES: dict[str, Role] = {
    **dict.fromkeys(("user", "human", "customer", "client", "用户", "客户", "顾客"), "user"),
    **dict.fromkeys(
        ("assistant", "ai", "bot", "agent", "model", "gpt", "客服", "机器人", "助手"), "assistant"
    ),
    **dict.fromkeys(("system", "developer", "系统"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "工具"), "tool"),
}


class Reading(Settings):
    """How the fields of a source's lines are read."""

    fields: FieldNames = FieldNames()
    roles: dict[str, Role] = Field(default={})  # names of roles in the log, besides those known
    zone: str | None = None  # of times without one: +08:00, or a name such as Asia/Shanghai
    feedback_scale: Scale = "thumbs"  # of feedback in numbers: -1, 0, 1; binary: 0, 1; stars: 1 to 5

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, zone: str | None) -> str | None:
        if zone is not None:
            time_zone(zone)
        return zone

    @field_validator("roles")
    @classmethod
    def _fold_names(cls, roles: dict[str, Role]) -> dict[str, Role]:
        return {name.strip().casefold(): role for name, role in roles.items()}

    def read_when(self, record: Mapping[str, Any], names: FieldNames) -> float | None:
        """The time in ``record``, in which ``names`` are found. Raises BadLine."""
        return read_time(look_up(record, names.time), zone=self.zone)

    def read_session(self, record: Mapping[str, Any], names: FieldNames) -> str | None:
        """The session's id in ``record``. Raises BadLine."""
        return read_id(look_up(record, names.session), what="the session id")

    def read_user(self, record: Mapping[str, Any], names: FieldNames) -> str | None:
        """The user's id in ``record``. Raises BadLine."""
        return read_id(look_up(record, names.user), what="the user id")

    def read_turn(
        self, record: Mapping[str, Any], names: FieldNames, *, time: float | None = None, where: str = ""
    ) -> Turn:
        """The turn in ``record``; ``time`` stands in for a missing one. Raises BadLine."""
        role = self._read_role(look_up(record, names.role), where)
        calls = read_calls(look_up(record, names.tool_calls)) if names.tool_calls else ()
        text = read_text(look_up(record, names.text))
        if text is None and not calls:
            raise BadLine(
                "empty-assistant-turn" if role == "assistant" else "missing-field", f"{where}no text"
            )
        said = self.read_when(record, names)
        intent = look_up(record, names.intent) if names.intent else None
        call_id = look_up(record, names.tool_call_id) if names.tool_call_id else None
        feedback = look_up(record, names.feedback) if names.feedback else None
        turn = Turn(
            role,
            text,
            time if said is None else said,
            calls,
            None if call_id is None else read_id(call_id, what="tool_call_id"),
            None if feedback is None else read_feedback(feedback, scale=self.feedback_scale),
            check_text(intent, where="the intent") if isinstance(intent, str) and intent else None,
        )
        return check_turn(turn, where=where)

    def _read_role(self, value: Any, where: str) -> Role:
        if value is None:
            raise BadLine("missing-field", f"{where}no role")
        name = value.strip().casefold() if isinstance(value, str) else ""
        role = (self.roles.get(name) if self.roles else None) or ROLES.get(name)
        if role is None:
            raise BadLine("wrong-role", f"{where}the role is unknown")
        return role


def read_text(value: Any) -> str | None:
    """The text of a turn: a string, or the text parts of a list. Raises BadLine for other parts."""
    if isinstance(value, str):
        return check_text(value)
    if value is None:
        return None
    if not isinstance(value, list):
        raise BadLine("wrong-type", f"the text is a {type(value).__name__}")
    texts = []
    for part in value:
        text = part.get("text") if isinstance(part, dict) and part.get("type", "text") == "text" else None
        if not isinstance(text, str):
            raise BadLine("wrong-type", "the content has parts that are not text")
        texts.append(check_text(text))
    return "\n".join(texts)
