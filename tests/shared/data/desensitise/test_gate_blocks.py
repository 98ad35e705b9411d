"""The gate's quick look at the blocks of a text, which decides what is looked for in the whole."""

from __future__ import annotations

from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st

from sft_shared.data.desensitise.gate_blocks import HIDES, HOLDS, signs_of
from sft_shared.data.desensitise.gate_numbers import numbers
from sft_shared.data.desensitise.gate_reveal import across, may_hide, may_hold_numbers
from sft_shared.data.desensitise.gate_words import words
from sft_shared.data.desensitise.numerals import plain

SAID = [
    *(
        "一三八。",
        "然后0013",
        "zhang@qq.com",
        "mail me. ",
        "one.\n",
        "Two three",
        "double seven",
        "&#64;",
        "艾特",
    ),
    *("sk-abcdefghijklmnop123456", "密码是Abc123！", "Foo88", "password is Hunter2222", "**bold**"),
    *("IP地址8.8.4.1", "10.20.30.40", "粤B12345", "E12345678", "0755-26123456", "00:1A:2B:3C:4D:5E"),
    *("6222 0212 3456 7890 128", "138-0013-8000", "我已经为您登记好了，请您放心。"),
    "The parcel has been sent out today.\n",
]


@given(st.lists(st.sampled_from(SAID), min_size=1, max_size=6).map("".join))
@settings(max_examples=400)
def test_the_quick_look_at_blocks_misses_nothing(text: str) -> None:
    """What is found in a whole text shows in one of its blocks."""
    flat = plain(text)
    signs = signs_of([text])
    assert bool(signs & HOLDS) >= any(True for _ in words(flat))
    assert bool(signs & HIDES) >= may_hide(flat)
    assert may_hold_numbers(flat) >= any(True for _ in chain(numbers(flat), across(flat)))
