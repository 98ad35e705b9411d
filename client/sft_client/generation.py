"""``sft-client generate``: new examples from a base model on this node; nothing of it leaves the node."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import PositiveInt

from sft_shared.data.steps import Rejected
from sft_shared.data.synthesis.generate import Complete, Generation
from sft_shared.dialogue import Example, write_examples
from sft_shared.files import write_atomic
from sft_shared.models.generate import generate
from sft_shared.models.load import Base, ModelSettings, load_base


class GenerateSettings(Generation):
    """`Generation` by a base model, which is loaded when the first example is asked for."""

    model: ModelSettings
    max_new_tokens: PositiveInt = 512  # of a reply
    batch_size: PositiveInt = 8  # prompts at a time

    def examples(self) -> Iterator[Example | Rejected]:
        """Yield examples and rejections. Raises DataError on the seeds, ModelError on the model."""
        base = load_base(self.model)
        yield from self.make(completion(base, max_new_tokens=self.max_new_tokens, batch_size=self.batch_size))


def completion(base: Base, *, max_new_tokens: int, batch_size: int) -> Complete:
    """A base model as a function: each prompt is a user's message, the reply its most likely answer."""

    def complete(prompts: Sequence[str]) -> list[str]:
        tokens = [_tokens(base, prompt) for prompt in prompts]
        return generate(base, tokens, max_new_tokens=max_new_tokens, batch_size=batch_size)

    return complete


def _tokens(base: Base, prompt: str) -> list[int]:
    turns = [{"role": "user", "content": prompt}]
    text = base.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return list(base.tokenizer(text, add_special_tokens=False)["input_ids"])


def generate_examples(settings: GenerateSettings, *, out: Path) -> Counter[str]:
    """Write the examples to ``out`` and the refusals to ``rejected.jsonl`` beside it; the counts by rule.

    What was kept is counted under ``kept``. A maker of the kind dataset takes ``out`` into ``prepare``.
    """
    counts: Counter[str] = Counter()
    rejected: list[dict[str, str]] = []

    def kept() -> Iterator[Example]:
        for made in settings.examples():
            counts["kept" if isinstance(made, Example) else made.rule] += 1
            if isinstance(made, Example):
                yield made
            else:
                rejected.append({"where": made.where, "rule": made.rule, "reason": made.detail})

    write_examples(out, kept())
    lines = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rejected)
    write_atomic(out.with_name("rejected.jsonl"), lines.encode())
    return counts
