"""Predictions for judges of tool calls: right ones of BFCL's ground truth, and seeded ways to go wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sft_shared.dialogue import Example, ExpectedCall

Call = dict[str, Any]
"""``{"name": ..., "arguments": {...}}``"""


@dataclass(frozen=True)
class Case:
    """One prediction for the example ``id``; ``kind`` says how it was made."""

    id: str
    kind: str
    calls: tuple[Call, ...]


def cases_of(example: Example, *, seed: int) -> list[Case]:
    """Four right answers and one of each mutation that changes something; the same for the same seed."""
    chance = random.Random(f"{seed} {example.id}")  # noqa: S311 (cases that can be drawn again, no secret)
    expected = example.expected_calls
    right = {
        "right: first allowed values": right_calls(expected, chance, first=True, optional=0.0),
        "right: with what is optional": right_calls(expected, chance, first=True, optional=1.0),
        "right: any allowed values": right_calls(expected, chance, first=False, optional=0.5),
        "right: other order of calls": right_calls(expected, chance, first=False, optional=0.5)[::-1],
    }
    cases = [Case(example.id, kind, tuple(calls)) for kind, calls in right.items()]
    for kind, mutate in MUTATIONS.items():
        calls = right_calls(expected, chance, first=False, optional=0.7)
        before = repr(calls)
        changed = mutate(calls, example, chance)
        if changed is not None and repr(changed) != before:
            cases.append(Case(example.id, kind, tuple(changed)))
    return cases


def right_calls(
    expected: Sequence[ExpectedCall], chance: random.Random, *, first: bool, optional: float
) -> list[Call]:
    """One concrete call each; what may be left out is given with the probability ``optional``."""
    calls = []
    for call in expected:
        arguments = {}
        for name, allowed in call.arguments.items():
            given = [value for value in allowed if value != ""]
            if "" in allowed and (not given or chance.random() >= optional):
                continue
            arguments[name] = _concrete(given[0] if first else chance.choice(given), chance, first=first)
        calls.append({"name": call.name, "arguments": arguments})
    return calls


def _concrete(value: Any, chance: random.Random, *, first: bool) -> Any:
    """Inside a dict BFCL lists the allowed values of each key."""
    if isinstance(value, list):
        return [_concrete(item, chance, first=first) for item in value]
    if isinstance(value, dict):
        chosen = {}
        for key, inner in value.items():
            allowed = inner if isinstance(inner, list) else [inner]
            given = [each for each in allowed if each != ""]
            if given and ("" not in allowed or chance.random() < 0.5):
                chosen[key] = _concrete(given[0] if first else chance.choice(given), chance, first=first)
        return chosen
    return value


Mutation = Callable[[list[Call], Example, random.Random], list[Call] | None]
"""Changes calls in place or anew; None where there is nothing of its kind to change."""


def _arguments(calls: Sequence[Call], chance: random.Random) -> dict[str, Any] | None:
    """The arguments of a call that has any."""
    full = [call["arguments"] for call in calls if call["arguments"]]
    return chance.choice(full) if full else None


def _drop_argument(calls: list[Call], example: Example, chance: random.Random) -> list[Call] | None:
    arguments = _arguments(calls, chance)
    if arguments is None:
        return None
    del arguments[chance.choice(list(arguments))]
    return calls


def _unknown_argument(calls: list[Call], example: Example, chance: random.Random) -> list[Call] | None:
    chance.choice(calls)["arguments"]["mood"] = chance.choice([1, "good", None])
    return calls


def _default_of_an_unexpected(
    calls: list[Call], example: Example, chance: random.Random
) -> list[Call] | None:
    """A parameter that the function has and the ground truth does not name."""
    tools = {tool.name: tool for tool in example.tools}
    expected = {call.name: call for call in example.expected_calls}
    for call in calls:
        properties = tools[call["name"]].parameters.get("properties", {})
        free = [name for name in properties if name not in expected[call["name"]].arguments]
        if free:
            name = chance.choice(free)
            call["arguments"][name] = properties[name].get("default", 1)
            return calls
    return None


def _drop_call(calls: list[Call], example: Example, chance: random.Random) -> list[Call] | None:
    del calls[chance.randrange(len(calls))]
    return calls


def _extra_call(calls: list[Call], example: Example, chance: random.Random) -> list[Call] | None:
    return [*calls, chance.choice(calls)]


def _repeat_instead(calls: list[Call], example: Example, chance: random.Random) -> list[Call] | None:
    """One call in the place of another."""
    if len(calls) < 2:
        return None
    one, other = chance.sample(range(len(calls)), 2)
    calls[one] = calls[other]
    return calls


def _swap_arguments(calls: list[Call], example: Example, chance: random.Random) -> list[Call] | None:
    if len(calls) < 2:
        return None
    one, other = chance.sample(calls, 2)
    one["arguments"], other["arguments"] = other["arguments"], one["arguments"]
    return calls


def _shuffle_calls(calls: list[Call], example: Example, chance: random.Random) -> list[Call] | None:
    chance.shuffle(calls)
    return calls


def _wrong_function(calls: list[Call], example: Example, chance: random.Random) -> list[Call] | None:
    call = chance.choice(calls)
    others = [tool.name for tool in example.tools if tool.name != call["name"]]
    call["name"] = chance.choice([*others, call["name"] + "s", call["name"].replace(".", "_") + "_"])
    return calls


def _value(change: Callable[[Any, random.Random], Any], *, inside: bool) -> Mutation:
    """Change one argument's value, or with ``inside`` one leaf in a list or dict."""

    def mutate(calls: list[Call], example: Example, chance: random.Random) -> list[Call] | None:
        places = [
            (holder, key)
            for call in calls
            for holder, key in _leaves(call["arguments"], deep=inside)
            if change(holder[key], random.Random(0)) is not NOTHING  # noqa: S311 (only whether it can)
        ]
        if not places:
            return None
        holder, key = chance.choice(places)
        holder[key] = change(holder[key], chance)
        return calls

    return mutate


