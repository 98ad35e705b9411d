"""Processes that work on tasks: their errors come back as errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sft_shared.data.prepare.workers import Workers
from sft_shared.errors import DataError, FedsftError


def test_the_error_of_the_first_task_is_raised(tmp_path: Path, road: Any) -> None:
    """Whichever of several workers comes to its bad line first."""
    bad = '{"session": "x", '
    road.write("a.jsonl", *road.session(1) * 2000, bad)
    road.write("b.jsonl", bad)
    with pytest.raises(DataError, match=r"a\.jsonl:6001: broken-json"):
        road.run(on_bad_line="stop", workers=2)


def test_work_that_cannot_be_found_is_one_line(tmp_path: Path) -> None:
    with (
        Workers(tmp_path, limit=1) as workers,
        pytest.raises(FedsftError, match=r"settings\.json: No such file"),
    ):
        workers.run("read", [0], progress=lambda _: None)


def test_no_tasks_need_no_process(tmp_path: Path) -> None:
    with Workers(tmp_path, limit=2) as workers:
        workers.run("read", [], progress=lambda _: None)
        assert workers._processes == []


def test_after_an_end_new_processes_do_the_work(tmp_path: Path) -> None:
    """So that what the old ones held in memory is free."""
    with Workers(tmp_path, limit=1) as workers:
        for _ in range(2):
            with pytest.raises(FedsftError, match=r"settings\.json: No such file"):
                workers.run("read", [0], progress=lambda _: None)
            (process,) = workers._processes
            workers.end()
            assert workers._processes == []
            assert process._process.returncode is not None
