"""What the gate has to look for in a text: each block is looked at once, for logs say much again."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from sft_shared.data.desensitise.blocks import LONGEST_REMEMBERED, MOST_REMEMBERED, blocks
from sft_shared.data.desensitise.gate_reveal import may_hide_in
from sft_shared.data.desensitise.gate_words import may_hold
from sft_shared.data.desensitise.numerals import plain

HOLDS, HIDES = 1, 2
"""There may be hits of `gate_words.words`; there may be something for `gate_reveal.revealed`."""


def signs_of(texts: Iterable[str]) -> int:
    """What may be found in texts, by a quick look at each of their blocks: `HOLDS` and `HIDES`, added."""
    signs = 0
    for text in texts:
        for block in blocks(text):
            signs |= _remembered(block) if len(block) <= LONGEST_REMEMBERED else signs_of_block(block)
    return signs


def signs_of_block(block: str) -> int:
    """The same of one block, or of texts that nothing reaches over."""
    flat = plain(block)
    return HOLDS * may_hold(flat) | HIDES * may_hide_in(flat)


_remembered = lru_cache(maxsize=MOST_REMEMBERED)(signs_of_block)
