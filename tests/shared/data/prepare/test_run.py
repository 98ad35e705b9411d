"""A run: the same result however it is cut, stopped or repeated, and counts that add up."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sft_shared.data.prepare import plan
from sft_shared.data.prepare.settings import PrepareSettings
from sft_shared.dialogue import read_examples
from sft_shared.errors import DataError, StoreError
from sft_shared.files import held_folder


def test_examples_negatives_and_rejected_lines_come_out(tmp_path: Path, road: Any) -> None:
    road.write_logs()
    road.run(held_out=0.3)
    examples = list(read_examples(tmp_path / "out" / "examples.jsonl"))
    negatives = list(read_examples(tmp_path / "out" / "negatives.jsonl"))
    assert len(examples) == 30
    assert len(negatives) == 10
    assert {example.provenance.split for example in examples} == {"train", "held_out"}
    assert {example.outcome.reasons for example in negatives if example.outcome} == {("unresolved",)}
    rejected = road.read("rejected.jsonl")
    assert [(each["where"], each["rule"]) for each in rejected] == [
        (f"{tmp_path / 'a.jsonl'}:11", "broken-json"),
        (f"{tmp_path / 'a.jsonl'}:13", "wrong-role"),
    ]
    assert all(each["fix"] for each in rejected)


def test_the_counts_add_up(tmp_path: Path, road: Any) -> None:
    """What goes into a step is what it kept and what it dropped, and what it kept goes into the next."""
    road.write_logs()
    counts = road.run().manifest["counts"]
    for name in ("records", "turns", "sessions", "answers"):
        step = counts[name]
        assert step["in"] == step["kept"] + sum(step["dropped"].values()) + step.get("repeated", 0), name
    lines = counts["lines"]
    assert lines["read"] == counts["records"]["in"] + lines["blank"] + lines["headers"]
    assert counts["records"]["kept"] == counts["turns"]["in"]
    assert counts["sessions"]["kept"] == counts["answers"]["in"]
    examples = counts["examples"]
    assert counts["answers"]["kept"] == examples["train"] + examples["held_out"] + counts["negatives"]
    assert sum(examples["by_intent"].values()) == examples["train"] + examples["held_out"]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    for name in ("examples", "negatives", "rejected"):
        path = tmp_path / "out" / f"{name}.jsonl"
        assert manifest["outputs"][path.name]["lines"] == len(path.read_text().splitlines())


def test_units_buckets_and_workers_change_nothing(road: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a byte of the outputs, nor of the manifest."""
    road.write_logs()
    road.run(out="plain")
    road.run(out="cut", unit_bytes=1000, bucket_bytes=1000, workers=2)
    monkeypatch.setattr(plan, "MAX_BUCKETS", 2)
    road.run(out="passes", bucket_bytes=1000)
    assert road.digests("plain") == road.digests("cut") == road.digests("passes")


def test_a_second_run_changes_nothing_and_says_so(tmp_path: Path, road: Any) -> None:
    road.write_logs()
    assert road.run().changed
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir() if path.is_file()}
    again = road.run()
    assert not again.changed
    assert before == {
        path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir() if path.is_file()
    }


def test_names_depend_on_the_key_and_splits_do_not(tmp_path: Path, road: Any) -> None:
    """Who has no key cannot find a session's id by trying, as all phone numbers can be tried."""
    road.write_logs()
    road.run(out="none", held_out=0.5)
    for name in "ab":
        (tmp_path / f"{name}.key").write_bytes(name.encode() * 32)
        road.run(out=name, held_out=0.5, desensitise={"key": str(tmp_path / f"{name}.key")})
    road.run(
        out="again", held_out=0.5, desensitise={"key": str(tmp_path / "a.key")}, workers=2, unit_bytes=999
    )
    sessions = {
        out: {each["provenance"]["session"] for each in road.read("examples.jsonl", out)}
        for out in ("none", "a", "b", "again")
    }
    assert not sessions["none"] & sessions["a"] | sessions["a"] & sessions["b"]
    assert sessions["a"] == sessions["again"]

    def splits(out: str) -> list[tuple[str, str]]:
        return sorted(
            (each["messages"][0]["content"], each["provenance"].get("split", "train"))
            for each in road.read("examples.jsonl", out)
        )

    assert splits("none") == splits("a") == splits("b")


