"""Terms of a log: what recurs and is constant, not what is written often because it is a value."""

from __future__ import annotations

import csv
import io

from bench.log_corpus import lines
from sft_shared.data.operations.terms import TermSettings, find_terms, to_csv


def test_codes_components_and_phrases_are_found_and_values_are_not() -> None:
    """Two systems in one log; a user's name is no term, however often it is written."""
    log = [
        line
        for system in ("router", "java", "sshd", "chinese")
        for line, _ in lines(system, num_lines=400, seed=5)
    ]
    terms, templates = find_terms(log, TermSettings())
    by_kind = {
        kind: {term.text for term in terms if term.kind == kind} for kind in ("code", "component", "word")
    }
    assert {"%LINK-3-UPDOWN", "java.lang.OutOfMemoryError"} <= by_kind["code"]
    assert "password" in by_kind["word"]
    assert {"登录", "设备"} <= by_kind["word"]
    assert not {"wangfang", "zhang.wei", "张伟"} & {term.text for term in terms}
    assert sum(template.count for template in templates) == len(log)
    assert [term.count for term in terms] == sorted((term.count for term in terms), reverse=True)


def test_rare_words_are_no_terms() -> None:
    """`min_count` lines at least."""
    terms, _ = find_terms(["alpha beta gamma"] * 3, TermSettings(min_count=4))
    assert terms == []
    terms, _ = find_terms(["alpha beta gamma"] * 3, TermSettings(min_count=3))
    assert {term.text for term in terms} == {"alpha", "beta", "gamma"}


def test_a_phrase_needs_two_templates() -> None:
    """What stands in one template only proves nothing about its words."""
    log = ["disk failure on bus", "raid reports disk failure today", "fan speed low"] * 5
    terms, _ = find_terms(log, TermSettings(phrase_npmi=0.3))
    assert [term.text for term in terms if term.kind == "phrase"] == ["disk failure"]


def test_the_table_is_csv() -> None:
    """With a heading, and quoted where needed."""
    terms, _ = find_terms(["a,b fails at ORA-00060"] * 6, TermSettings())
    rows = list(csv.DictReader(io.StringIO(to_csv(terms))))
    assert {"term": "ORA-00060", "kind": "code", "count": "6", "num_templates": "0"} in rows
