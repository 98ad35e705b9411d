"""Knowledge triples from CSV, JSONL and Turtle; what is no triple is answered with file:line."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sft_shared.data.hygiene.records import read_records
from sft_shared.data.steps import Rejected, rejected
from sft_shared.errors import DataError
from sft_shared.lines import BadLine, decode, parse_json

KINDS = (".csv", ".jsonl", ".ttl", ".nt")
FIELDS = ("subject", "relation", "object")
_ALIASES = {
    "predicate": "relation",
    "head": "subject",
    "tail": "object",
    "s": "subject",
    "p": "relation",
    "o": "object",
}


class Triple(NamedTuple):
    """A fact: France, capital, Paris. The names are the ones that people use."""

    subject: str
    relation: str
    object: str


def read_triples(path: Path, *, language: str = "") -> Iterator[Triple | Rejected]:
    """Yield the triples of a ``.csv``, ``.jsonl``, ``.ttl`` or ``.nt`` file, and what is none.

    CSV has a header that names subject, relation and object (also predicate; head and tail); JSONL has
    objects with these keys or lists of three. Turtle's names are the ``rdfs:label``, if there is one in
    ``language`` that one, or the last part of the IRI.
    Raises DataError if the file cannot be read at all or is of another kind.
    """
    suffix = path.suffix.lower()
    if suffix not in KINDS:
        raise DataError(f"{path}: found {suffix or 'no suffix'}, allowed are {', '.join(KINDS)}.")
    if suffix == ".csv":
        yield from _csv(path)
        return
    try:
        data = path.read_bytes().removeprefix(BOM_UTF8)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}. Give the path of a file.") from None
    if suffix == ".jsonl":
        yield from _jsonl(path, data)
        return
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{line}: not UTF-8. Save the file as UTF-8.") from None
    yield from _turtle(path, text, language)


def _csv(path: Path) -> Iterator[Triple | Rejected]:
    for record in read_records(path):
        if isinstance(record, Rejected):
            yield record
            continue
        named = _named(record.value)
        if not set(FIELDS) <= named.keys():
            raise DataError(
                f"{path}:1: the columns are {', '.join(named) or 'none'}; subject, relation and object are "
                "needed. Add a header line."
            )
        yield _triple(record.where, [named[name] for name in FIELDS])


def _jsonl(path: Path, data: bytes) -> Iterator[Triple | Rejected]:
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            value = parse_json(decode(line))
        except BadLine as bad:
            yield rejected(where, bad)
            continue
        if isinstance(value, dict):
            named = _named(value)
            value = [named.get(name) for name in FIELDS]
        yield _triple(where, value if isinstance(value, list) else [])


def _named(value: Mapping[str, Any]) -> dict[str, Any]:
    return {_ALIASES.get(key.lower(), key.lower()): it for key, it in value.items()}


def _turtle(path: Path, text: str, language: str) -> Iterator[Triple | Rejected]:
    from rdflib import RDF, RDFS, BNode, Graph, Literal
    from rdflib.plugins.parsers.notation3 import BadSyntax
    from rdflib.term import Node

    graph = Graph()
    try:
        graph.parse(data=text.rstrip() + "\n", format="turtle")  # without it the parser runs past the end
    except BadSyntax as error:
        line = min(error.lines, text.rstrip().count("\n")) + 1
        yield Rejected(f"{path}:{line}", "not-turtle", f"nothing of the file is read: {error._why}")
        return
    except IndexError:
        line = text.rstrip().count("\n") + 1
        yield Rejected(f"{path}:{line}", "not-turtle", "nothing of the file is read: a statement has no end")
        return
    except ValueError as error:
        yield Rejected(f"{path}:1", "not-turtle", f"nothing of the file is read: {type(error).__name__}")
        return

    def name(node: Node) -> str:
        if isinstance(node, Literal):
            return str(node)
        labels = [label for label in graph.objects(node, RDFS.label) if isinstance(label, Literal)]
        best = min(((it.language != language, it.language or "", str(it)) for it in labels), default=None)
        return _local_name(str(node)) if best is None else best[2]

    facts = [fact for fact in graph if fact[1] != RDFS.label]
    for subject, relation, value in sorted(facts, key=lambda fact: tuple(map(str, fact))):
        if isinstance(subject, BNode) or isinstance(value, BNode):
            yield Rejected(str(path), "blank-node", "a node without a name cannot be asked about")
        elif relation == RDF.type:
            yield Triple(name(subject), "type", name(value))
        else:
            yield Triple(name(subject), name(relation), name(value))


def _local_name(iri: str) -> str:
    from urllib.parse import unquote

    last = re.split(r"[/#:]", iri.rstrip("/#"))[-1]
    return unquote(last).replace("_", " ")


def _triple(where: str, parts: list[object]) -> Triple | Rejected:
    if len(parts) != len(FIELDS):
        return Rejected(
            where, "not-a-triple", f"found {len(parts)} parts; subject, relation and object are needed"
        )
    texts = [
        str(part).strip() if isinstance(part, str | int | float) and not isinstance(part, bool) else ""
        for part in parts
    ]
    for name, text in zip(FIELDS, texts, strict=True):
        if not text:
            return Rejected(where, "not-a-triple", f"no {name} in it; give it as text")
    return Triple(*texts)
