"""Whether two examples are twins, for many pairs at once: by a bound first, then by their sketches."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sft_shared.data.hygiene.minhash import ANSWER_SIZE, NOTHING, QUESTION_SIZE, jaccard
from sft_shared.data.hygiene.stored import Stored

_LOOKED_AT = 1 << 15  # pairs whose bound is found at once, so that they stay in the processor's cache
_CONFIRMED = 1 << 13  # pairs whose sketches are read at once
_REFUTED_BITS = 20  # slots for pairs that are no twins, since bands bring up the same pair again: 8 MB
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_ROUNDING = 1e-5
_MORE = 255


class Pairs:
    """Compares the examples at ``places`` of ``stored``; here they go by their number in ``places``.

    The first ``num_held_out`` of them are held out. Two of one family are never twins. The threads of
    ``executor`` may ask at once, since numpy lets them compute at the same time.
    """

    def __init__(
        self,
        stored: Stored,
        places: NDArray[np.int64],
        *,
        family: NDArray[np.uint64],
        num_held_out: int,
        overlap: float,
        question_overlap: float,
        executor: Executor,
    ) -> None:
        self.executor = executor
        self._looked_at: list[int] = []
        self._stored, self._places, self._family = stored, places, family[places]
        self._num_held_out = num_held_out
        self._overlap, self._question_overlap = overlap, question_overlap
        self._refuted = np.full(1 << _REFUTED_BITS, np.iinfo(np.uint64).max)  # the last in each slot
        self._questions = Bitmaps(len(places), QUESTION_SIZE, num_bytes=64)
        self._answers = Bitmaps(len(places), ANSWER_SIZE, num_bytes=32)
        for numbers, rows in stored.selected(places):
            self._questions.put(numbers, rows["question_sketch"], rows["question_whole"])
            self._answers.put(numbers, rows["answer_sketch"], rows["answer_whole"])

    @property
    def num_compared(self) -> int:
        """Pairs looked at."""
        return sum(self._looked_at)

    def twins(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which pairs are twins; where only ``first`` is held out, by their questions alone as well."""
        found = np.zeros(len(first), bool)
        close = self.close(first, second)
        found[close] = self.confirmed(first[close], second[close])
        return found

    def close(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
        """The pairs, by number, that may be twins by the bound; no others are."""
        self._looked_at.append(len(first))
        found = [np.zeros(0, np.int64)]
        for start in range(0, len(first), _LOOKED_AT):
            some = slice(start, start + _LOOKED_AT)
            found.append(start + self._close(first[some], second[some]))
        return np.concatenate(found)

    def confirmed(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which pairs are twins by their sketches; best asked of many at once, for rows are read for it."""
        pair = first.astype(np.uint64) * np.uint64(len(self._places)) + second.astype(np.uint64)
        slot = pair * _SPREAD >> np.uint64(64 - _REFUTED_BITS)
        new = np.flatnonzero(self._refuted[slot] != pair)
        found = np.zeros(len(first), bool)
        for start in range(0, len(new), _CONFIRMED):
            some = new[start : start + _CONFIRMED]
            found[some] = self._confirmed(first[some], second[some])
        refuted = new[~found[new]]
        self._refuted[slot[refuted]] = pair[refuted]
        return found

    def _close(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
        asked = self._questions.bound(first, second)
        close = np.flatnonzero(asked >= min(self._overlap, self._question_overlap) - _ROUNDING)
        first, second, asked = first[close], second[close], asked[close]
        maybe = self._across(first, second) & (asked >= self._question_overlap - _ROUNDING)
        other = np.flatnonzero(~maybe & (asked >= self._overlap - _ROUNDING))
        answered = self._answers.bound(first[other], second[other])
        maybe[other[answered >= self._overlap - _ROUNDING]] = True
        maybe &= self._family[first] != self._family[second]
        return close[maybe]

    def _confirmed(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
        used, number = np.unique(
            np.concatenate([self._places[first], self._places[second]]), return_inverse=True
        )
        rows = self._stored.rows(used)
        mine, theirs = number[: len(first)], number[len(first) :]
        asked = _overlap(rows, "question", mine, theirs)
        twins = self._across(first, second) & (asked >= self._question_overlap)
        other = np.flatnonzero(~twins & (asked >= self._overlap))
        twins[other] = _overlap(rows, "answer", mine[other], theirs[other]) >= self._overlap
        return twins

    def _across(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
        return (first < self._num_held_out) & (second >= self._num_held_out)


def _overlap(
    rows: NDArray[Any], text: str, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float64]:
    sketch, whole = rows[f"{text}_sketch"], rows[f"{text}_whole"]
    return jaccard(sketch[first], whole[first], sketch[second], whole[second])


class Bitmaps:
    """Each text's shingles as a bitmap, from which no overlap comes out smaller than by the sketches.

    A bit that only one of two bitmaps has stands for at least one shingle that only this one's sketch has.
    """

    def __init__(self, num_rows: int, size: int, *, num_bytes: int) -> None:
        self._size = size
        self._bits = np.zeros((num_rows, num_bytes // 8), np.uint64)
        self._count = np.zeros(num_rows, np.uint8)  # shingles in the sketch; 255: there are more
        self._hidden = np.zeros(num_rows, np.uint8)  # those that share a bit with another one

    def put(self, numbers: NDArray[np.int64], sketches: NDArray[np.uint16], whole: NDArray[np.uint8]) -> None:
        """Note the texts of the examples ``numbers``."""
        num_bits = self._bits.shape[1] * 64
        filled = sketches != NOTHING
        has = np.zeros((len(sketches), num_bits + 1), bool)
        has[np.arange(len(sketches))[:, None], np.where(filled, sketches % num_bits, num_bits)] = True
        bits = np.packbits(has[:, :-1], axis=1).view(np.uint64)
        count = filled.sum(axis=1)
        self._bits[numbers] = bits
        self._count[numbers] = np.where(whole, count, _MORE)
        self._hidden[numbers] = count - np.bitwise_count(bits).sum(axis=1)

    def bound(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float32]:
        """What `jaccard` of the sketches of each pair cannot be over."""
        both = self._bits.take(first, axis=0)
        both &= self._bits.take(second, axis=0)
        shared = np.minimum(self._hidden.take(first), self._hidden.take(second)).astype(np.float32)
        shared += _sums(np.bitwise_count(both))
        one, other = self._count.take(first), self._count.take(second)
        either = one + other.astype(np.float32) - shared
        either[(one == _MORE) | (other == _MORE)] = self._size
        return np.asarray(shared / np.maximum(either, 1))


def _sums(numbers: NDArray[np.uint8]) -> NDArray[np.unsignedinteger[Any]]:
    """The sum of each row of ``numbers`` [n, 4] or [n, 8], if it is under 256: the top byte of a product."""
    size = numbers.shape[1]
    words = numbers.view(f"u{size}")[:, 0]
    return np.asarray(words * words.dtype.type(int("01" * size, 16)) >> words.dtype.type(size * 8 - 8))
