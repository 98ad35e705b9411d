"""Triples: right answers, honest unknowns, and no fact on both sides of a split."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.config import load_yaml
from sft_shared.data.steps import Rejected
from sft_shared.data.synthesis.facts import Facts, held_out_keys
from sft_shared.data.synthesis.triple_files import Triple, read_triples
from sft_shared.data.synthesis.triple_questions import Phrasings, spoken
from sft_shared.data.synthesis.triples import Triples
from sft_shared.dialogue import Example
from sft_shared.errors import ConfigError, DataError

SHIPPED = Path(__file__).parents[4] / "configs" / "synthesis" / "relations.yaml"

CSV = """\
subject,relation,object
法国,首都,巴黎
德国,首都,柏林
法国,邻国,德国
法国,邻国,西班牙
德国,人口,8300万
Spain,capital,Madrid
Apple,founded_by,Steve Jobs
Apple,founded_by,Steve Wozniak
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def made(path: Path, **settings: Any) -> list[Example]:
    maker = Triples.model_validate({"path": path, "phrasings": SHIPPED, **settings})
    return [item for item in maker.examples() if isinstance(item, Example)]


def talk(examples: list[Example], step: str) -> dict[str, str]:
    return {
        example.messages[0].content or "": example.messages[1].content or ""
        for example in examples
        if example.provenance.steps == (f"triples:{step}",)
    }


def test_a_fact_is_asked_in_several_ways_and_several_answers_are_one(tmp_path: Path) -> None:
    asked = talk(made(write(tmp_path, "facts.csv", CSV), per_fact=4), "ask")
    assert asked["法国的首都是哪里？"] == asked["法国的首都是哪座城市？"] == "法国的首都是巴黎。"
    assert (
        asked["法国的邻国是什么？"] == "法国的邻国是德国和西班牙。"
    )  # no phrasing of its own: asked plainly
    assert asked["Who founded Apple?"] == "Apple was founded by Steve Jobs and Steve Wozniak."
    assert asked["Which city is the capital of Spain?"] == "The capital of Spain is Madrid."


def test_the_reverse_is_asked_only_where_one_subject_answers_it(tmp_path: Path) -> None:
    text = CSV + "荷兰,首都,巴黎\n"
    assert "法国的首都是巴黎。" in talk(made(write(tmp_path, "a.csv", CSV)), "ask_back").values()
    back = talk(made(write(tmp_path, "b.csv", text)), "ask_back")
    assert not any("巴黎" in question for question in back)
    assert talk(made(write(tmp_path, "c.csv", CSV), reverse=False), "ask_back") == {}


def test_statements_are_confirmed_or_denied_with_what_is_so(tmp_path: Path) -> None:
    examples = made(write(tmp_path, "facts.csv", CSV), statements=1.0, seed=3)
    confirmed, denied = talk(examples, "confirm"), talk(examples, "deny")
    assert confirmed
    assert denied
    for answer in confirmed.values():
        assert answer.startswith(("是的，", "Yes. "))
    facts = {(triple.subject, triple.object) for triple in read_triples(write(tmp_path, "f.csv", CSV))}
    for question, answer in denied.items():
        assert answer.startswith(("不是，", "No. "))
        assert not any(subject in question and value in question for subject, value in facts)


def test_what_the_graph_does_not_know_is_said_not_to_be_known(tmp_path: Path) -> None:
    examples = made(write(tmp_path, "facts.csv", CSV), negatives=5.0)
    unknown = talk(examples, "not_known")
    assert "抱歉，我的资料里没有法国的人口，无法回答。" in unknown.values()
    known = {(triple.subject, spoken(triple.relation)) for triple in read_triples(tmp_path / "facts.csv")}
    for answer in unknown.values():
        assert not any(f"没有{subject}的{relation}，" in answer for subject, relation in known)
    assert not any(
        "德国的邻国" in answer for answer in unknown.values()
    )  # it is France's neighbour, so it has one


def test_held_out_relations_and_facts_are_only_there(tmp_path: Path) -> None:
    path = write(tmp_path, "facts.csv", CSV)
    for settings in ({"held_out_relations": ("capital",)}, {"held_out_share": 0.5, "seed": 2}):
        examples = made(path, negatives=1.0, statements=1.0, **settings)
        sides: dict[str, set[str]] = defaultdict(set)
        for example in examples:
            sides[example.provenance.session].add(example.provenance.split)
        assert all(len(splits) == 1 for splits in sides.values())
        assert {"train", "held_out"} == {split for splits in sides.values() for split in splits}
        if "held_out_relations" in settings:
            for example in examples:
                if example.category == "knowledge:capital":
                    assert example.provenance.split == "held_out"


@given(
    st.lists(
        st.builds(Triple, st.sampled_from("abcdef"), st.sampled_from("rst"), st.sampled_from("abcdefg")),
        min_size=1,
    ),
    st.floats(0, 0.9),
    st.integers(0, 5),
)
def test_a_pair_of_things_is_never_on_both_sides(triples: list[Triple], share: float, seed: int) -> None:
    facts = Facts(triples)
    held = held_out_keys(facts, relations=("r",), share=share, seed=seed)
    sides: dict[frozenset[str], set[bool]] = defaultdict(set)
    for key, values in facts.objects.items():
        for value in values:
            sides[frozenset((key[0], value))].add(key in held)
    assert all(len(side) == 1 for side in sides.values())
    assert all(key in held for key in facts.objects if key[1] == "r")
    assert held == held_out_keys(Facts(triples), relations=("r",), share=share, seed=seed)


