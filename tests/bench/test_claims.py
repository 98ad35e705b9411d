"""The claims' data, suites, commands and arithmetic, on small sets and the tiny model."""

from __future__ import annotations

import csv
import doctest
from pathlib import Path
from typing import Any

import pytest

from bench import claims_cycle
from bench.bitext import COLUMNS
from bench.claims import command, cycle_claim, options_of
from bench.claims_cycle import CyclePlan, curve, race, speedup
from bench.claims_data import CLIENTS, NUM_OTHER, OTHER, intents, tools, trainable
from bench.claims_family import FEW_SHOT, HELD, Family, FamilyRun
from bench.claims_page import write_page
from bench.study_run import Lab
from sft_shared.data.chat import DataSettings
from sft_shared.errors import FedsftError
from sft_shared.evaluation.results import read_result
from sft_shared.models.load import ModelSettings, load_base
from sft_shared.models.tiny import make_tiny_model

INTENTS = ("track_order", "cancel_order", "get_refund", "track_refund", "get_invoice", "pay_invoice")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of the tiny model."""
    return {
        "model": {"name": str(make_tiny_model(tmp_path_factory.mktemp("model"))), "dtype": "fp32"},
        "tuning": {"kind": "lora", "rank": 2, "alpha": 4},
        "training": {"steps": 2, "batch_size": 2, "learning_rate": 0.1},
        "data": {"max_tokens": 4000},
        "evaluation": {"max_new_tokens": 4, "batch_size": 8, "threads": 1},
    }


@pytest.fixture
def shop(tmp_path: Path, recipe: dict[str, Any]) -> Family:
    """Intents of a set like Bitext's."""
    (tmp_path / "banking").mkdir()
    with (tmp_path / "banking" / "train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["text"], *([f"card {number}"] for number in range(NUM_OTHER))])
    for name, count in (("train", 5), ("test", 2), ("dev", 2)):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            for intent in INTENTS:
                for number in range(count):
                    said = f"{name} {number}: please {intent.replace('_', ' my ')}"
                    writer.writerow({"utterance": said, "intent": intent})
    return intents(tmp_path, banking=tmp_path / "banking", per_intent=4, recipe=recipe, num_cycles=1)


def test_every_suite_of_both_families_is_one(shop: Family, recipe: dict[str, Any], tmp_path: Path) -> None:
    """So that no training is lost to a metric that is not there; nothing asked is shown or trained on."""
    tokenizer = load_base(ModelSettings(name=recipe["model"]["name"])).tokenizer
    calls = tools(tokenizer, num_held_out=30, recipe=recipe, num_cycles=1)
    for family in (shop, calls):
        run = FamilyRun(family, tmp_path / family.name)
        run.prepare()
        assert len(list((tmp_path / family.name).glob("few_shot*.yaml"))) == 2
        assert list(family.clients) == list(CLIENTS)
        ids = [example.id for share in family.clients.values() for example in share]
        asked = {example.id for example in family.held_out}
        assert len(set(ids)) == len(ids)
        assert not asked & set(ids)
        assert not asked & {example.id for example in family.shots}
    assert len(calls.held_out) == 30
    assert {example.category for example in shop.held_out} == set(INTENTS)
    known = [{example.category for example in share} for share in shop.clients.values()]
    assert set.intersection(*known) == {OTHER}  # each client knows other intents
    assert f", {OTHER}." in str(shop.held_out[0].messages[0].content)


def test_a_question_that_is_asked_trains_nobody(shop: Family, tmp_path: Path) -> None:
    """Neither in the same words nor with another number in them; `shop` only writes the files."""
    with (tmp_path / "train.csv").open("a", newline="") as file:
        csv.writer(file).writerows([["Test 7: please track my order", INTENTS[0]], ["new one", INTENTS[0]]])
    said = [example.prompt[-1].content for example in trainable(tmp_path)]
    assert "new one" in said
    assert "Test 7: please track my order" not in said
    assert len(said) == len(INTENTS) * 5 + 1


def test_a_command_is_run_again_only_for_other_files(shop: Family, tmp_path: Path) -> None:
    """And what it left behind goes first. One that fails says where its log is."""
    run = FamilyRun(shop, tmp_path / "run")
    source, out = tmp_path / "source", tmp_path / "out"
    source.write_text("one")
    note = f"import pathlib; f = pathlib.Path({str(out)!r}); f.mkdir(exist_ok=True)"
    note += "; (f / 'x').open('a').write('x')"
    count = ["timeit", "-n", "1", "-r", "1", note]
    for text, mark in (("one", "x"), ("one", "xy"), ("two", "x"), ("two", "xy")):
        source.write_text(text)
        run.once("count", count, reads=[source], out=out)
        assert (out / "x").read_text() == mark
        (out / "x").write_text("xy")  # which another run would add to, or take away
    assert run.finished() == ["count"]
    with pytest.raises(FedsftError, match=r"gone ended with exit code 1; see .*gone\.log"):
        run.once("gone", ["no_such_module"], reads=[], out=out)


def test_the_base_is_asked_freely_and_held_to_the_form(shop: Family, tmp_path: Path) -> None:
    """By the real command; the result says which of the two it is, and a second time it is only read."""
    run = FamilyRun(shop, tmp_path / "run")
    run.prepare()
    for label, suite in ((FEW_SHOT, "few_shot.yaml"), (HELD, "few_shot_held.yaml")):
        out = run.evaluate(label, suite=tmp_path / "run" / suite, adapter=None)
        assert read_result(out).label == label
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "logs").iterdir()}
    run.evaluate(HELD, suite=tmp_path / "run" / "few_shot_held.yaml", adapter=None)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "logs").iterdir()} == before