def _leaves(arguments: dict[str, Any], *, deep: bool) -> Iterator[tuple[Any, Any]]:
    """Each place of a value: the arguments themselves, or only what lies inside of lists and dicts."""
    for key, value in arguments.items():
        if not deep:
            yield arguments, key
        elif isinstance(value, list | dict):
            yield from _inside(value)


def _inside(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = range(len(value)) if isinstance(value, list) else list(value)
    for key in keys:
        yield value, key
        if isinstance(value[key], list | dict):
            yield from _inside(value[key])


NOTHING: Any = object()


def _of_numbers(change: Callable[[Any], Any], *kinds: type) -> Callable[[Any, random.Random], Any]:
    return lambda value, chance: change(value) if type(value) in kinds else NOTHING


def _text_noise(value: Any, chance: random.Random) -> Any:
    """Case, spaces and the punctuation that does not count."""
    if not isinstance(value, str) or not value:
        return NOTHING
    place = chance.randrange(len(value) + 1)
    return (
        value[:place] + chance.choice([" ", "-", "_", ".", ",", "/", "*", "^"]) + value[place:]
    ).swapcase()


def _text_wrong(value: Any, chance: random.Random) -> Any:
    """A letter, or punctuation that counts."""
    if not isinstance(value, str):
        return NOTHING
    return value + chance.choice(["x", "!", ":", "'", "(", "？", "7"])


def _quotes(value: Any, chance: random.Random) -> Any:
    return value.replace("'", '"') if isinstance(value, str) and "'" in value else NOTHING


def _empty(value: Any, chance: random.Random) -> Any:
    return chance.choice(["", [], {}, None])


def _in_list(value: Any, chance: random.Random) -> Any:
    return [value]


def _list_order(value: Any, chance: random.Random) -> Any:
    return value[::-1] if isinstance(value, list) and len(value) > 1 else NOTHING


def _list_longer(value: Any, chance: random.Random) -> Any:
    return [*value, chance.choice(value)] if isinstance(value, list) and value else NOTHING


def _list_shorter(value: Any, chance: random.Random) -> Any:
    return value[:-1] if isinstance(value, list) and value else NOTHING


def _key_more(value: Any, chance: random.Random) -> Any:
    return {**value, "mood": 1} if isinstance(value, dict) else NOTHING


def _key_less(value: Any, chance: random.Random) -> Any:
    return dict(list(value.items())[1:]) if isinstance(value, dict) and value else NOTHING


CHANGES: dict[str, Callable[[Any, random.Random], Any]] = {
    "int for float": _of_numbers(lambda value: int(value) if value == int(value) else NOTHING, float),
    "float for int": _of_numbers(float, int),
    "another number": _of_numbers(lambda value: value + 1, int, float),
    "number as text": _of_numbers(str, int, float),
    "1 and 0 for true and false": _of_numbers(int, bool),
    "true and false for numbers": _of_numbers(bool, int),
    "the other of true and false": _of_numbers(lambda value: not value, bool),
    "case and punctuation": _text_noise,
    "wrong text": _text_wrong,
    "double quotes for single": _quotes,
    "empty": _empty,
    "in a list": _in_list,
    "list in other order": _list_order,
    "list with more": _list_longer,
    "list with less": _list_shorter,
    "dict with more": _key_more,
    "dict with less": _key_less,
}

MUTATIONS: dict[str, Mutation] = {
    "argument left out": _drop_argument,
    "unknown argument": _unknown_argument,
    "argument not asked for": _default_of_an_unexpected,
    "call left out": _drop_call,
    "call too many": _extra_call,
    "call twice instead of another": _repeat_instead,
    "arguments of calls swapped": _swap_arguments,
    "calls in other order": _shuffle_calls,
    "wrong function": _wrong_function,
    **{f"value: {name}": _value(change, inside=False) for name, change in CHANGES.items()},
    **{f"inside: {name}": _value(change, inside=True) for name, change in CHANGES.items()},
}
