"""The page holds the numbers, asks for nothing from outside and trusts no text."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sft_shared.data import pictures
from sft_shared.evaluation.comparison import ComparisonSettings
from sft_shared.evaluation.report.contents import Report, ReportNumbers, make_report, sentence
from sft_shared.evaluation.report.facts import RunFacts
from sft_shared.evaluation.report.page import MAX_FLIPS, MAX_TEXT, write_report
from sft_shared.evaluation.report.pictures import writable
from sft_shared.evaluation.results import AnswerRow, System


class Page(HTMLParser):
    """Collects tags, ids, what a browser would fetch, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.alts: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "srcset", "data", "action", "poster"}:
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if name == "alt":
                self.alts.append(value or "")
            assert not name.startswith("on"), "no scripts in attributes"

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


@pytest.fixture
def written(make_shop: Callable[..., Report], tmp_path: Path) -> tuple[Report, str]:
    """A held candidate's report and its HTML."""
    report = make_shop(forgets=0.3)
    return report, write_report(report, tmp_path)[-1].read_text(encoding="utf-8")


def test_it_is_one_file_without_any_outside_request(written: tuple[Report, str], tmp_path: Path) -> None:
    """Three pictures inside, each with a text for those who cannot see it; links lead inside the page."""
    html = written[1]
    page = Page(html)
    outside = [link for link in page.links if not link.startswith(("data:image/png;base64,", "#"))]
    assert outside == []
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    assert "url(" not in html
    assert "@import" not in html
    assert len(page.alts) == 3
    assert all(page.alts)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"report.html", "comparison.json", "values.png", "differences.png", "cycles.png"}
    for path in tmp_path.glob("*.png"):
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        assert 600 <= width <= 2000
        assert height > 200


def test_what_a_model_or_a_data_set_says_is_text(
    make_system: Callable[..., System], make_rows: Callable[..., list[AnswerRow]], tmp_path: Path
) -> None:
    """Markup in answers, ids, slices, task and system names, in facts and in the command does nothing."""

    attack = "\"><script>alert('x')</script><img src=x onerror=alert(1)>{{ 7 * 7 }}"
    evil = {"id": f"id{attack}", "category": f"c{attack}"}
    ours = [
        row.model_copy(update={**evil, "id": f"{n}{attack}"} if n else evil)
        for n, row in enumerate(make_rows({attack: [1.0, 1.0]}, predictions=[attack, attack]))
    ]
    ours[1] = ours[1].model_copy(update={"category": f"d{attack}"})
    theirs = [row.model_copy(update={"values": {attack: 0.0}}) for row in ours]
    report = make_report(
        make_system(f"ours{attack}"[:80], {"任务": ("new", ours)}, suite=attack),
        [make_system(f"base{attack}"[:80], {"任务": ("new", theirs)}, suite=attack)],
        gates=(),
        settings=ComparisonSettings(num_resamples=50),
        facts=RunFacts(base_model=attack, method=attack, num_examples=1, settings={attack: attack}),
        command=attack,
    )
    html = write_report(report, tmp_path)[-1].read_text(encoding="utf-8")
    page = Page(html)
    assert "script" not in page.tags
    assert page.tags.count("img") == 2
    assert html.count("&lt;script&gt;alert(") > 20
    assert "{{ 7 * 7 }}" in html


def test_the_numbers_are_those_of_the_results(written: tuple[Report, str]) -> None:
    """The verdict, every system's values and intervals, differences, gates, epsilon, bytes, latency."""
    report, html = written
    page = Page(html)
    text = re.sub(r"\s+", " ", page.text)
    assert sentence(report) in text
    for system in (report.ours, *report.against):
        for task in system.result.tasks:
            for measured in task.metrics.values():
                assert f"{100 * measured.value:.1f} %" in text
                assert f"{100 * measured.ci95[0]:.1f}–{100 * measured.ci95[1]:.1f}" in text
    found = report.comparisons[0].tasks[0].metrics["call_match"]
    assert f"{100 * found.difference:+.1f}" in text
    for verdict in report.verdicts:
        assert verdict.reason in text
    assert "ε = 1.47, δ = 1e-05" in text
    assert "89.25 MB up, 87.60 MB down" in text
    assert report.command in page.text
    assert "112 / 304 ms" in text


