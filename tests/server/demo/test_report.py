"""The report holds the run's numbers, needs nothing from outside and trusts no model output."""

import re
import struct
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sft_server.demo.report import find_flips, write_report
from sft_server.demo.result import BASE, FEDERATED, FEW_SHOT, DemoResult, compare
from sft_shared.data.page_numbers import percent
from sft_shared.dialogue import Example
from sft_shared.errors import DataError
from sft_shared.evaluation.results import System


class Links(HTMLParser):
    """Collects tags and whatever a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "data"}]


@pytest.fixture
def page(
    tmp_path: Path,
    make_result: Callable[..., DemoResult],
    held_out: list[Example],
    systems: dict[str, System],
) -> str:
    flips = find_flips(held_out, before=systems[FEW_SHOT], after=systems[FEDERATED])
    return write_report(make_result(), flips=flips, folder=tmp_path).read_text(encoding="utf-8")


def test_the_report_is_one_file(page: str, tmp_path: Path) -> None:
    """Nothing is fetched: three embedded figures, no script, no style sheet, no font."""
    links = Links()
    links.feed(page)
    assert [link[:22] for link in links.fetched] == ["data:image/png;base64,"] * 3
    assert not {"script", "link", "iframe"} & set(links.tags)
    assert "url(" not in page
    assert "@import" not in page
    assert {path.name for path in tmp_path.glob("*.png")} == {"accuracy.png", "cycles.png", "loss.png"}


def test_what_a_model_wrote_is_text(page: str) -> None:
    """Markup in questions and answers is escaped, so a hostile data set cannot script the report."""
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<b>Sons" not in page


def test_the_numbers_are_the_results(page: str, make_result: Callable[..., DemoResult]) -> None:
    """Accuracy, interval, ratio, transport and every model's count stand in it."""
    result = make_result()
    assert f"to {percent(result.federated_accuracy)} right tool calls" in page
    assert "grpc+tls" in page
    assert "3.74&times;" in page
    for score in result.scores.values():
        assert f"{score.correct}/{score.n}" in page


def test_it_says_what_it_does_not_say(page: str) -> None:
    """The limits stand in the report: few questions, one seed, leaderboard, one machine."""
    flat = re.sub(r"\s+", " ", page)
    for honest in (
        "questions are few",
        "One run with one seed",
        "leaderboard would mean nothing",
        "on one machine",
    ):
        assert honest in flat


def test_known_functions_are_not_passed_off_as_new(page: str) -> None:
    """How many questions are about functions that no client called, and how those went, stands in it."""
    assert "40 of them about functions that no client called" in page
    assert "20 of the held-out questions are about functions that some client knows" in page
    assert "<th>new functions</th>" in page


def test_one_measured_cycle_makes_no_curve(tmp_path: Path, make_result: Callable[..., DemoResult]) -> None:
    """A curve through the base and one adapter would say nothing, so there is none."""
    unmeasured = [
        cycle.model_copy(update={"accuracy": None, "ci95": None}) for cycle in make_result().cycles[:2]
    ]
    result = make_result(cycles=(*unmeasured, make_result().cycles[2]))
    page = write_report(result, flips=[], folder=tmp_path).read_text(encoding="utf-8")
    assert not (tmp_path / "cycles.png").exists()
    assert page.count("data:image/png;base64,") == 2


def test_figures_are_sharp_enough_to_print(page: str, tmp_path: Path) -> None:
    """Each PNG is at least 1200 pixels wide."""
    for path in tmp_path.glob("*.png"):
        width, _ = struct.unpack(">II", path.read_bytes()[16:24])
        assert width >= 1200


def test_flips_are_the_first_by_id_not_picked(held_out: list[Example], systems: dict[str, System]) -> None:
    """At most four gained and three lost ones, each with the answer that is wrong."""
    flips = find_flips(held_out, before=systems[FEW_SHOT], after=systems[FEDERATED])
    assert [flip.gained for flip in flips] == sorted((flip.gained for flip in flips), reverse=True)
    assert sum(flip.gained for flip in flips) == 4
    backwards = find_flips(held_out, before=systems[FEDERATED], after=systems[FEW_SHOT])
    assert sum(not flip.gained for flip in backwards) == 3
    assert find_flips(held_out, before=systems[BASE], after=systems[BASE]) == []


def test_only_the_same_questions_are_compared(
    systems: dict[str, System], held_out: list[Example], system_of: Callable[..., System]
) -> None:
    """Two evaluations over different questions are not paired silently."""
    ours = systems[FEDERATED]
    (rows,) = ours.rows.values()
    fewer = system_of("local", held_out[:-1], [row.prediction for row in rows[:-1]])
    with pytest.raises(DataError, match="examples"):
        compare(ours, fewer, against="local")
