"""The rating sheet goes out blinded and harmless, and comes back as means and agreement."""

from __future__ import annotations

import csv
import doctest
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.dialogue import Example
from sft_shared.errors import DataError
from sft_shared.evaluation.metrics import ratings
from sft_shared.evaluation.metrics.ratings import (
    HumanRating,
    SheetKey,
    read_key,
    read_sheet,
    safe_cell,
    summarise,
    write_sheet,
)

Make = Callable[..., Example]
Rows = list[dict[str, str]]


@pytest.fixture
def examples(make: Make) -> list[Example]:
    return [make(id=f"00{number}", question=f"问题 {number}\n=1+1?") for number in range(20)]


@pytest.fixture
def sheet(tmp_path: Path, examples: list[Example]) -> Path:
    """A sheet of two systems: the tuned one's answers say so, for the test's eyes only."""
    answers = {name: [f"{name}, 答案 {n}" for n in range(20)] for name in ("base", "tuned")}
    write_sheet(tmp_path / "anna.csv", tmp_path / "key.json", examples, answers, seed=3)
    return tmp_path / "anna.csv"


def rows_of(path: Path) -> Rows:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))


def fill(path: Path, rows: Rows, *, delimiter: str = ",", encoding: str = "utf-8-sig") -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))


def rate(rows: Rows, **values: str) -> Rows:
    """Give each system's answers one value, wherever they stand."""
    for row in rows:
        for letter in "AB":
            row[f"rating_{letter}"] = values[row[f"answer_{letter}"].partition(",")[0]]
    return rows


def test_the_worked_examples_hold() -> None:
    """Doctests."""
    assert doctest.testmod(ratings).failed == 0


def test_the_sheet_is_blinded_and_seeded(tmp_path: Path, sheet: Path, examples: list[Example]) -> None:
    """Both systems stand in both columns, no system is named in a heading, and rows are shuffled."""
    assert sheet.read_bytes().startswith(b"\xef\xbb\xbf")
    rows = rows_of(sheet)
    assert {row["answer_A"].partition(",")[0] for row in rows} == {"base", "tuned"}
    assert [row["example_id"] for row in rows] != sorted(row["example_id"] for row in rows)
    assert not any("base" in name or "tuned" in name for name in rows[0])
    assert all(row["rating_A"] == row["rating_B"] == "" and "1" in row["guide"] for row in rows)
    answers = {name: [f"{name}, 答案 {n}" for n in range(20)] for name in ("tuned", "base")}
    for seed, same in ((3, True), (4, False)):
        again = tmp_path / f"again-{seed}.csv"
        write_sheet(again, tmp_path / f"again-{seed}.json", examples, answers, seed=seed)
        assert (again.read_bytes() == sheet.read_bytes()) is same


def test_ratings_come_back_to_their_systems(sheet: Path) -> None:
    """Whatever the order of answers in a row and of rows in the sheet; the rater is the file's name."""
    key = read_key(sheet.with_name("key.json"))
    fill(sheet, rate(rows_of(sheet), base="2", tuned="5")[::-1])
    found = read_sheet(sheet, key)
    assert len(found) == 40
    assert {(each.rater, each.system, each.value) for each in found} == {
        ("anna", "base", 2),
        ("anna", "tuned", 5),
    }
    assert {each.example_id for each in found} == {f"00{number}" for number in range(20)}


@pytest.mark.parametrize(("cell", "value"), [("4.0", 4), ("４", 4), (" 4 ", 4), ("4,0", 4)])
def test_what_a_spreadsheet_makes_of_a_number_is_read(sheet: Path, cell: str, value: int) -> None:
    """Also semicolons for commas, and empty cells for what could not be judged."""
    fill(sheet, rate(rows_of(sheet), base=cell, tuned=""), delimiter=";")
    found = read_sheet(sheet, read_key(sheet.with_name("key.json")), rater="bo")
    assert {(each.rater, each.system, each.value) for each in found} == {("bo", "base", value)}
    assert len(found) == 20


