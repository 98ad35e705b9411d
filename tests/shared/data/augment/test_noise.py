"""Noise: only the user's words, never what a label or an argument says, as many words as asked for."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest
from pydantic import ValidationError

from sft_shared.data.augment.keyboard import NEIGHBOURS, other_width, slip
from sft_shared.data.augment.noise import Noise, NoiseWeights
from sft_shared.data.augment.sounds import homophone, pinyin
from sft_shared.dialogue import Example

Dialogue = Callable[..., Example]
OFF = {"pinyin": 0, "homophone": 0, "typo": 0, "width": 0}


def noisy(example: Example, kind: str, **more: object) -> list[str]:
    noise = Noise.model_validate({"strength": 1.0, "copies": 20, "weights": {**OFF, kind: 1}, **more})
    return [copy.messages[0].content or "" for copy in noise(example)]


def test_pinyin_of_a_word_is_written_with_or_without_tones(talk: Dialogue) -> None:
    example = talk("请帮我查新乡快递")
    assert noisy(example, "pinyin", tones="marks") == ["qǐngbāngwǒcháxīnxiāngkuàidì"]
    assert noisy(example, "pinyin", tones="none") == ["qingbangwochaxinxiangkuaidi"]
    some = noisy(example, "pinyin", strength=0.2, copies=60)
    assert "请帮我查xīnxiāng快递" in some
    assert "请帮我查xinxiang快递" in some


def test_a_reading_depends_on_the_word() -> None:
    assert pinyin("银行", tone_marks=False) == "yinhang"
    assert pinyin("行走", tone_marks=False) == "xingzou"


def test_a_homophone_sounds_the_same_and_is_another_word(talk: Dialogue) -> None:
    rng = random.Random(0)
    for word in ("快递", "订单", "退款", "新乡", "查"):
        for _ in range(20):
            other = homophone(word, rng)
            assert other is not None
            assert other != word
            assert len(other) == len(word)
            assert sum(a != b for a, b in zip(other, word, strict=True)) == 1
    assert all(len(text) == 4 for text in noisy(talk("查询快递"), "homophone"))


def test_a_slip_is_one_neighbouring_key_a_swap_or_a_letter_left_out() -> None:
    assert set(NEIGHBOURS["g"]) == set("fhtyvb")
    rng = random.Random(1)
    seen = {slip("cancel", rng) for _ in range(300)}
    assert {"cnacel", "cacel"} <= seen
    assert all(text[0] == "c" for text in seen)
    one_changed = [text for text in seen if len(text) == 6 and sorted(text) != sorted("cancel")]
    for text in one_changed:
        ((old, new),) = [(a, b) for a, b in zip("cancel", text, strict=True) if a != b]
        assert new in NEIGHBOURS[old]


def test_width_goes_both_ways() -> None:
    assert other_width("a1?") == "ａ１？"
    assert other_width("ａ１？") == "a1?"
    assert other_width("。") == "。"


def test_width_noise_of_a_message_keeps_its_meaning(talk: Dialogue) -> None:
    assert noisy(talk("order A12 now?"), "width") == ["ｏｒｄｅｒ Ａ１２ ｎｏｗ？"]


def test_labels_arguments_and_answers_stay_clean(talk: Dialogue) -> None:
    answer = {"intent": "logistics_query", "parameters": {"city": "新乡", "no": "SF123"}, "response": "好的"}
    example = talk("帮我查新乡快递SF123", answer, entities={"新乡": "city"})
    for text in noisy(example, "pinyin") + noisy(example, "homophone") + noisy(example, "width"):
        assert "新乡" in text
        assert "SF123" in text  # no label says so, the answer does
    for copy in Noise(strength=1, copies=5)(example):
        assert copy.messages[1] == example.messages[1]


def test_with_the_setting_a_labelled_word_is_spoilt_and_its_label_follows(talk: Dialogue) -> None:
    answer = {"intent": "logistics_query", "parameters": {"city": "新乡"}}
    example = talk("帮我查新乡快递", answer, entities={"新乡": "city"})
    noise = Noise(
        strength=1, entities="change", tones="marks", weights=NoiseWeights(homophone=0, typo=0, width=0)
    )
    (copy,) = noise(example)
    (entity,) = copy.entities
    assert entity.value == "xīnxiāng"
    assert Example.model_validate(copy.model_dump()) == copy
    assert json.loads(copy.messages[1].content or "") == answer


def test_strength_is_the_share_of_words(talk: Dialogue) -> None:
    example = talk(" ".join(f"number{'abcdefghij'[n]}" for n in range(10)))
    weights = NoiseWeights(pinyin=0, homophone=0, width=0)
    for strength in (0.1, 0.3, 1.0):
        for copy in Noise(strength=strength, copies=10, weights=weights)(example):
            pairs = zip(
                (copy.messages[0].content or "").split(),
                (example.messages[0].content or "").split(),
                strict=True,
            )
            assert sum(a != b for a, b in pairs) == round(10 * strength)


def test_noise_of_no_kind_is_refused() -> None:
    with pytest.raises(ValidationError, match="no noise to add"):
        NoiseWeights(**OFF)


@pytest.mark.parametrize("hidden", ["lorrim.fen@example.com", "[信用卡号]", "[CARD]", "15446470669"])
def test_what_stands_for_personal_data_is_not_spoilt(talk: Dialogue, hidden: str) -> None:
    """A letter less, and a made-up address would be somebody's; a real one may be spoilt."""
    for kind in ("typo", "width"):
        spoilt = noisy(talk(f"please write to {hidden} tomorrow"), kind)
        assert spoilt
        assert all(hidden in text for text in spoilt)
    assert not all("jo.smith@mail.net" in text for text in noisy(talk("write to jo.smith@mail.net"), "typo"))
