"""The run log is strict JSON line by line and forgives a line that a crash cut off."""

from __future__ import annotations

from pathlib import Path

from sft_shared.runlog import RunLog, read_run_log


def test_events_come_back_in_order_and_a_cut_line_is_left_out(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "logs" / "run.jsonl")
    log.write("step", loss=float("nan"), nested={"x": [float("inf"), 1.5]})
    log.write("end", text="完成")
    with log.path.open("a", encoding="utf-8") as file:
        file.write('{"event": "cut')
    events = list(read_run_log(log.path))
    assert [event["event"] for event in events] == ["step", "end"]
    assert events[0]["loss"] == "nan"
    assert events[0]["nested"] == {"x": ["inf", 1.5]}
    assert events[1]["text"] == "完成"


def test_text_that_utf8_cannot_hold_is_logged_all_the_same(tmp_path: Path) -> None:
    """A lone surrogate from a peer must not end the process that logs it."""
    log = RunLog(tmp_path / "run.jsonl")
    log.write("refused", message="half \ud800 a pair")
    assert [event["message"] for event in read_run_log(log.path)] == ["half ? a pair"]


def test_a_log_that_does_not_exist_has_no_events(tmp_path: Path) -> None:
    assert list(read_run_log(tmp_path / "none.jsonl")) == []