def test_a_share_holds_out_that_share() -> None:
    facts = Facts(Triple(f"s{n}", "r", f"o{n}") for n in range(100))
    assert len(held_out_keys(facts, relations=(), share=0.2, seed=1)) == 20


def test_the_same_seed_gives_the_same_and_ids_are_unique(tmp_path: Path) -> None:
    path = write(tmp_path, "facts.csv", CSV)
    examples = made(path, seed=4, negatives=2.0)
    assert examples == made(path, seed=4, negatives=2.0)
    assert examples != made(path, seed=5, negatives=2.0)
    assert len({example.id for example in examples}) == len(examples)


def test_jsonl_and_turtle_give_the_same_facts(tmp_path: Path) -> None:
    lines = '{"head": "France", "predicate": "capital", "tail": "Paris"}\n["France", "population", 68]\n'
    turtle = """@prefix : <http://x.org/> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
:France :capital :Paris ; :population 68 . :FR a :Country .
:FR rdfs:label "France"@en, "法国"@zh .
"""
    assert list(read_triples(write(tmp_path, "a.jsonl", lines))) == [
        Triple("France", "capital", "Paris"),
        Triple("France", "population", "68"),
    ]
    path = write(tmp_path, "a.ttl", turtle)
    assert set(read_triples(path)) == {
        Triple("France", "capital", "Paris"),
        Triple("France", "population", "68"),
        Triple("France", "type", "Country"),
    }
    assert Triple("法国", "type", "Country") in set(read_triples(path, language="zh"))


@pytest.mark.parametrize(
    ("name", "text", "line", "rule"),
    [
        ("a.csv", "subject,relation,object\na,b,c\nd,e\n", 3, "column-count"),
        ("a.csv", "subject,relation,object\na,,c\n", 2, "not-a-triple"),
        ("a.csv", 'subject,relation,object\na,"b"x,c\n', 2, "broken-csv"),
        ("a.jsonl", '["a","b","c"]\n{"subject": \n', 2, "broken-json"),
        ("a.jsonl", '\n{"subject": "a", "relation": "b"}\n', 2, "not-a-triple"),
        ("a.jsonl", '["a","b",true]\n', 1, "not-a-triple"),
        ("a.ttl", "@prefix : <http://x/> .\n:a :b :c .\n:a :b ;;; . }\n", 3, "not-turtle"),
    ],
)
def test_a_bad_line_is_rejected_with_its_place_and_the_rest_is_read(
    tmp_path: Path, name: str, text: str, line: int, rule: str
) -> None:
    path = write(tmp_path, name, text)
    (bad,) = [item for item in read_triples(path) if isinstance(item, Rejected)]
    assert (bad.where, bad.rule) == (f"{path}:{line}", rule)


@pytest.mark.parametrize(
    ("last", "line", "words"),
    [
        (":a :b :d", 3, "EOF found"),
        (":a :b", 3, "objectList expected"),
        (":a", 3, "expected"),
        (":a :b [ :c :d\n\n", 3, "EOF found"),
        (":a :b :d ;\n", 3, "EOF found"),
        (':a :b "d .\n:e :f :g .', 3, "newline found in string literal"),
    ],
)
def test_a_turtle_statement_without_end_is_named_with_its_line(
    tmp_path: Path, last: str, line: int, words: str
) -> None:
    """The parser's words, not "no triples in it"."""
    path = write(tmp_path, "a.ttl", f"@prefix : <http://x/> .\n:a :b :c .\n{last}")
    (bad,) = list(read_triples(path))
    assert isinstance(bad, Rejected)
    assert bad.where == f"{path}:{line}"
    assert words in bad.detail
    with pytest.raises(DataError, match=rf"a\.ttl:{line}: nothing of the file is read: .*Mend it"):
        made(path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    for name, text, problem in [
        ("a.txt", "", r"found \.txt, allowed are \.csv"),
        ("a.csv", "x,y\n1,2\n", "the columns are x, y"),
        ("b.csv", "subject,relation,object\n", "no triples in it"),
    ]:
        with pytest.raises(DataError, match=problem):
            made(write(tmp_path, name, text))
    with pytest.raises(DataError, match="no such file"):
        list(read_triples(tmp_path / "none.csv"))
    with pytest.raises(ConfigError, match="'price' is no relation of"):
        made(write(tmp_path, "c.csv", CSV), held_out_relations=("price",))


def test_a_phrasing_with_another_slot_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "words.yaml", 'relations:\n  capital:\n    zh:\n      ask: ["{{ city }}？"]\n')
    with pytest.raises(ConfigError, match=r"words.yaml:4: .*unknown slot 'city'"):
        load_yaml(path, Phrasings)
