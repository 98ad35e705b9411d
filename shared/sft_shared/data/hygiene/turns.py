"""The turns of a dialogue, in any tool's spelling, as messages of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from sft_shared.dialogue import Message, Role, Tool, ToolCall
from sft_shared.lines import BadLine, parse_json

ROLES: dict[str, Role] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model"), "assistant"),
    **dict.fromkeys(("function_call", "tool_call"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation", "function_response", "tool_response"), "tool"),
}
CALL_ROLES = ("function_call", "tool_call")
"""ShareGPT's roles whose text is the JSON of a call."""


class Unfit(Exception):
    """Why a record is no example; ``rule`` is a code, ``detail`` holds no text of the record."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(detail)
        self.rule, self.detail = rule, detail


def read_turns(turns: Any) -> list[Message]:
    """Messages of ours from OpenAI's (``role``, ``content``) or ShareGPT's (``from``, ``value``) turns.

    Understood are content parts of text, tool calls, the older ``function_call`` and role ``function``, and
    ShareGPT's ``function_call`` and ``observation``. Empty system turns are left out. Raises Unfit for an
    unknown role, an empty turn, a wrong order of roles, or a tool's result that answers no call.
    """
    if not isinstance(turns, list) or not turns:
        raise Unfit("no-turns", "found no list of turns; give at least one question and its answer")
    reader = _Reader()
    for place, turn in enumerate(turns):
        reader.take(f"turn {place + 1}", turn)
    return reader.messages


class _Reader:
    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._open: list[ToolCall] = []  # calls that no result has answered yet
        self._was_call_turn = False
        self._ids: set[str] = set()  # of all calls so far

    def take(self, where: str, turn: Any) -> None:
        if not isinstance(turn, dict):
            raise Unfit("bad-turn", f"{where}: is no object with a role and a text; mend it")
        name = turn.get("role", turn.get("from"))
        role = ROLES.get(name.strip().lower()) if isinstance(name, str) else None
        if role is None:
            raise Unfit("wrong-role", f"{where}: its role is none of {', '.join(ROLES)}; rename it")
        text = _text(where, turn.get("content", turn.get("value", turn.get("text"))))
        if role == "system" and not (text or "").strip():
            return
        is_call = isinstance(name, str) and name in CALL_ROLES
        self._check_order(where, role, is_call=is_call)
        if role == "assistant":
            self._answer(where, turn, text, is_call=is_call)
        elif role == "tool":
            self.messages.append(
                Message(role="tool", content=text or "", tool_call_id=self._called(where, turn))
            )
        elif not (text or "").strip():
            raise Unfit("empty-turn", f"{where}: the {role} says nothing; drop the turn")
        else:
            self.messages.append(Message(role=role, content=text))
        self._was_call_turn = is_call

    def _check_order(self, where: str, role: Role, *, is_call: bool) -> None:
        before = self.messages[-1].role if self.messages else None
        if role == "system":
            wrong = before not in (None, "system")
            fix = "system turns come first"
        elif role == "user":
            wrong = before == "user" or bool(self._open)
            fix = "join two turns of the user into one" if before == "user" else "a call waits for its result"
        elif role == "assistant":
            wrong = before not in ("user", "tool") and not (is_call and self._was_call_turn)
            fix = "an answer follows a turn of the user or a tool's result"
        else:
            return  # a result without a call is found by `_called`
        if wrong:
            raise Unfit("role-order", f"{where}: {role} after {before or 'nothing'}; {fix}")

    def _answer(self, where: str, turn: Mapping[str, Any], text: str | None, *, is_call: bool) -> None:
        calls = (
            read_calls(where, _json(where, text)) if is_call else read_calls(where, turn.get("tool_calls"))
        )
        if turn.get("function_call"):
            calls += read_calls(where, [turn["function_call"]])
        ids = [call.id for call in calls if call.id is not None]
        if len(set(ids)) < len(ids) or not self._ids.isdisjoint(ids):
            raise Unfit("duplicate-tool-id", f"{where}: a tool call has the id of another; number them")
        self._ids.update(ids)
        content = None if is_call or not (text or "").strip() else text
        if not calls and content is None:
            raise Unfit(
                "empty-answer", f"{where}: the assistant says nothing and calls no tool; drop the turn"
            )
        if is_call and self._was_call_turn and self.messages[-1].role == "assistant":
            calls = [*self.messages.pop().tool_calls, *calls]
        self._open = list(calls)
        self.messages.append(Message(role="assistant", content=content, tool_calls=tuple(calls)))

    def _called(self, where: str, turn: Mapping[str, Any]) -> str | None:
        """The id of the call that a tool's result answers; the call is no longer open."""
        identity, name = turn.get("tool_call_id"), turn.get("name")
        for place, call in enumerate(self._open):
            if identity == call.id if identity is not None else name in (None, call.name):
                return self._open.pop(place).id
        if identity is not None:
            raise Unfit("orphan-tool-id", f"{where}: its tool_call_id is that of no open call; mend the id")
        raise Unfit(
            "orphan-tool", f"{where}: a tool's result that no call asked for; add the call or drop it"
        )


def read_calls(where: str, value: Any) -> list[ToolCall]:
    """Tool calls in OpenAI's form, or as ``{"name": ..., "arguments": ...}``. Raises Unfit."""
    if not value:
        return []
    calls = []
    for each in value if isinstance(value, list) else [value]:
        function = each.get("function", each) if isinstance(each, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise Unfit("bad-tool-call", f"{where}: a tool call has no function name; add it")
        arguments = function.get("arguments", function.get("parameters", {}))
        arguments = _json(where, arguments) if isinstance(arguments, str) and arguments.strip() else arguments
        identity = each.get("id")
        try:
            calls.append(ToolCall(name=function["name"], arguments=arguments or {}, id=identity))
        except ValidationError:
            raise Unfit(
                "bad-tool-call", f"{where}: a call needs a name, an object of arguments, a text as id"
            ) from None
    return calls


def read_tools(value: Any) -> tuple[Tool, ...]:
    """Tools in OpenAI's form, as bare functions, or as the JSON text of either. Raises Unfit."""
    value = _json("tools", value) if isinstance(value, str) and value.strip() else value
    if not value:
        return ()
    tools = []
    for each in value if isinstance(value, list) else [value]:
        function = each.get("function", each) if isinstance(each, dict) else None
        if not isinstance(function, dict):
            raise Unfit("bad-tools", "a tool is no object with a name; mend the list of tools")
        known = {key: function[key] for key in ("name", "description", "parameters") if function.get(key)}
        try:
            tools.append(Tool.model_validate(known))
        except ValidationError:
            raise Unfit(
                "bad-tools", "a tool needs a name, a text as description, an object of parameters"
            ) from None
    return tuple(tools)


def _text(where: str, content: Any) -> str | None:
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        raise Unfit("not-text", f"{where}: its content is no text; mend it")
    texts: list[str] = []
    for part in content:
        text = part.get("text") if isinstance(part, dict) else part
        if not isinstance(text, str):
            raise Unfit("not-text", f"{where}: holds an image, sound or file; this reader takes text only")
        texts.append(text)
    return "\n".join(texts)


def _json(where: str, text: str | None) -> Any:
    try:
        return parse_json(text or "")
    except BadLine as bad:
        rule = bad.rule if bad.rule == "duplicate-key" else "bad-tool-call"
        raise Unfit(rule, f"{where}: the JSON text of tools or arguments: {bad.reason}; mend it") from None
