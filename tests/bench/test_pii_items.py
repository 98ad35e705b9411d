"""The benchmark's two halves: what is in them, and what a wrong file is told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import phonenumbers
import pytest
import yaml
from stdnum import luhn
from stdnum.cn import ric

from bench.pii_disguise import plain
from bench.pii_items import FOLDER, HALVES, KINDS, MAJOR, Templates, load_all, read_handwritten, values_of
from bench.pii_people import Words
from bench.pii_score import Item
from sft_shared.config import load_yaml
from sft_shared.errors import ConfigError, DataError


@cache
def halves() -> dict[str, list[Item]]:
    return load_all(seed=0)


def templates(half: str) -> Iterator[tuple[str, str]]:
    """(group, text) of each turn of each template."""
    found = load_yaml(FOLDER / f"templates_{half}.yaml", Templates)
    for language in (found.zh, found.en):
        for group, members in language.items():
            yield from ((group, " / ".join(member.turns)) for member in members)


def test_there_are_enough_items_of_each_sort() -> None:
    """Generated, written by hand, hard negatives, in both languages; each half has its share."""
    for items in halves().values():
        assert sum(item.source == "generated" for item in items) >= 1200
        assert sum(item.source == "handwritten" for item in items) >= 160
        assert sum(item.source == "handwritten" and item.hard_negative for item in items) >= 75
        languages = Counter(item.language for item in items)
        assert 0.45 < languages["zh"] / len(items) < 0.55
        assert len({item.id for item in items}) == len(items)


@pytest.mark.parametrize("half", HALVES)
def test_every_kind_stands_in_enough_different_contexts(half: str) -> None:
    """At least 25 templates for the major kinds, 10 for the others, no two of them the same."""
    counts = Counter(group for group, _ in templates(half))
    assert all(counts[kind] >= (25 if kind in MAJOR else 10) for kind in KINDS)
    texts = [text for _, text in templates(half)]
    assert len(set(texts)) == len(texts)


def test_the_halves_share_no_template_no_word_and_no_value() -> None:
    """Also with another seed, and with the values' disguises taken off."""
    bare = [
        {re.sub(r"\{\{.*?\}\}|[\W\d]", "", text) for _, text in templates(half)} - {""} for half in HALVES
    ]
    assert not bare[0] & bare[1]
    words = [yaml.safe_load((FOLDER / f"words_{half}.yaml").read_text(encoding="utf-8")) for half in HALVES]
    assert not set(_leaves(words[0])) & set(_leaves(words[1]))
    for items in (halves(), load_all(seed=5)):
        dev, test = (values_of(items[half]) for half in HALVES)
        assert len(dev) > 1500
        assert len(test) > 1500
        assert not dev & test


