"""The bound that leaves most pairs out never leaves out a twin."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.hygiene.minhash import ANSWER_SIZE, NOTHING, QUESTION_SIZE, jaccard
from sft_shared.data.hygiene.pairs import Bitmaps

SKETCHES = st.sets(st.integers(0, 150) | st.integers(0, NOTHING - 1), min_size=1, max_size=150)


@given(st.lists(SKETCHES, min_size=1, max_size=6), st.sampled_from([(QUESTION_SIZE, 64), (ANSWER_SIZE, 32)]))
def test_the_bound_is_never_under_the_overlap(sets: list[set[int]], shape: tuple[int, int]) -> None:
    """Of any two sketches, whole or cut, with shingles that share a bit; of one with itself it is all."""
    size, num_bytes = shape
    sketches = np.full((len(sets), size), NOTHING, np.uint16)
    for row, hashes in zip(sketches, sets, strict=True):
        kept = sorted(hashes)[:size]
        row[: len(kept)] = kept
    whole = np.array([len(hashes) <= size for hashes in sets], np.uint8)
    bitmaps = Bitmaps(len(sets), size, num_bytes=num_bytes)
    bitmaps.put(np.arange(len(sets)), sketches, whole)
    for place in range(len(sets)):
        truth = jaccard(sketches[place], whole[place], sketches, whole)
        bound = bitmaps.bound(np.full(len(sets), place), np.arange(len(sets)))
        assert (bound >= truth - 1e-6).all()
        assert bound[place] == 1


def test_the_bound_tells_most_strangers_apart() -> None:
    """Else nothing were won: of random sketches hardly any could share half."""
    draw = np.random.default_rng(3)
    sketches = np.sort(draw.integers(0, NOTHING, (200, QUESTION_SIZE), dtype=np.uint16), axis=1)
    bitmaps = Bitmaps(200, QUESTION_SIZE, num_bytes=64)
    bitmaps.put(np.arange(200), sketches, np.ones(200, np.uint8))
    assert (bitmaps.bound(np.zeros(199, np.int64), np.arange(1, 200)) < 0.5).all()
