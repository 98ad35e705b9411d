"""Answers outlast a crash at any byte; another process, another model or another form finds none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sft_shared.errors import StoreError
from sft_shared.evaluation.answer_cache import ANSWERS, Answer, answer_key, open_cache

KEYS = [answer_key("m", [number], max_new_tokens=4, schema=None) for number in range(5)]
BATCHES = [
    {KEYS[0]: Answer("你好 🙂\n", seconds=0.1), KEYS[1]: Answer('"\\', cut=True)},
    {KEYS[2]: Answer(""), KEYS[3]: Answer("three", seconds=1 / 3)},
]


def filled(folder: Path) -> bytes:
    with open_cache(folder) as cache:
        for batch in BATCHES:
            cache.add(batch)
    return (folder / ANSWERS).read_bytes()


def test_answers_are_found_again_as_they_were(tmp_path: Path) -> None:
    """In the same process and in the next, in any order; what was not answered is None."""
    filled(tmp_path)
    with open_cache(tmp_path) as cache:
        assert len(cache) == 4
        for number in (3, 0, 2, 1, 0):
            assert cache.get(KEYS[number]) == BATCHES[number // 2][KEYS[number]]
        assert cache.get(KEYS[4]) is None


def test_a_crash_anywhere_loses_the_last_batch_at_most(tmp_path: Path) -> None:
    """Cut at many bytes, also around a line's end: the torn line goes, and the file is the same again."""
    whole = filled(tmp_path)
    first = whole.index(b"\n") + 1
    for size in sorted({*range(0, len(whole), 9), first - 1, first, first + 1, len(whole) - 1}):
        (tmp_path / ANSWERS).write_bytes(whole[:size])
        with open_cache(tmp_path) as cache:
            assert len(cache) == (2 if size >= first else 0)
            for batch in BATCHES[len(cache) // 2 :]:
                cache.add(batch)
        assert (tmp_path / ANSWERS).read_bytes() == whole


def test_damage_elsewhere_is_told_with_its_line(tmp_path: Path) -> None:
    """A whole line that holds no answers is no crash of ours."""
    whole = filled(tmp_path)
    (tmp_path / ANSWERS).write_bytes(b"{}\nnonsense\n" + whole)
    with pytest.raises(StoreError, match=r"answers\.jsonl:2: no line of answers"), open_cache(tmp_path):
        pass


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """A second one is told who holds it; afterwards it may."""
    with (
        open_cache(tmp_path),
        pytest.raises(StoreError, match="in use by another evaluation"),
        open_cache(tmp_path),
    ):
        pass
    with open_cache(tmp_path) as cache:
        assert len(cache) == 0


def test_answers_are_their_owners_alone(tmp_path: Path) -> None:
    """A model may repeat what it was taught."""
    filled(tmp_path / "cache")
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0
    assert (tmp_path / "cache" / ANSWERS).stat().st_mode & 0o077 == 0


def test_a_key_holds_all_that_decides_an_answer() -> None:
    """Model, prompt, length and form: each alone makes another key."""
    keys = {
        answer_key(model, prompt, max_new_tokens=limit, schema=schema)
        for model in ("a", "b")
        for prompt in ([1, 2], [12], [2, 1])
        for limit in (4, 5)
        for schema in (None, "{}", "null")
    }
    assert len(keys) == 2 * 3 * 2 * 3
