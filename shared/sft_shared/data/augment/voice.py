"""The same said in the other voice: 我把订单取消了 <-> 订单被我取消了, you lost it <-> it was lost by you."""

from __future__ import annotations

import random
from typing import Literal

from pydantic import Field

from sft_shared.data.augment.copies import Copies, with_message
from sft_shared.data.augment.voice_chinese import turn_chinese
from sft_shared.data.augment.voice_english import turn_english
from sft_shared.dialogue import Example


class Voice(Copies):
    """Turn a clause of the user's from active to passive or back, where its form is known to stay right.

    Most sentences are of no such form and stay as they are: a wrong sentence is worse than none. At most one
    clause a message changes. ``strength`` is the chance that a message with such a clause is changed.
    """

    kind: Literal["voice"] = "voice"
    strength: float = Field(default=1.0, ge=0, le=1)

    def _change(self, example: Example, rng: random.Random) -> tuple[Example, str] | None:
        changed = example
        for index, message in enumerate(example.messages):
            if message.role != "user" or rng.random() >= self.strength:
                continue
            text = message.content or ""
            pieces = turn_chinese(text) or turn_english(text)
            if pieces is not None:
                changed = with_message(changed, index, pieces) or changed
        return None if changed is example else (changed, f"voice:{self.strength:g}")