def test_a_damaged_output_is_made_again(tmp_path: Path, road: Any) -> None:
    road.write_logs()
    road.run()
    whole = road.digests("out")
    (tmp_path / "out" / "examples.jsonl").write_text("damaged")
    assert road.run().changed
    assert road.digests("out") == whole


def test_turns_of_several_lines_are_never_cut_apart(tmp_path: Path, road: Any) -> None:
    """Rows with quoted line breaks, and text lines that continue a turn, at every size of a unit."""
    said = [line for number in range(30) for line in road.session(number)]
    with (tmp_path / "log.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["session", "user", "time", "role", "text"])
        writer.writeheader()
        writer.writerows({**line, "text": line["text"] + '\n"second", line\n' * 3} for line in said)
    lines = [f"{line['time']} {line['session']} {line['role']}: {line['text']}\n  more\n" for line in said]
    (tmp_path / "log.txt").write_text("".join(lines), encoding="utf-8")
    pattern = r"^(?P<time>\d+) (?P<session>\S+) (?P<role>\w+): (?P<text>.*)$"
    sources = [
        {"kind": "csv", "path": str(tmp_path / "log.csv")},
        {"kind": "text", "path": str(tmp_path / "log.txt"), "pattern": pattern},
    ]
    counts = road.run(sources=sources).manifest["counts"]
    assert counts["turns"]["in"] == 2 * len(said)
    assert counts["records"]["dropped"] == {}
    for unit_bytes in (50, 333, 2000):
        road.run(out=f"cut-{unit_bytes}", sources=sources, unit_bytes=unit_bytes)
        assert road.digests(f"cut-{unit_bytes}") == road.digests()


@pytest.mark.parametrize("name", ["examples.jsonl", "negatives.jsonl", "rejected.jsonl", "manifest.json"])
def test_stopped_while_the_outputs_are_put_in_place_a_run_ends_them(
    road: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Before that, no manifest speaks of files that are not those of the run."""
    road.write_logs()
    road.run(out="whole", seed=1, held_out=0.5)
    road.run()
    replace = os.replace

    def stop(source: Path, target: Path) -> None:
        if Path(target) == road.out / name:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        road.run(seed=1, held_out=0.5)
    monkeypatch.undo()
    assert not (road.out / "manifest.json").exists()
    assert road.run(seed=1, held_out=0.5).changed
    assert road.digests() == road.digests("whole")


def test_other_settings_or_lines_give_what_a_run_from_scratch_gives(tmp_path: Path, road: Any) -> None:
    road.write_logs()
    road.run()
    road.run(examples="every_answer")
    road.run(out="scratch", examples="every_answer")
    assert road.digests("out") == road.digests("scratch")
    with (tmp_path / "b.jsonl").open("a") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in road.session(99))
    road.run()
    road.run(out="again")
    assert road.digests("out") == road.digests("again")


def test_a_bad_line_stops_the_run_and_what_was_done_is_kept(tmp_path: Path, road: Any) -> None:
    """Once the line is mended the run goes on with the units that were finished."""
    road.write_logs()
    with pytest.raises(DataError, match=r"a\.jsonl:11: broken-json: .*Write one whole JSON object a line"):
        road.run(on_bad_line="stop", unit_bytes=500)
    text = (tmp_path / "a.jsonl").read_text().splitlines()
    del text[12], text[10]
    (tmp_path / "a.jsonl").write_text("\n".join(text) + "\n")
    size = (tmp_path / "a.jsonl").stat().st_size + (tmp_path / "b.jsonl").stat().st_size
    road.report.stages.clear()
    road.run(on_bad_line="stop", unit_bytes=500)
    assert 0 < dict(road.report.stages)["reading"] < size
    road.run(out="scratch", on_bad_line="stop")
    assert road.digests("out") == road.digests("scratch")


def test_an_orphan_result_is_rejected_by_its_line_or_stops_the_run(tmp_path: Path, road: Any) -> None:
    lines = road.session(1)
    lines.insert(1, {**lines[0], "role": "tool", "text": "7", "tool_call_id": "nobody"})
    road.write("a.jsonl", *lines)
    road.run()
    (rejected,) = road.read("rejected.jsonl")
    assert (rejected["where"], rejected["rule"]) == (f"{tmp_path / 'a.jsonl'}:2", "orphan-tool-id")
    with pytest.raises(DataError, match=r"a\.jsonl:2: orphan-tool-id"):
        road.run(out="stopped", on_bad_line="stop")


def test_a_user_who_comes_back_in_another_session_was_not_helped(road: Any) -> None:
    """Sessions of one user are compared, though they are worked on apart."""
    first, again, other = (road.session(number)[:2] for number in (0, 7, 14))
    for line in first + again:
        line["text"] = "我的包裹到哪里了呢" if line["role"] == "user" else "请耐心等待"
    other[0]["text"] = "怎么开发票"
    road.write("a.jsonl", *first, *again, *other)
    road.run(bucket_bytes=50)
    (negative,) = road.read("negatives.jsonl")
    assert negative["outcome"] == {"success": False, "reasons": ["repeat_question"]}
    assert len(road.read("examples.jsonl")) == 2


def test_dialogues_without_a_sign_are_kept_or_dropped_as_set(road: Any) -> None:
    lines = [{key: line[key] for key in ("session", "role", "text")} for line in road.session(1)[:2]]
    road.write("a.jsonl", *lines)
    assert road.run().manifest["counts"]["answers"]["dropped"]["unclear"] == 1
    road.run(outcomes={"unclear": "keep"})
    (example,) = road.read("examples.jsonl")
    assert "outcome" not in example


def test_nothing_raw_is_left_and_all_is_private(tmp_path: Path, road: Any) -> None:
    road.write_logs()
    road.run()
    work = tmp_path / "out" / ".work"
    assert {path.name for path in work.iterdir()} == {"lock", ".sft-prepare-work"}
    for path in (tmp_path / "out", work):
        assert path.stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or path.stat().st_mode & 0o777 == 0o600, path


def test_what_a_stopped_run_leaves_is_private_too(tmp_path: Path, road: Any) -> None:
    """Also in a folder that others may look into."""
    road.write_logs()
    road.out.mkdir(mode=0o755)
    with pytest.raises(DataError):
        road.run(on_bad_line="stop")
    left = {path.name: path for path in road.out.rglob("*") if path.is_file()}
    assert {"lock", "plan.json", "settings.json"} <= left.keys()
    for path in left.values():
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_two_runs_do_not_work_in_one_folder(tmp_path: Path, road: Any) -> None:
    road.write_logs()
    with held_folder(tmp_path / "out" / ".work", holder="prepare"), pytest.raises(StoreError, match="in use"):
        road.run()


def test_sources_of_one_name_are_refused() -> None:
    """Their sessions would be taken for the same."""
    sources = [{"kind": "jsonl", "path": "a"}, {"kind": "jsonl", "path": "b"}]
    with pytest.raises(ValidationError, match="two are called 'jsonl'"):
        PrepareSettings.model_validate({"sources": sources, "out": "out", "desensitise": None})


def test_inputs_that_would_count_twice_are_refused(tmp_path: Path, road: Any) -> None:
    """One that two sources read, or one under two names, and one among the outputs."""
    path = str(road.write("a.jsonl", *road.session(1)))
    with pytest.raises(DataError, match="same file as"):
        road.run(sources=[{"kind": "jsonl", "path": path, "name": name} for name in "ab"])
    (tmp_path / "b.jsonl").symlink_to(path)
    with pytest.raises(DataError, match=r"b\.jsonl: is the same file as .*a\.jsonl"):
        road.run()
    (tmp_path / "b.jsonl").unlink()
    with pytest.raises(DataError, match="lies in `out`"):
        road.run(out=".")


def test_the_stages_are_told(tmp_path: Path, road: Any) -> None:
    """With the bytes that each has to go through."""
    road.write_logs()
    road.run()
    size = sum((tmp_path / name).stat().st_size for name in ("a.jsonl", "b.jsonl"))
    assert road.report.stages[:2] == [("looking through the inputs", size), ("reading", size)]
    assert road.report.done[:2] == [size, size]
    assert [label for label, _ in road.report.stages[2:]] == [
        "finding repeated questions",
        "making examples",
        "finding duplicates",
        "desensitising",
        "finding duplicates again",
    ]


NESTED = b'{"a":' * 300 + b"1" + b"}" * 300  # deeper than an example can be written and read again
BAD: list[tuple[str, bytes]] = [
    ("not-utf-8", b'{"session": "s", "role": "user", "text": "\xff\xfe"}'),
    ("too-long", b'{"session": "s", "role": "user", "text": "' + b"x" * 10_000_000 + b'"}'),
    ("lone-surrogate", rb'{"session": "s", "role": "user", "text": "\ud800"}'),
    ("no-session", b'{"role": "user", "text": "a"}'),
    ("no-session", b'{"user": "u", "role": "user", "text": "a"}'),
    ("duplicate-key", b'{"session": "s", "session": "t", "role": "user", "text": "a"}'),
    ("empty-assistant-turn", b'{"session": "s", "role": "assistant", "text": ""}'),
    ("byte-order-mark", b"\xef\xbb\xbf{}"),
    ("wrong-type", b'{"session": "s", "role": "user", "text": "a", "tools": [' + NESTED + b"]}"),
]


@pytest.mark.parametrize(("rule", "line"), BAD, ids=[f"{rule}-{at}" for at, (rule, _) in enumerate(BAD)])
def test_a_bad_line_costs_itself_only(tmp_path: Path, road: Any, rule: str, line: bytes) -> None:
    """It is rejected by file and line, and the session around it comes out."""
    good = [json.dumps(each, ensure_ascii=False).encode() for each in road.session(1)]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([good[0], line, *good[1:]]))
    road.run()
    (rejected,) = road.read("rejected.jsonl")
    assert (rejected["where"], rejected["rule"]) == (f"{tmp_path / 'a.jsonl'}:2", rule)
    assert len(road.read("examples.jsonl")) == 1


def test_a_byte_order_mark_at_the_start_is_no_mistake(tmp_path: Path, road: Any) -> None:
    good = [json.dumps(each, ensure_ascii=False).encode() for each in road.session(1)]
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\n".join(good))
    assert road.run().manifest["counts"]["lines"]["byte_order_marks"] == 1
    assert len(road.read("examples.jsonl")) == 1


def test_every_kind_of_source_gives_the_same_dialogue(tmp_path: Path, road: Any) -> None:
    said = road.session(1)
    rows = [
        f'{line["session"]},{line["user"]},{line["time"]},{line["role"]},"{line["text"]}"' for line in said
    ]
    (tmp_path / "log.csv").write_text("session,user,time,role,text\n" + "\n".join(rows), encoding="utf-8")
    lines = [f"{line['time']} {line['session']} {line['role']}: {line['text']}" for line in said]
    (tmp_path / "log.txt").write_text("\n".join(lines), encoding="utf-8")
    messages = [{"role": line["role"], "content": line["text"]} for line in said]
    reply = {"choices": [{"message": {"role": "assistant", "content": "不客气"}}]}
    first = {"request": {"messages": messages[:1]}, "response": {"choices": [{"message": messages[1]}]}}
    second = {"request": {"messages": messages}, "response": reply}
    requests = [{"session": "s1", "user": "u1", "time": 1772326900, **each} for each in (first, second)]
    road.write("log.requests", *requests)
    pattern = r"^(?P<time>\d+) (?P<session>\S+) (?P<role>\w+): (?P<text>.*)$"
    sources = [
        {"kind": "csv", "path": str(tmp_path / "log.csv")},
        {"kind": "text", "path": str(tmp_path / "log.txt"), "pattern": pattern},
        {"kind": "openai_requests", "path": str(tmp_path / "log.requests")},
    ]
    counts = road.run(sources=sources).manifest["counts"]
    assert counts["turns"]["repeated"] == 2
    examples = road.read("examples.jsonl")
    assert {example["provenance"]["source"] for example in examples} == {"csv", "text", "openai_requests"}
    assert [example["messages"] for example in examples] == [messages[:2]] * 3
