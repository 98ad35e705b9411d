"""A flat batch holds every document whole, predicts within documents only, and has no padding."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.chat import IGNORED, Row
from sft_shared.data.collate import collate, common_prefix


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    made = []
    for number in range(draw(st.integers(1, 6))):
        prompt = draw(st.lists(st.integers(0, 2), min_size=1, max_size=8))
        answer = draw(st.lists(st.integers(0, 2), min_size=1, max_size=5))
        labels = (IGNORED,) * len(prompt) + tuple(answer)
        made.append(Row(input_ids=(*prompt, *answer), labels=labels, example_id=f"e{number}"))
    return made


@given(rows())
def test_documents_positions_and_targets_are_those_of_the_rows(batch: list[Row]) -> None:
    """Prefix plus rest is the document; positions count from its start; each target is its next label."""
    flat = collate(batch)
    prefix = flat.prefix
    assert flat.input_ids.shape == flat.position_ids.shape == (1, prefix + sum(flat.lengths))
    start = prefix
    for row, length in zip(batch, flat.lengths, strict=True):
        span = slice(start, start + length)
        ids = flat.input_ids[0, :prefix].tolist() + flat.input_ids[0, span].tolist()
        assert tuple(ids) == row.input_ids
        assert flat.position_ids[0, span].tolist() == list(range(prefix, len(row.input_ids)))
        assert flat.targets[span].tolist() == [*row.labels[prefix + 1 :], IGNORED]
        start += length
    assert flat.position_ids[0, :prefix].tolist() == list(range(prefix))
    assert flat.targets[:prefix].tolist() == [IGNORED] * prefix
    assert flat.example_ids == tuple(row.example_id for row in batch)


@given(rows())
def test_sharing_a_prefix_loses_no_supervised_token(batch: list[Row]) -> None:
    """As many targets are supervised as the rows have labels."""
    supervised = int((collate(batch).targets != IGNORED).sum())
    assert supervised == sum(row.num_supervised for row in batch)


@given(rows())
def test_the_prefix_is_common_and_leaves_every_row_a_token(batch: list[Row]) -> None:
    """It is the longest run of equal tokens before any supervised one, and zero for a single row."""
    prefix = common_prefix(batch)
    assert len({row.input_ids[:prefix] for row in batch}) == 1
    assert all(prefix < len(row.input_ids) for row in batch)
    assert prefix == 0 or len(batch) > 1