def point(seconds: float, share: float) -> dict[str, Any]:
    return {"steps": int(seconds), "seconds": seconds, "right": [n < share * 100 for n in range(100)]}


def seeds(cycle: list[tuple[float, float]], scratch: list[tuple[float, float]]) -> list[dict[str, Any]]:
    """Two seeds with the same curves."""
    found = {"cycle": [point(*at) for at in cycle], "scratch": [point(*at) for at in scratch]}
    return [{**found, "before": point(9, 0.5), "num_new": 10, "num_old": 90, "replay": 0.5}] * 2


def test_a_cycle_replays_old_examples_and_both_sides_run_each_length(
    shop: Family, recipe: dict[str, Any]
) -> None:
    """On the tiny model: every length is trained and asked once, however many lengths a side has."""
    lab = Lab(
        base=load_base(ModelSettings.model_validate(recipe["model"])),
        data=DataSettings.model_validate(recipe["data"]),
        threads=1,
    )
    training = {**recipe["training"], "threads": 1}
    plan = CyclePlan(
        before=1,
        scratch=[2],
        cycle=[1, 2],
        training=training,
        cycle_training={**training, "replay": {"fraction": 0.5}},
    )
    examples = [example for share in shop.clients.values() for example in share]
    names = sorted({example.category for example in examples})
    few, more = race(lab, examples, [names[:1], names[:2]], shop.held_out[:2], plan=plan, seed=0)["races"]
    for found, count in ((few, 1), (more, 2)):
        new = [example for example in examples if example.category in names[:count]]
        assert [point["steps"] for point in found["cycle"]] == [1, 2]
        assert [point["steps"] for point in found["scratch"]] == [2]
        sizes = (len(examples) - len(new), len(new), 0.5)
        assert (found["num_old"], found["num_new"], found["replay"]) == sizes
        assert all(len(point["right"]) == 2 and point["seconds"] > 0 for point in found["cycle"])
    assert few["scratch"] == more["scratch"]


def test_the_race_is_to_a_quality_fixed_by_the_training_from_scratch() -> None:
    """Nothing learned is no gain, a cycle that stays below is none, a faster one is what it is."""
    assert doctest.testmod(claims_cycle).failed == 0
    scratch = [(10.0, 0.4), (20.0, 0.6), (40.0, 0.81)]
    fast = seeds([(2.0, 0.5), (4.0, 0.8)], scratch)
    slow = seeds([(2.0, 0.5), (4.0, 0.79)], scratch)
    for found, ratio, met in ((fast, 9.8, True), (slow, 0.0, False)):
        claim = cycle_claim(found, command="c")
        assert claim["value"] == pytest.approx(ratio, abs=0.05)
        assert claim["met"] is met
        assert claim["n"] == 100
        assert "10% of the data new" in claim["claim"]
    assert speedup(curve(fast, "scratch"), curve(fast, "scratch"))["ratio"] == 1


def test_the_page_says_where_a_bar_is_missed(tmp_path: Path) -> None:
    """And from what every number came."""
    scratch = [(10.0, 0.4), (20.0, 0.6)]
    claim = cycle_claim(seeds([(2.0, 0.3)], scratch), command="make x")
    system = {"intent": {"value": 0.5, "ci95": [0.4, 0.6], "n": 100}}
    family = {
        "systems": {"base": system},
        "clients": {"edge-1": 3},
        "seconds": {},
        "main_metric": "intent",
        "cycle": [seeds([(2.0, 0.3)], scratch)],
        "compliance": [
            {
                "who": "base",
                "of": "the trade's",
                "n": 50,
                "form": 0.1,
                "conduct": 1.0,
                "both": 0.1,
                "intent": 0,
            }
        ],
    }
    page = tmp_path / "results.md"
    write_page(page, {"claims": [claim], "families": {"intents": family}}, command="make x")
    text = page.read_text()
    assert "**no**" in text
    assert "by the cycle not reached" in text
    assert "Not measured in this run: the family tools" in text
    assert "\n    make x\n" in text
    assert "| base | the trade's | 50 | 10.0% | 100.0% | 10.0% | 0.0% |" in text
    assert max(map(len, (line for line in text.splitlines() if not line.startswith("|")))) <= 110


def test_the_command_is_what_was_typed() -> None:
    """Without the folders' places; options that were changed are there."""
    typed = ["--bitext", "/a", "--banking77", "/b", "--families", "intents", "--race-seeds", "0"]
    said = command(options_of(typed))
    assert said == (
        'make bench-claims BENCH_ARGS="--bitext FOLDER --banking77 FOLDER --families intents --race-seeds 0"'
    )
