"""A request to generate, as lm-evaluation-harness writes it: what of it can be done, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sft_shared.errors import ConfigError

LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")  # the first one counts
OF_SAMPLING = ("temperature", "top_p", "top_k", "min_p")  # without sampling they change nothing


@dataclass(frozen=True)
class GenerationRequest:
    """What is to be continued, and until where. ``given`` are the settings as they came."""

    context: str
    stops: tuple[str, ...]
    max_tokens: int
    given: Mapping[str, Any]


def read_generation_request(
    context: str, given: Mapping[str, Any], *, default_max_tokens: int
) -> GenerationRequest:
    """Read ``generation_kwargs`` of a task. Raises ConfigError for anything but greedy generation.

    >>> read_generation_request("Hi", {"until": "stop", "max_gen_toks": 9}, default_max_tokens=256).stops
    ('stop',)
    """
    if not context:
        raise ConfigError("a task asks to continue an empty text. Give it a prompt (doc_to_text).")
    rest = dict(given)
    sampled = rest.pop("do_sample", None)
    if sampled or (sampled is None and float(rest.get("temperature") or 0) > 0):
        raise ConfigError("a task asks for sampling; fedsft is greedy. Give --gen_kwargs do_sample=False.")
    until = rest.pop("until", None) or ()
    stops = (until,) if isinstance(until, str) else tuple(until)
    lengths = [value for name in LENGTHS if (value := rest.pop(name, None)) is not None]
    for name in OF_SAMPLING:
        rest.pop(name, None)
    if rest:
        raise ConfigError(
            f"generation_kwargs: {min(rest)} is nothing that fedsft can do. Known are until, do_sample, "
            f"{', '.join(LENGTHS)}; take it out of the task."
        )
    max_tokens = int(lengths[0]) if lengths else default_max_tokens
    if max_tokens < 1 or not all(isinstance(stop, str) for stop in stops):
        raise ConfigError(
            f"generation_kwargs: until must be texts and {LENGTHS[0]} at least 1; mend the task."
        )
    return GenerationRequest(context=context, stops=stops, max_tokens=max_tokens, given=given)


def cut_at_stops(text: str, stops: Sequence[str]) -> str:
    """``text`` up to where the first of ``stops`` begins; an empty stop stops nothing.

    >>> cut_at_stops("Paris. Q: next", ["Q:", "."]), cut_at_stops("Paris", ["", "Q:"])
    ('Paris', 'Paris')
    """
    places = [place for stop in stops if stop and (place := text.find(stop)) >= 0]
    return text[: min(places, default=len(text))]
