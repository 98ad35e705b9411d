"""What all kinds of augmentation share: how many copies, how strong, from which seed, of which origin."""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Iterator

from pydantic import Field, PositiveInt

from sft_shared.config import Settings
from sft_shared.data.augment.pieces import Piece, rewrite
from sft_shared.dialogue import Example


class Copies(Settings):
    """Makes changed copies of one example; the example itself is not among them.

    A copy's id is ``ORIGIN~KIND N``, its ``provenance.origin`` the id of what it was made from and its last
    ``provenance.steps`` the kind and the strength, so that the chain of origins leads to the source.
    What becomes of an example depends on the settings and the example alone, not on those before it.
    """

    kind: str
    strength: float = Field(default=0.3, ge=0, le=1)  # 0 changes nothing: no copies
    copies: PositiveInt = 1  # at most so many an example; equal ones are left out
    seed: int = 0

    def __call__(self, example: Example) -> Iterator[Example]:
        """Yield the copies, fewer than ``copies`` where the kind has nothing more to offer."""
        made = [_content(example)]
        for number in range(1, self.copies + 1) if self.strength else ():
            # a string seeds the generator through SHA-512, equal in every process
            rng = random.Random(f"{self.seed}:{self.kind}:{number}:{example.id}")  # noqa: S311 (no secret)
            changed = self._change(example, rng)
            if changed is None or _content(changed[0]) in made:
                continue
            copy, step = changed
            made.append(_content(copy))
            provenance = example.provenance.model_copy(
                update={"origin": example.id, "steps": (*example.provenance.steps, step)}
            )
            yield copy.model_copy(
                update={"id": f"{example.id}~{self.kind}{number}", "provenance": provenance}
            )

    @abstractmethod
    def _change(self, example: Example, rng: random.Random) -> tuple[Example, str] | None:
        """One changed copy and the name of the step, such as ``noise:pinyin:0.3``; None: nothing to do."""


def with_message(example: Example, message: int, pieces: list[Piece]) -> Example | None:
    """The example with one message rewritten, its entities moved along; None if one would be torn."""
    own = [entity for entity in example.entities if entity.message == message]
    rewritten = rewrite(example.messages[message].content or "", pieces, own)
    if rewritten is None:
        return None
    text, moved = rewritten
    messages = list(example.messages)
    messages[message] = messages[message].model_copy(update={"content": text})
    following = iter(moved)
    entities = tuple(next(following) if entity.message == message else entity for entity in example.entities)
    return example.model_copy(update={"messages": tuple(messages), "entities": entities})


def _content(example: Example) -> tuple[object, ...]:
    return example.messages, example.entities, example.expected_calls
