"""Fields are found under the same names whether a layout is new or was seen before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.logs.fields import MAX_LAYOUTS, FieldNames
from sft_shared.data.logs.requests import RequestFields
from sft_shared.data.logs.values import look_up

KEYS = st.sampled_from(
    ["session", "session_id", "user", "user_id", "text", "content", "metadata", "metadata.user_id", "ts", "x"]
)
OBJECTS = st.dictionaries(st.sampled_from(["user_id", "session_id"]), st.text())
VALUES = st.none() | st.text(max_size=3) | OBJECTS


@given(st.dictionaries(KEYS, VALUES))
def test_names_found_in_a_record_find_what_all_names_find(record: dict[str, object]) -> None:
    """Nulls, which do not count, and names with dots included."""
    for fields in (FieldNames(), RequestFields(text=("metadata.user_id", "content"))):
        found = fields.found_in(record)
        for field, names in fields:
            assert look_up(record, getattr(found, field)) == look_up(record, names)


def test_a_log_of_ever_new_layouts_fills_no_memory() -> None:
    fields = FieldNames()
    for number in range(3 * MAX_LAYOUTS):
        assert fields.found_in({f"key {number}": 1, "ts": 2}).time == ("ts",)
    assert fields._layout.cache_info().currsize == MAX_LAYOUTS
