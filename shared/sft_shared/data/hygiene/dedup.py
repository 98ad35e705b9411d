"""Which examples go because another one says the same; a held-out example's twin never trains."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sft_shared.config import Settings
from sft_shared.data.hygiene.across import held_out_twins
from sft_shared.data.hygiene.lineage import fallen, families
from sft_shared.data.hygiene.minhash import NUM_BANDS, signatures
from sft_shared.data.hygiene.pairs import Pairs
from sft_shared.data.hygiene.stored import Stored
from sft_shared.data.hygiene.within import NUM_ANSWER_BANDS, answer_bands, earlier_twins
from sft_shared.data.steps import Dropped
from sft_shared.dialogue import Example

RULES = {
    "exact-duplicate": "asks and answers the same as an earlier example but for case, spaces or long numbers",
    "near-duplicate": "asks and answers almost the same as an earlier example",
    "held-out-twin": "asks almost the same as a held-out example, which it would give away",
    "origin-held-out": "was made from a held-out example, which it would give away",
    "origin-dropped": "was made from an example that was dropped",
}
_EXACT, _NEAR, _TWIN, _ORIGIN_HELD_OUT, _ORIGIN_DROPPED = range(1, 6)


@dataclass(frozen=True)
class Verdicts:
    """For each example, by its place in the input: 0 if it stays, else 1 + the place of its rule in RULES."""

    rules: NDArray[np.uint8]
    twins: NDArray[np.int64]  # place of the example that it is a twin of; -1 if none
    num_compared: int  # pairs of examples that were looked at

    def __getitem__(self, place: int) -> Dropped | None:
        """Why the example at ``place`` goes; None if it stays."""
        rule = int(self.rules[place])
        if rule == 0:
            return None
        return Dropped(list(RULES)[rule - 1], list(RULES.values())[rule - 1])

    def counts(self) -> dict[str, int]:
        """How many go by each rule; rules without any are left out."""
        counts = np.bincount(self.rules, minlength=len(RULES) + 1)[1:]
        return {rule: int(count) for rule, count in zip(RULES, counts, strict=True) if count}


class DedupSettings(Settings):
    """Exact and near duplicates, within and across splits.

    Two examples are twins if their questions overlap by ``overlap`` and their answers do as well. Across
    splits they also are if their questions overlap by ``question_overlap``, whatever the answers. Overlap is
    the Jaccard index of shingles, see `minhash`.

    Pairs are looked for among examples whose questions share a band of minima (`minhash`): at the limit of
    0.7 that is 0.996 of the twins, at 0.8 all but 3 in 100,000. A training example is compared with every
    held-out one that does, so that none is overlooked in a crowd. Within a split the work is bounded, so
    that it grows with the examples and not with their pairs: where more than 32 share a band, they are
    compared if their answers share one as well (0.87 for each such band at 0.7, 0.999 at 0.95), and each
    with 32 earlier ones at most. So of a crowd that asks the same, a near-duplicate answered rather
    differently may stay; an exact one never does.

    Which stays is decided in this order: held-out examples, then training examples, then those made from
    others (with an origin), each as they stand in the input. An example goes if it is a twin of one before
    it that stays, so of a chain a~b~c in which a and c are no twins, a and c stay. A training example goes
    also if it is a twin of a held-out one that goes itself. Examples made from one origin are no twins of it
    or of each other, but go if it goes, or if it is held out.

    `partition.families` has a looser notion (half of the words), compares all pairs and is transitive: it
    keeps whole families of questions out of a benchmark's training side, where this one keeps paraphrases.
    """

    overlap: float = Field(default=0.7, ge=0.6, le=1)  # 1 leaves only what is equal once normalised
    question_overlap: float = Field(default=0.8, ge=0.6, le=1)

    def __call__(self, parts: Sequence[NDArray[Any] | Path], *, threads: int = 1) -> Verdicts:
        """Judge the examples behind the fingerprints of all parts, arrays or files of SIGNATURE, in order.

        Memory is at most about 400 bytes an example, besides arrays that are given; of files only the rows
        in question are read. Of more ``threads`` the work is done sooner, and comes out the same. Raises
        DataError for a file that is cut off.
        """
        with ThreadPoolExecutor(threads) as executor:
            return _Judge(self, Stored(parts), executor).verdicts()


def drop_duplicates(examples: Sequence[Example], settings: DedupSettings) -> list[Example | Dropped]:
    """Each example or why it goes, for sets that fit into memory."""
    verdicts = settings([signatures(examples)])
    return [verdicts[place] or example for place, example in enumerate(examples)]


class _Judge:
    def __init__(self, settings: DedupSettings, stored: Stored, executor: Executor) -> None:
        self._settings, self._stored, self._executor = settings, stored, executor
        columns = stored.columns("id", "origin", "question", "answer", "held_out")
        self._held_out = columns["held_out"].astype(bool)
        self._columns = columns
        self._family = families(columns["id"], columns["origin"])
        self._rules = np.zeros(stored.num_rows, np.uint8)
        self._twins = np.full(stored.num_rows, -1, np.int64)
        self._num_compared = 0

    def verdicts(self) -> Verdicts:
        rank = np.where(self._held_out, 0, np.where(self._columns["origin"] == 0, 1, 2))
        order = np.argsort(rank, kind="stable")
        self._drop_exact(order)
        order = order[(self._rules[order] == 0)]
        self._drop_near(order)
        fallen(
            self._columns["id"],
            self._columns["origin"],
            held_out=self._held_out,
            rules=self._rules,
            twins=self._twins,
            codes=(_ORIGIN_HELD_OUT, _ORIGIN_DROPPED),
        )
        return Verdicts(self._rules, self._twins, self._num_compared)

    def _drop_exact(self, order: NDArray[np.int64]) -> None:
        """Of examples with equal hashes all but the first go, unless they are of its family."""
        pair = self._columns["question"] * np.uint64(0x9E3779B97F4A7C15) ^ self._columns["answer"]
        _, first, group = np.unique(pair[order], return_index=True, return_inverse=True)
        leader = order[first][group]
        goes = (leader != order) & (self._family[leader] != self._family[order])
        crosses = self._held_out[leader] & ~self._held_out[order]
        self._rules[order[goes]] = np.where(crosses[goes], _TWIN, _EXACT)
        self._twins[order[goes]] = leader[goes]

    def _drop_near(self, order: NDArray[np.int64]) -> None:
        num_held_out = int(self._held_out[order].sum())
        bands = np.empty((NUM_BANDS, len(order)), np.uint32)
        of_answers = np.empty((NUM_ANSWER_BANDS, len(order)), np.uint32)
        for numbers, rows in self._stored.selected(order):
            bands[:, numbers] = rows["bands"].T
            of_answers[:, numbers] = answer_bands(rows["answer_sketch"])
        pairs = Pairs(
            self._stored,
            order,
            family=self._family,
            num_held_out=num_held_out,
            overlap=self._settings.overlap,
            question_overlap=self._settings.question_overlap,
            executor=self._executor,
        )
        twin = held_out_twins(pairs, bands, num_held_out=num_held_out)
        crosses = twin >= 0
        held_out = np.arange(len(order)) < num_held_out
        among = np.flatnonzero(~crosses)
        twin[among] = earlier_twins(pairs, among, bands=bands, answer_bands=of_answers, splits=held_out)[
            among
        ]
        self._num_compared = pairs.num_compared
        goes = twin >= 0
        self._twins[order[goes]] = order[twin[goes]]
        self._rules[order[goes]] = np.where(crosses[goes], _TWIN, _NEAR)
