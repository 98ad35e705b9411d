"""Results read back as written; a damaged folder is refused with its place."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from sft_shared.errors import DataError
from sft_shared.evaluation.results import AnswerRow, System, read_result, read_system, write_result


@pytest.fixture
def folder(
    tmp_path: Path, make_system: Callable[..., System], make_rows: Callable[..., list[AnswerRow]]
) -> Path:
    rows = make_rows({"exact_match": [1, 0, 1]}, predictions=["好的\u2028行", 'say "hi"\n', ""])
    system = make_system("ours", {"退货": ("new", rows)})
    write_result(tmp_path / "out", system.result, list(system.rows.values()))
    return tmp_path / "out"


def test_a_result_is_read_back_as_written(folder: Path) -> None:
    """Line breaks of any kind and Chinese inside answers included; files are their owner's."""
    system = read_system(folder)
    assert [row.prediction for row in system.rows["退货"]] == ["好的\u2028行", 'say "hi"\n', ""]
    assert system.result.tasks[0].metrics["exact_match"].value == pytest.approx(2 / 3)
    assert system.label == "ours"
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_constrained_system_is_called_so(make_system: Callable[..., System]) -> None:
    assert make_system("ours", {}, constrained=True).label == "ours, constrained"


def spoil(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    """Change result.json."""
    value = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    change(value)
    (folder / "result.json").write_text(json.dumps(value), encoding="utf-8")


def test_damage_is_named_with_its_place(folder: Path) -> None:
    """A missing file, a wrong field, a line that is no row, a row twice, and rows that are not all there."""
    answers = folder / "answers-退货.jsonl"
    lines = answers.read_text(encoding="utf-8").split("\n")
    answers.write_text("\n".join([lines[0], "{}", ""]), encoding="utf-8")
    with pytest.raises(DataError, match=r"answers-退货\.jsonl:2: id: Field required"):
        read_system(folder)
    answers.write_text("\n".join([lines[0], lines[0], lines[2], ""]), encoding="utf-8")
    with pytest.raises(DataError, match=r"jsonl:2: id 'q0000' was answered on line 1"):
        read_system(folder)
    answers.write_text("\n".join([lines[0], ""]), encoding="utf-8")
    with pytest.raises(DataError, match=r"1 answers, result\.json counts 3"):
        read_system(folder)
    answers.unlink()
    with pytest.raises(DataError, match="No such file"):
        read_system(folder)
    (folder / "result.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match=r"result\.json: suite: Field required"):
        read_result(folder)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_no_number_is_nan_or_infinite(folder: Path, number: str) -> None:
    """Neither in result.json nor in a row: a comparison with NaN would be false either way."""
    path = folder / "result.json"
    good = path.read_text(encoding="utf-8")
    path.write_text(good.replace('"value": 0.6666666666666666', f'"value": {number}', 1), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != good
    with pytest.raises(DataError, match="value"):
        read_result(folder)
    path.write_text(good, encoding="utf-8")
    rows = folder / "answers-退货.jsonl"
    rows.write_text(
        rows.read_text(encoding="utf-8").replace('"exact_match":1.0', f'"exact_match":{number}', 1),
        encoding="utf-8",
    )
    with pytest.raises(DataError, match=r"jsonl:1: values\.exact_match"):
        read_system(folder)


@pytest.mark.parametrize("name", ["../secret", "a/b", ".hidden", "", "a b", "x" * 65])
def test_a_task_cannot_name_a_file_elsewhere(folder: Path, name: str) -> None:
    """The answers' path is made of the task's name."""
    spoil(folder, lambda value: value["tasks"][0].update(name=name))
    with pytest.raises(DataError, match=r"tasks\.0\.name"):
        read_system(folder)


def test_a_task_is_there_once(folder: Path) -> None:
    spoil(folder, lambda value: value["tasks"].append(value["tasks"][0]))
    with pytest.raises(DataError, match="'退货' is there twice"):
        read_result(folder)


def test_a_forged_value_is_refused(folder: Path) -> None:
    """By hand in result.json, with the rows as they were: a gate would read it."""
    spoil(folder, lambda value: value["tasks"][0]["metrics"]["exact_match"].update(value=1.0))
    assert read_result(folder).tasks[0].metrics["exact_match"].value == 1.0
    with pytest.raises(DataError, match=r"result\.json and the answers beside it were not written together"):
        read_system(folder)


def test_a_kill_between_the_two_writes_leaves_no_mix(
    folder: Path,
    tmp_path: Path,
    make_system: Callable[..., System],
    make_rows: Callable[..., list[AnswerRow]],
) -> None:
    """Of a reused folder: other answers of the same number and values, under the result of those before."""
    rows = make_rows({"exact_match": [1, 0, 1]}, predictions=["other", "words", "here"])
    system = make_system("theirs", {"退货": ("new", rows)})
    write_result(tmp_path / "later", system.result, [rows])
    (tmp_path / "later" / "answers-退货.jsonl").replace(folder / "answers-退货.jsonl")
    with pytest.raises(DataError, match="were not written together"):
        read_system(folder)


def test_a_result_says_under_which_conditions_each_task_was_measured(folder: Path) -> None:
    spoil(folder, lambda value: value.update(conditions={}))
    with pytest.raises(DataError, match="not of the same tasks"):
        read_result(folder)
