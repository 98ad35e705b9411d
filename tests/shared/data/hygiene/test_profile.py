"""A profile counts what is there, says what to do about it, and shows it without harm."""

from __future__ import annotations

import json
from array import array
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.font_manager import fontManager

from sft_shared.data import pictures
from sft_shared.data.hygiene.dedup import DedupSettings
from sft_shared.data.hygiene.profile import Profile, balance, profile, spread
from sft_shared.data.hygiene.profile_picture import are_numbered, draw
from sft_shared.data.hygiene.report import write_profile
from sft_shared.data.steps import Rejected
from sft_shared.dialogue import Example, Intent, Message, Outcome, Provenance, Split, ToolCall

EVIL = '<script>alert("x")</script> $\\frac$ \u202e'


def said(
    place: int,
    question: str,
    *,
    category: str = "",
    split: Split = "train",
    outcome: Outcome | None = None,
    calls: bool = False,
) -> Example:
    answer = (
        Message(role="assistant", tool_calls=(ToolCall(name="f"),))
        if calls
        else Message(role="assistant", content=f"The answer to number {place} is this.")
    )
    return Example(
        id=f"e{place}",
        messages=(Message(role="user", content=question), answer),
        category=category,
        intent=Intent(name=f"i-{category}", confidence=1, by="given") if category else None,
        outcome=outcome,
        provenance=Provenance(source="shop", session=f"s{place // 2}", split=split),
    )


def of(*items: Example | Rejected) -> Profile:
    return profile(items, dedup=DedupSettings(), num_tokens=lambda example: 7)


MIXED = (
    said(0, "我的订单怎么还没有发货，已经两周了", category="订单", outcome=Outcome(success=True)),
    said(1, "Where is my order? I have waited for two weeks", category="订单"),
    said(2, "where is my order??? i have waited for 2 weeks", category="订单", calls=True),
    said(3, "OK", category="退款", outcome=Outcome(success=False, reasons=("repeat_question",))),
    said(4, "Where is my order? I have waited for two weeks!", category="订单", split="held_out"),
    Rejected("d.jsonl:9", "broken-json", "not JSON at column 3; mend it"),
    Rejected("d.jsonl:12", "broken-json", "not JSON at column 1; mend it"),
)


def test_everything_is_counted() -> None:
    """By name, largest first; bad records too."""
    found = of(*MIXED)
    assert found.num_examples == 5
    assert found.num_sessions == 3
    assert found.splits == {"train": 4, "held_out": 1}
    assert found.categories == {"订单": 4, "退款": 1}
    assert found.intents == {"i-订单": 4, "i-退款": 1}
    assert found.languages == {"en": 3, "und": 1, "zh": 1}
    assert found.sources == {"shop": 5}
    assert found.outcomes == {"": 3, "failure": 1, "failure: repeat_question": 1, "success": 1}
    assert found.num_with_calls == 1
    assert found.duplicates == {"held-out-twin": 2}
    assert found.rejected == {"broken-json": 2}
    assert found.balance.max_min_ratio == 3
    assert found.balance.rare == ("退款", "订单")
    assert found.tokens is not None
    assert found.tokens.median == 7
    assert profile(MIXED, dedup=DedupSettings()).tokens is None


def test_advice_names_the_remedy() -> None:
    """What would spoil a measurement comes first; a clean, balanced set needs none."""
    advice = of(*MIXED).advice
    assert advice[0].startswith("2 training examples are almost the same as held-out ones")
    assert "d.jsonl:9: not JSON" in advice[1]
    assert any("2 classes have fewer than 10 training examples (退款, 订单)" in line for line in advice)
    assert any("class_weighted" in line for line in advice)
    words = ["".join("abcdefghij"[int(digit)] * 2 for digit in f"{n:03}") for n in range(240)]
    clean = [
        said(
            n,
            f"{word} tell me {word[::-1]}",
            category=f"c{n % 4}",
            split="held_out" if n % 8 == 0 else "train",
        )
        for n, word in enumerate(words)
    ]
    assert of(*clean).advice == ()
    assert any("Nothing is held out" in line for line in of(*clean[1:8]).advice)
    uneven = [said(n, f"{word} {n}", category="a" if n % 20 else "b") for n, word in enumerate(words)]
    assert any("19 times" in line for line in of(*uneven).advice)
    assert any("--category-field" in line for line in of(said(0, "hello there")).advice)


@given(st.lists(st.integers(0, 10**7), min_size=1), st.sampled_from([1, 2]))
def test_a_histogram_has_every_number_once(values: list[int], steps: int) -> None:
    """Ranges grow without gaps, each number is in the one it belongs to."""
    found = spread(array("Q", values), steps=steps)
    lows = [low for low, _ in found.histogram]
    assert lows == sorted(set(lows))
    for place, (low, count) in enumerate(found.histogram):
        high = lows[place + 1] if place + 1 < len(lows) else found.largest + 1
        assert count == sum(low <= value < high for value in values)
    assert sum(count for _, count in found.histogram) == len(values)


@given(st.dictionaries(st.text(), st.integers(1, 1000), min_size=1))
def test_balance_is_between_one_class_and_equal_ones(classes: dict[str, int]) -> None:
    """Evenness is a share; it is 1 for equal classes."""
    found = balance(classes)
    assert 0 <= found.evenness <= 1.0001
    assert balance(dict.fromkeys(classes, 5)).evenness == pytest.approx(1, abs=1e-3)
    assert found.num_classes == len(classes)


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_asks_nothing_of_the_network_and_runs_no_name(tmp_path: Path) -> None:
    """Names out of the data are text, whatever they hold; the picture is inside."""
    found = of(*MIXED, said(9, "hello", category=EVIL))
    paths = write_profile(found, title=EVIL, folder=tmp_path)
    assert [path.name for path in paths] == ["profile.json", "profile.png", "profile.html"]
    page = _Page(paths[2].read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert len(page.links) == 1
    numbers = json.loads(paths[0].read_text(encoding="utf-8"))
    assert numbers["categories"][EVIL] == 1
    text = "".join(path.read_text(encoding="utf-8") for path in (paths[0], paths[2]))
    assert "waited for two weeks" not in text


def test_a_picture_without_a_chinese_font_has_numbers_that_the_page_explains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Empty boxes would be a warning, and warnings are errors here."""
    monkeypatch.setattr(
        fontManager, "ttflist", [each for each in fontManager.ttflist if "DejaVu" in each.name]
    )
    pictures._path.cache_clear()
    found = of(*MIXED)
    assert are_numbered(found)
    assert [label.get_text() for label in draw(found).axes[0].get_yticklabels()] == ["#1", "#2"]
    page = write_profile(found, title="t", folder=tmp_path)[2].read_text(encoding="utf-8")
    assert "#1 订单" in page
    assert "no font" in page
    pictures._path.cache_clear()


@pytest.mark.parametrize("count", [0, 1, 29, 31, 300])
def test_any_number_of_classes_is_a_picture(count: int, tmp_path: Path) -> None:
    """None, one, and more than there is room for."""
    found = of(*[said(n, f"question {n}", category=f"class {n}") for n in range(count)])
    paths = write_profile(found, title="t", folder=tmp_path)
    assert paths[1].read_bytes().startswith(b"\x89PNG")
