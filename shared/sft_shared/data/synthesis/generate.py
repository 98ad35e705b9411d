"""Examples that a language model writes after the pattern of seeds, with a rule engine at the door."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Literal

from pydantic import PositiveInt

from sft_shared.config import LocalPath, Settings
from sft_shared.data.steps import Rejected
from sft_shared.data.synthesis.replies import (
    labelling_prompt,
    question_of,
    read_label,
    read_questions,
    writing_prompt,
)
from sft_shared.data.synthesis.rules import NEED_LABEL, Candidate, Known, Rule, first_refusal
from sft_shared.data.templating.slots import Language
from sft_shared.dialogue import Entity, Example, Intent, Message, Provenance, read_examples
from sft_shared.errors import DataError, ModelError

Complete = Callable[[Sequence[str]], list[str]]
"""A language model: for each prompt the text that follows it."""

Classify = Callable[[str], str]
"""An intent classifier: the intent of a question."""


class Generation(Settings):
    """Let a model write ``count`` new questions of each intent, label them, and keep what passes ``rules``.

    The seeds are examples with an intent. Each request shows other seeds, drawn by ``seed``, so that a model
    that always gives its most likely answer still varies. The label, asked for without saying what the
    question was written for, gives the parameters and the response. Whatever is refused comes out as a
    `Rejected` that names the candidate, the rule and the reason.
    """

    seeds: LocalPath  # JSONL of examples with intents
    intents: tuple[str, ...] = ()  # of these alone; empty: all that the seeds have
    language: Language
    count: PositiveInt  # of each intent
    rules: tuple[Rule, ...]
    answer: Literal["json", "text"] = "json"  # {"intent", "parameters", "response"}, or the response alone
    per_request: PositiveInt = 8  # questions asked for at a time
    shots: PositiveInt = 4  # seeds shown in each request
    rounds: PositiveInt = 20  # requests for an intent, until it is given up
    seed: int = 0

    def make(self, complete: Complete, *, classify: Classify | None = None) -> Iterator[Example | Rejected]:
        """Yield examples and rejections; without ``classify`` round_trip compares the model's own label.

        Raises DataError if the seeds have none of the intents, ModelError if ``complete`` leaves prompts out.
        """
        seeds = self._seeds()
        known = Known()
        for examples in seeds.values():
            for example in examples:
                known.add(question_of(example))
        lanes = [_Lane(intent) for intent in seeds]
        for number in range(1, self.rounds + 1):
            open_now = [lane for lane in lanes if lane.made < self.count]
            if not open_now:
                return
            for lane, item in self._round(open_now, seeds, known, number, complete, classify):
                lane.made += isinstance(item, Example)
                yield item
        for lane in lanes:
            if lane.made < self.count:
                yield Rejected(
                    lane.intent, "too-few", f"{lane.made} of {self.count} after {self.rounds} requests"
                )

    def _round(
        self,
        lanes: Sequence[_Lane],
        seeds: Mapping[str, Sequence[Example]],
        known: Known,
        number: int,
        complete: Complete,
        classify: Classify | None,
    ) -> Iterator[tuple[_Lane, Example | Rejected]]:
        rng = random.Random(f"{self.seed}:{number}")  # noqa: S311 (which seeds are shown, no secret)
        prompts = [
            writing_prompt(
                lane.intent,
                rng.sample(seeds[lane.intent], min(self.shots, len(seeds[lane.intent]))),
                count=self.per_request,
                language=self.language,
            )
            for lane in lanes
        ]
        early = [rule for rule in self.rules if rule.kind not in NEED_LABEL or rule.kind == "banned"]
        candidates: list[tuple[_Lane, Candidate]] = []
        for lane, reply in zip(lanes, _replies(complete, prompts), strict=True):
            for place, text in enumerate(read_questions(reply)[: self.per_request], start=1):
                candidate = Candidate(f"{lane.intent}/{number}/{place}", lane.intent, self.language, text)
                refusal = first_refusal(early, candidate, known)
                if refusal is None:
                    known.add(text)
                    candidates.append((lane, candidate))
                else:
                    yield lane, Rejected(candidate.id, *refusal)
        shots = [rng.choice(examples) for examples in seeds.values()]
        asked = [
            labelling_prompt(it.text, shots, intents=list(seeds), language=self.language)
            for _, it in candidates
        ]
        late = [rule for rule in self.rules if rule.kind in NEED_LABEL]
        for (lane, candidate), reply in zip(candidates, _replies(complete, asked), strict=True):
            if lane.made < self.count:
                yield lane, self._judge(candidate, reply, late, known, classify)

    def _judge(
        self, candidate: Candidate, reply: str, rules: Sequence[Rule], known: Known, classify: Classify | None
    ) -> Example | Rejected:
        label = read_label(reply)
        if label is None:
            return Rejected(candidate.id, "no-label", "asked for its label, the model gave no JSON object")
        said = classify(candidate.text) if classify else str(label.get("intent", ""))
        candidate = replace(candidate, label=label, labelled=said)
        refusal = first_refusal(rules, candidate, known)
        if refusal is not None:
            return Rejected(candidate.id, *refusal)
        if self.answer == "text" and not candidate.response:
            return Rejected(candidate.id, "no-answer", "the label has no response to answer with")
        return self._example(candidate)

    def _example(self, candidate: Candidate) -> Example:
        content = candidate.response
        if self.answer == "json":
            answer = {
                "intent": candidate.intent,
                "parameters": dict(candidate.parameters),
                "response": candidate.response,
            }
            content = json.dumps(answer, ensure_ascii=False)
        digest = sha256(json.dumps([candidate.intent, candidate.text]).encode()).hexdigest()[:16]
        return Example(
            id=f"generated-{digest}",
            messages=(
                Message(role="user", content=candidate.text),
                Message(role="assistant", content=content),
            ),
            category=candidate.intent,
            intent=Intent(name=candidate.intent, confidence=1, by="given"),
            entities=tuple(_entities(candidate)),
            provenance=Provenance(
                source=self.seeds.name,
                session=f"generated-{digest}",
                steps=(f"generated:{candidate.intent}",),
            ),
        )

    def _seeds(self) -> dict[str, list[Example]]:
        seeds: dict[str, list[Example]] = {}
        for example in read_examples(self.seeds):
            name = example.intent.name if example.intent else ""
            if name and question_of(example) and (not self.intents or name in self.intents):
                seeds.setdefault(name, []).append(example)
        missing = [name for name in self.intents if name not in seeds]
        if missing or not seeds:
            raise DataError(
                f"{self.seeds}: no example of the intent {missing[0]!r}."
                if missing
                else f"{self.seeds}: no example has an intent."
                " Put at least one for each intent into the file."
            )
        return {name: seeds[name] for name in sorted(seeds)}


@dataclass
class _Lane:
    """An intent, and how many questions of it were accepted."""

    intent: str
    made: int = field(default=0)


def _replies(complete: Complete, prompts: Sequence[str]) -> list[str]:
    replies = complete(prompts) if prompts else []
    if len(replies) != len(prompts):
        raise ModelError(
            f"the model gave {len(replies)} replies to {len(prompts)} prompts, one each is needed."
        )
    return replies


def _entities(candidate: Candidate) -> Iterator[Entity]:
    """A label for each parameter whose value stands in the question as it is."""
    taken: list[tuple[int, int]] = []
    for name, value in candidate.parameters.items():
        text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
        start = candidate.text.find(text) if text else -1
        end = start + len(text)
        if start >= 0 and not any(start < right and left < end for left, right in taken):
            taken.append((start, end))
            yield Entity(type=name, value=text, message=0, start=start, end=end)