def test_the_json_holds_what_the_page_shows(written: tuple[Report, str], tmp_path: Path) -> None:
    """Read back by its own type; all flips with both texts, also those that the page leaves out."""
    report, html = written
    value = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    numbers = ReportNumbers.model_validate(value)
    assert numbers == report.numbers
    assert numbers.held
    task = numbers.comparisons[0].tasks[0]
    assert len(task.flips) > 2 * MAX_FLIPS
    assert f"{len(task.flips)} won, 0 lost" in html


def test_flips_are_shown_both_ways_and_no_more_than_said(written: tuple[Report, str]) -> None:
    """The first by id; an answer that is too long is cut, and says so."""
    report, html = written
    task = report.comparisons[0].task("old-orders")
    assert task is not None
    lost = [flip for flip in task.flips if flip.lost]
    assert len(lost) > MAX_FLIPS
    assert lost[MAX_FLIPS - 1].id in html
    assert lost[MAX_FLIPS].id not in html


def test_two_systems_that_answer_alike_have_no_flips(
    make_system: Callable[..., System], make_rows: Callable[..., list[AnswerRow]], tmp_path: Path
) -> None:
    """The page says so; the interval is that of 20 examples, p is 1, nothing is called better."""
    tasks = {"chat": ("general", make_rows({"exact_match": [1.0, 0.0] * 10}))}
    report = make_report(
        make_system("ours", tasks),
        [make_system("base", tasks)],
        gates=(),
        settings=ComparisonSettings(num_resamples=50),
        facts=None,
        command="x",
    )
    html = write_report(report, tmp_path)[-1].read_text(encoding="utf-8")
    assert "No answer changed sides." in html
    assert "<td>\u221216.1 to +16.1</td>" in html
    assert "cannot tell it from base" in html


def test_a_long_answer_is_cut(make_shop: Callable[..., Report], tmp_path: Path) -> None:
    report = make_shop()
    task = report.comparisons[0].tasks[0]
    flips = (task.flips[0].model_copy(update={"ours": "长" * (MAX_TEXT + 5)}), *task.flips[1:])
    first = report.comparisons[0]
    changed = first.model_copy(update={"tasks": (task.model_copy(update={"flips": flips}), *first.tasks[1:])})
    report = Report(**{**vars(report), "comparisons": (changed, *report.comparisons[1:])})
    html = write_report(report, tmp_path)[-1].read_text(encoding="utf-8")
    assert "长" * MAX_TEXT + " … (5 characters more)" in html
    assert "长" * (MAX_TEXT + 1) not in html


def test_without_facts_nothing_is_said_of_training(make_shop: Callable[..., Report], tmp_path: Path) -> None:
    """And a picture of an earlier report does not stay behind."""
    write_report(make_shop(), tmp_path)
    html = write_report(make_shop(with_facts=False), tmp_path)[-1].read_text(encoding="utf-8")
    assert "What was trained" not in html
    assert not (tmp_path / "cycles.png").exists()


def test_a_metric_beyond_one_is_no_percentage(
    make_system: Callable[..., System], make_rows: Callable[..., list[AnswerRow]], tmp_path: Path
) -> None:
    """Perplexity 12 is 12, differs by 2.5, and is in no picture of shares."""

    def system(label: str, shift: float) -> System:
        rows = make_rows({"rouge_l": [0.5] * 20, "bleu4": [12.0 + shift, 14.0 + shift] * 10})
        return make_system(label, {"chat": ("general", rows)})

    report = make_report(
        system("ours", -2.5),
        [system("base", 0.0)],
        gates=(),
        settings=ComparisonSettings(num_resamples=50),
        facts=None,
        command="x",
    )
    text = Page(write_report(report, tmp_path)[-1].read_text(encoding="utf-8")).text
    assert "10.5" in text
    assert "1050" not in text
    assert "−2.5" in text
    assert "−250" not in text


def test_names_are_numbered_only_where_no_font_can_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a Chinese font the Latin names stay, and the others become their place."""

    monkeypatch.setattr(pictures, "CJK_FONTS", ())
    found = writable(["base", "上海门店", "central"])
    assert found.numbered
    assert found.texts == ("base", "#2", "central")


def test_a_machine_without_a_chinese_font_gets_a_legible_page(
    make_shop: Callable[..., Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pictures' numbers stand before the names in the tables; no warning of missing glyphs."""

    monkeypatch.setattr(pictures, "CJK_FONTS", ())
    html = write_report(make_shop(), tmp_path)[-1].read_text(encoding="utf-8")
    assert "#3 local-上海门店" in html
    assert "#2 退换货意图" in html
    assert "#1 tool-calls" not in html
