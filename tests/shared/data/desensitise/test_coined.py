"""Coined names are nobody's and nowhere's."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path

import jieba
import names
import stdnum.cn

from sft_shared.data.desensitise import coined


def test_coined_places_and_given_names_are_no_words() -> None:
    """Neither jieba's dictionary nor the divisions of China know them."""
    jieba.setLogLevel(logging.ERROR)
    jieba.initialize()
    divisions = (Path(stdnum.cn.__file__).parent / "loc.dat").read_text(encoding="utf-8")
    pairs = [
        *itertools.product(coined.PLACE_HEADS, coined.PLACE_TAILS),
        *itertools.product(coined.GIVEN_HEADS, coined.GIVEN_TAILS),
    ]
    short = itertools.product(coined.SURNAMES, coined.GIVEN_ALONE)
    words = ["".join(pair) for pair in (*pairs, *short)]
    allowed = {"朱槿"}
    assert [word for word in words if word in jieba.dt.FREQ and word not in allowed] == []
    places = ["".join(pair) for pair in itertools.product(coined.PLACE_HEADS, coined.PLACE_TAILS)]
    assert [word for word in places if word in divisions] == []


def test_coined_latin_names_are_in_no_census() -> None:
    """None is among the first and last names of the US census."""
    folder = Path(names.__file__).parent
    census = {
        line.split()[0].lower() for path in folder.glob("dist.*") for line in path.read_text().splitlines()
    }
    assert len(census) > 80_000
    made = {head + tail for head in coined.LATIN_HEADS for tail in coined.LATIN_TAILS}
    assert made & census == set()
    assert all(coined.LATIN_WORD.fullmatch(word) for word in made)