def test_a_wrong_cell_is_named_with_its_line(sheet: Path) -> None:
    """The questions hold line breaks, so a row is two lines: the third row begins on line 6."""
    key = read_key(sheet.with_name("key.json"))
    whole = rows_of(sheet)
    for cell in ("6", "0", "good", "3.5", "-1", "1e0"):
        rows = [dict(row) for row in whole]
        rows[2]["rating_B"] = cell
        fill(sheet, rows)
        with pytest.raises(DataError, match=r"anna\.csv:6: rating_B: no rating.*whole number from 1 to 5"):
            read_sheet(sheet, key)
    fill(sheet, [whole[0], whole[0]])
    with pytest.raises(DataError, match=r"anna\.csv:4: row: 'row-\w{8}-1' again"):
        read_sheet(sheet, key)
    fill(sheet, [{**whole[0], "row": "row-99"}])
    with pytest.raises(DataError, match=r"anna\.csv:2: row: 'row-99' is not of the key's sheet"):
        read_sheet(sheet, key)
    fill(sheet, [{name: cell for name, cell in whole[0].items() if name != "rating_B"}])
    with pytest.raises(DataError, match="rating_B: missing"):
        read_sheet(sheet, key)
    fill(sheet, whole, encoding="gbk")
    with pytest.raises(DataError, match="not UTF-8"):
        read_sheet(sheet, key)
    (sheet.with_name("key.json")).write_text("[]", encoding="utf-8")
    for name, complaint in (("key.json", "no key of a rating sheet"), ("none.json", "cannot be read")):
        with pytest.raises(DataError, match=complaint):
            read_key(sheet.with_name(name))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", " =", "\r", "＝", "\u200b="])
def test_an_answer_never_becomes_a_formula(tmp_path: Path, examples: list[Example], start: str) -> None:
    """The attack: without the quote the cell begins as formulas do."""
    attack = start + "cmd|' /C calc'!A0"
    assert safe_cell(attack) == "'" + attack
    write_sheet(tmp_path / "s.csv", tmp_path / "k.json", examples[:1], {"base": [attack]}, seed=0)
    assert rows_of(tmp_path / "s.csv")[0]["answer_A"].startswith("'")


@given(st.text())
def test_a_cell_keeps_its_text(text: str) -> None:
    """But for the quote before it and characters that no file holds."""
    assert safe_cell(text).removeprefix("'") == text.replace("\0", "").removeprefix("'")


def test_a_sheet_needs_an_answer_to_every_example(tmp_path: Path, examples: list[Example]) -> None:
    """Else answers would be shown under other questions."""
    for answers in ({}, {"base": ["one"]}, {str(number): ["x"] * 20 for number in range(27)}):
        with pytest.raises(ValueError, match="1 to 26 systems"):
            write_sheet(tmp_path / "s.csv", tmp_path / "k.json", examples, answers, seed=0)
    long = write_sheet(
        tmp_path / "s.csv", tmp_path / "k.json", examples, {"base": ["x" * 40_000] * 20}, seed=0
    )
    assert isinstance(long, SheetKey)
    assert len(rows_of(tmp_path / "s.csv")[0]["answer_A"]) < 32_767


def test_means_and_agreement_by_hand() -> None:
    """Base: (1 + 2) and (2 + 3) over two examples: mean 2; tuned: 5 everywhere, so its interval is a point.

    Units (1, 2), (2, 3), (5, 5), (5, 5): half agree; chance is (2/4 * 2/4) + (1/4 * 1/4) = 5/16.
    Kappa is (1/2 - 5/16) / (11/16) = 3/11.
    """
    given_ = {("a", "x"): (1, 2), ("b", "x"): (2, 3), ("a", "y"): (5, 5), ("b", "y"): (5, 5)}
    all_of_them = [
        HumanRating(rater, example, {"x": "base", "y": "tuned"}[system], value)
        for (example, system), pair in given_.items()
        for rater, value in zip(("anna", "bo"), pair, strict=True)
    ]
    result = summarise(all_of_them, seed=0)
    base, tuned = result.means
    assert (base.system, base.mean, base.n) == ("base", 2, 2)
    assert base.ci95 == (1.5, 2.5)
    assert (tuned.mean, tuned.ci95) == (5, (5, 5))
    kappa, alpha = result.agreement
    assert kappa.value == pytest.approx(3 / 11)
    assert alpha.value is not None
    assert 0 < alpha.value < 1
    assert result == summarise(all_of_them[::-1], seed=0)
    with pytest.raises(DataError, match="twice"):
        summarise([*all_of_them, all_of_them[0]], seed=0)
    with pytest.raises(DataError, match="no ratings"):
        summarise([], seed=0)