def _leaves(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key != "form":
                yield from _leaves(value)
    elif isinstance(node, list):
        for value in node:
            yield from _leaves(value)
    else:
        yield str(node)


def test_the_same_seed_gives_the_same_items_in_any_process() -> None:
    """Whatever the hash seed; another seed gives other values."""
    code = "import hashlib; from bench.pii_items import load_all; "
    code += "print(hashlib.sha256(repr(load_all(0)).encode()).hexdigest())"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            cwd=FOLDER.parents[1],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert values_of(load_all(seed=1)["dev"]) != values_of(halves()["dev"])


def test_generated_json_is_json_and_no_slot_is_left() -> None:
    """A value never breaks the JSON it stands in."""
    for items in halves().values():
        for item in items:
            assert not any("{{~" in turn or re.search(r"\{\{[a-z_]+[:.@/}]", turn) for turn in item.turns)
            if item.source == "generated" and item.turns[0].startswith('{"'):
                json.loads(item.turns[0])


def test_marked_cards_and_resident_ids_have_their_check_digits() -> None:
    """Also under a disguise, also put together again from the pieces of several turns."""
    checks = {"card": luhn.is_valid, "resident_id": lambda it: it[-1] == ric.calc_check_digit(it)}
    num_checked = 0
    for items in halves().values():
        for item in items:
            for kind, is_valid in checks.items():
                numbers = [plain(item.value(gold)).upper() for gold in item.spans if gold.kind == kind]
                if any(len(number) < 14 for number in numbers):
                    numbers = ["".join(numbers)]
                assert all(is_valid(number) for number in numbers), item.id
                num_checked += len(numbers)
    assert num_checked > 900


def test_nothing_that_must_be_found_is_left_unmarked() -> None:
    """Where anything is marked, no e-mail address, mobile, resident ID or UnionPay card stands outside."""
    sure = re.compile(
        r"[\w.+-]+@[\w-]+\.\w+|(?<![\dA-Za-z])(?:1[3-9]\d{9}|62\d{14,17}|\d{17}[\dX])(?![\dA-Za-z])"
    )
    for items in halves().values():
        for item in (item for item in items if not item.hard_negative):
            for turn, text in enumerate(item.turns):
                for match in sure.finditer(text):
                    marked = any(
                        gold.turn == turn and gold.start < match.end() and match.start() < gold.end
                        for gold in item.spans
                    )
                    assert marked, (item.id, match.group())


def test_marked_phone_numbers_exist() -> None:
    """Whole ones, in the plan of some country; disguises taken off."""
    for items in halves().values():
        for item in items:
            if len(item.turns) == 1:
                for number in (plain(item.value(gold)) for gold in item.spans if gold.kind == "phone"):
                    tries = [(number, region) for region in ("CN", "US", "GB")] + [(f"+{number}", None)]
                    assert any(_exists(text, region) for text, region in tries), (item.id, number)


def _exists(number: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


def test_hard_negatives_have_no_marks_and_the_others_have() -> None:
    """Each item is one of the two; marks have no blanks at their ends and do not overlap."""
    for items in halves().values():
        for item in items:
            assert bool(item.spans) != item.hard_negative, item.id
            for gold in item.spans:
                assert item.value(gold) == item.value(gold).strip() != "", item.id
            for one, two in zip(item.spans, item.spans[1:], strict=False):
                assert (one.turn, one.end) <= (two.turn, two.start), item.id


def handwritten(folder: Path, *lines: str) -> list[Item]:
    path = folder / "handwritten.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_handwritten(path)


def test_marks_are_taken_out_and_their_places_kept(tmp_path: Path) -> None:
    """In each turn by itself; offsets count the text without marks."""
    (item,) = handwritten(
        tmp_path,
        '{"id": "1", "lang": "zh", "turns": ["我叫{{name:王芳}}，", "{{phone:139}}和{{name:李雷}}"]}',
    )
    assert item.turns == ("我叫王芳，", "139和李雷")
    assert [(gold.turn, gold.start, gold.end) for gold in item.spans] == [(0, 2, 4), (1, 0, 3), (1, 4, 6)]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"id": "2", "lang": "zh"', "not valid JSON"),
        ('{"id": "2", "lang": "fr", "text": "a"}', "lang"),
        ('{"id": "2", "lang": "zh"}', "either `text` or `turns`"),
        ('{"id": "1", "lang": "zh", "text": "{{name:王}}"}', "is there already"),
        ('{"id": "2", "lang": "zh", "text": "{{nmae:王}}"}', "'nmae' is no kind"),
        ('{"id": "2", "lang": "zh", "text": "{{name 王}}"}', "a mark does not end"),
        ('{"id": "2", "lang": "zh", "text": "高兴"}', "hard_negative is False, with no marks"),
        ('{"id": "2", "lang": "zh", "text": "{{name:王}}", "hard_negative": true}', "with marks"),
    ],
)
def test_a_wrong_line_is_named_with_its_place(tmp_path: Path, line: str, says: str) -> None:
    """File, line and what is wrong there."""
    with pytest.raises(DataError, match=re.escape(says)) as caught:
        handwritten(tmp_path, '{"id": "1", "lang": "zh", "text": "{{name:王}}"}', line)
    assert "handwritten.jsonl:2: " in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """As a data error, no traceback."""
    with pytest.raises(DataError, match=r"none\.jsonl: cannot be read"):
        read_handwritten(tmp_path / "none.jsonl")


@pytest.mark.parametrize("slot", ["{{crad}}", "{{~amuont}}", "{{name!}}", "{{phone"])
def test_a_wrong_slot_is_named_with_its_line(tmp_path: Path, slot: str) -> None:
    """A misspelt kind or filler, or braces that are no slot."""
    path = tmp_path / "templates.yaml"
    path.write_text(f"zh:\n  card:\n    - 好\n    - '卡{slot}'\nen: {{}}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"templates\.yaml:4: .*slot"):
        load_yaml(path, Templates)


def test_words_must_be_complete(tmp_path: Path) -> None:
    """A half without streets says which list is missing."""
    path = tmp_path / "words.yaml"
    text = (FOLDER / "words_dev.yaml").read_text(encoding="utf-8")
    path.write_text(re.sub(r"^roads:.*\n", "", text, flags=re.MULTILINE), encoding="utf-8")
    with pytest.raises(ConfigError, match="roads: missing"):
        load_yaml(path, Words)
