"""Surnames and given names that stand alone, and names of other peoples."""

from __future__ import annotations

import pytest

from sft_shared.data.desensitise.chinese_name_forms import find_partial_names


def names(text: str) -> set[str]:
    return {text[span.start : span.end] for span in find_partial_names(text)}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("老丁,把车钥匙给我", "老丁"),
        ("小孟你到哪了", "小孟"),
        ("跟老周说一声", "老周"),
        ("上次那个姓庞的师傅还在吗", "庞"),
        ("司机姓淳于", "淳于"),
        ("妈,志刚说他不回来了", "志刚"),
        ("晓燕说她明天到", "晓燕"),
        ("次仁旺堆的身份证", "次仁旺堆"),
    ],
)
def test_half_a_name_is_found(text: str, name: str) -> None:
    """By who bears it and by what is said to or of it."""
    assert name in names(text)


@pytest.mark.parametrize(
    "text",
    [
        "小米手机多少钱",
        "老板你好",
        "小时数不对",
        "老百姓大药房",
        "小程序打不开",
        "同姓的人很多",
        "明天你来吗",
        "小哥哥快点",
        "老家寄来的",
    ],
)
def test_words_with_the_same_beginning_stay(text: str) -> None:
    """小米 and 小程序 are no 小孟."""
    assert names(text) == set()
