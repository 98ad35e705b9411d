"""Tags, and the language that they are in."""

from __future__ import annotations

from typing import get_args

import pytest

from sft_shared.data.desensitise.spans import Kind
from sft_shared.data.desensitise.tags import TAG, language_of, tag


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_has_a_tag_in_both_languages(kind: Kind) -> None:
    """Each is known as a tag, and the two differ."""
    tags = [tag(kind, "zh"), tag(kind, "en")]
    assert all(TAG.fullmatch(each) for each in tags)
    assert tags[0] != tags[1]
    assert tags[1].isascii()


def test_no_two_kinds_share_a_tag() -> None:
    """A tag says which kind stood there."""
    tags = {tag(kind, language) for kind in get_args(Kind) for language in ("zh", "en")}
    assert len(tags) == 2 * len(get_args(Kind))


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        (["我的卡号"], "zh"),
        (["My card"], "en"),
        (["My name is 张伟, please help me"], "en"),
        (["请查 order AB12 的状态，谢谢"], "zh"),
        (["123"], "en"),
        ([], "en"),
    ],
)
def test_the_language_is_that_of_most_of_the_text(texts: list[str], language: str) -> None:
    """One foreign name does not change it."""
    assert language_of(texts) == language
