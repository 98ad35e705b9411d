"""A text in blocks: nothing is lost, and what is found in the blocks is what is found in the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.desensitise.blocks import blocks
from sft_shared.data.desensitise.find import Finder, FindSettings

FINDER = Finder(FindSettings())
SAID = ["您好，很高兴为您服务", "我叫欧阳明华", "138 0013 8000", "Please call me", "password: Tr0ub4dor&3"]
MARKS = ["。", "！", "!", ".", "？", "\n", "\n\n", " ", "，", "“", "”", "(", ")", "12", "a"]
PIECES = st.lists(st.sampled_from([*SAID, *MARKS]), max_size=30).map("".join)


@given(PIECES | st.text(max_size=200))
def test_blocks_together_are_the_text(text: str) -> None:
    """One block follows the other, from the start to the end."""
    assert "".join(blocks(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "mysql -uroot -pS3rv1ce!Now -h db.internal orders, then restart it and tell me",
        "The recipient of the parcel is at the following address:\n12 Oak Street\nSpringfield, IL 62701",
        "请问您方便提供一下登记的手机号码吗？138 0013 8000 就是这个号码",
        "Thanks for the long talk we had today.\n(555) 010-9999 is the number to call",
        "-----BEGIN PRIVATE KEY-----\nMIIEowIBAAKCAQEA75l。\nabcdefghijklmnopqrst\n-----END PRIVATE KEY-----",
    ],
)
def test_what_may_go_on_is_not_cut(text: str) -> None:
    """No cut inside of a password, behind a question or a colon, before a number or in a key."""
    assert blocks(text) == (text,)


def test_each_value_is_found_behind_the_sentences_before_it() -> None:
    """Places are those in the whole text, however often a sentence was seen before."""
    said = [
        "您好，请稍等，正在为您查询订单。",
        "我的手机号是13912345678，麻烦您了。",
        "好的，已经登记在案，请您放心。",
    ]
    text = "".join(said * 3)
    found = [text[span.start : span.end] for span in FINDER.find(text)]
    assert len(blocks(text)) == 9
    assert found == ["13912345678"] * 3


@pytest.mark.parametrize(
    "text",
    [
        "住在北京市朝阳区建国路118号40室，我叫李玉强",
        "Mr. John Smith ordered 35 of them on day 7",
        "第3排5座，联系人张伟",
    ],
)
@given(change=st.integers(0, 9))
def test_which_digits_stand_there_does_not_matter_to_names(text: str, change: int) -> None:
    """Names and Chinese addresses are remembered for a text whatever its digits, so these must not count."""
    other = "".join(str((int(sign) + change) % 10) if sign.isdigit() else sign for sign in text)
    kinds = ("name", "address")
    assert [span for span in FINDER.find(text) if span.kind in kinds] == [
        span for span in FINDER.find(other) if span.kind in kinds
    ]
