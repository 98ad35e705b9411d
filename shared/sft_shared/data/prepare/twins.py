"""Among all examples, those that another one makes superfluous.

They are looked for twice: before the costly steps, which then see an example once; and after them, since what
was told apart by a name alone is now the same, and copies may have come near to a held-out example.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sft_shared.data.hygiene.dedup import RULES, DedupSettings
from sft_shared.data.hygiene.minhash import SIGNATURE
from sft_shared.data.hygiene.stored import Stored
from sft_shared.data.prepare.part import SIGNATURES
from sft_shared.data.prepare.sections import SectionFile, write_sections
from sft_shared.data.steps import Dropped

TWIN_RULES = {**RULES, "duplicate-id": "an earlier example has the same id, by which examples are told apart"}
_DUPLICATE_ID = len(TWIN_RULES)


def find_twins(parts: Sequence[Path], *, settings: DedupSettings | None, threads: int, path: Path) -> None:
    """Write to ``path`` a section for each part: a byte for each of its examples, 0 if it stays.

    Other bytes are 1 + the place of the rule in TWIN_RULES. Two that stay never have the same id, whatever
    the settings: of an id's 64-bit hashes the first stays. The fingerprints go through a file beside
    ``path``, so that memory does not grow by them.
    """
    sizes = [SectionFile(part).place(SIGNATURES)[1] // SIGNATURE.itemsize for part in parts]
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        files = [_copied(parts, Path(folder) / "signatures")]
        rules = np.zeros(sum(sizes), np.uint8) if settings is None else settings(files, threads=threads).rules
        staying = np.flatnonzero(rules == 0)
        ids = Stored(files).columns("id")["id"][staying]
        again = np.ones(len(ids), bool)
        again[np.unique(ids, return_index=True)[1]] = False
        rules[staying[again]] = _DUPLICATE_ID
    numbers = np.bincount(rules, minlength=_DUPLICATE_ID + 1)[1:]
    counts = {rule: int(count) for rule, count in zip(TWIN_RULES, numbers, strict=True) if count}
    ends = np.cumsum(sizes)
    sections = [[rules[end - size : end].tobytes()] for size, end in zip(sizes, ends, strict=True)]
    write_sections(path, sections, counts={"twins": counts})


def twin_rule(number: int) -> Dropped:
    """What a byte other than 0 stands for."""
    return Dropped(*list(TWIN_RULES.items())[number - 1])


def _copied(parts: Sequence[Path], path: Path) -> Path:
    with path.open("wb") as target:
        for part in parts:
            target.writelines(SectionFile(part).blocks(SIGNATURES))
    return path
