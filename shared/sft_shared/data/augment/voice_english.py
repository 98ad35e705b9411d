"""English clauses turned around: You cancelled my order. <-> My order was cancelled by you.

Only plain forms: one known verb, an object with a determiner, tails from a list. All else is left alone.
"""

from __future__ import annotations

import re

from sft_shared.data.augment.english_forms import FORMS, PLACE
from sft_shared.data.augment.english_nouns import has_two_objects, is_noun_phrase, is_plural
from sft_shared.data.augment.english_verbs import BY_BASE, BY_PARTICIPLE, BY_PAST
from sft_shared.data.augment.pieces import Piece

_SENTENCE = re.compile(r"[^.!?;\n]+(?:[.](?=\w)[^.!?;\n]*)*")
_OBJECT = {"i": "me", "he": "him", "she": "her", "we": "us", "they": "them"}  # you, it and someone stay
_SUBJECT = {objective: subjective for subjective, objective in _OBJECT.items()}


def turn_english(text: str) -> list[Piece] | None:
    """The pieces of the text with its first clause of a plain form turned around; None if there is none."""
    for sentence in _SENTENCE.finditer(text):
        body = sentence.group().rstrip()
        offset = sentence.start() + len(body) - len(body.lstrip())
        for voice, forms in FORMS.items():
            for form, pattern in forms.items():
                match = pattern.fullmatch(body.lstrip())
                if match is not None and _is_safe(match):
                    turned = _active_of if voice == "passive" else _passive_of
                    words = turned(form, match)
                    return None if words is None else _pieces(text, offset, match, words)
    return None


def _is_safe(match: re.Match[str]) -> bool:
    thing, agent = match["thing"].lower(), match["agent"].lower()
    tails = match["tail"] + (match.groupdict().get("tail2") or "")
    phrases = [phrase.split(" ", 1)[1] for phrase in re.findall(PLACE, tails, re.IGNORECASE)]
    return (
        all(map(is_noun_phrase, (thing, agent, *phrases)))
        and not has_two_objects(match["verb"].lower(), thing.split())
        and not (" " in agent and re.search(r"\b(?:it|he|she|they|him|her|them)\b", match["rest"].lower()))
        and _OBJECT.get(agent, agent) != _OBJECT.get(thing, thing)
        and not (re.match(r"(?:this|that|a|an) ", thing) and is_plural(thing))
        and not (re.match(r"(?:these|those) ", thing) and not is_plural(thing))
    )


Words = list[tuple[str, str] | str]
"""A sentence to be: (group, text to say instead, or "" for as it was), and new words."""


def _passive_of(form: str, match: re.Match[str]) -> Words | None:
    verb = {"past": BY_PAST, "perfect": BY_PARTICIPLE, "has": BY_PARTICIPLE}.get(form, BY_BASE)[
        match["verb"].lower()
    ]
    thing = ("thing", _SUBJECT.get(match["thing"].lower(), ""))
    by: Words = [" by ", ("agent", _OBJECT.get(match["agent"].lower(), "")), ("tail", "")]
    subject = _SUBJECT.get(match["thing"].lower(), match["thing"].lower())
    was = "were" if is_plural(subject) else "was"
    has = "have" if is_plural(subject) or subject == "i" else "has"
    done = f" {verb.participle}"
    adverb: Words = [" ", ("adverb", "")] if match.groupdict().get("adverb") else []
    if form == "past":
        return [thing, f" {was}", *adverb, done, *by]
    if form == "negative":
        return [thing, f" {was} not" if " " in match["aux"] else f" {was}n't", done, *by]
    if form == "perfect":
        return [thing, f" {has}", *adverb, " been", done, *by]
    if form == "future":
        return [thing, " ", ("aux", ""), " be", done, *by]
    first: Words = [("why", "")] if match["why"] else []
    if form == "did":
        return [*first, was, " ", thing, done, *by]
    return [*first, has, " ", thing, *adverb, " been", done, *by]


def _active_of(form: str, match: re.Match[str]) -> Words | None:
    verb = BY_PARTICIPLE[match["verb"].lower()]
    agent = ("agent", _SUBJECT.get(match["agent"].lower(), ""))
    thing = ("thing", _OBJECT.get(match["thing"].lower(), ""))
    subject = _SUBJECT.get(match["agent"].lower(), match["agent"].lower())
    has = "have" if is_plural(subject) or subject == "i" else "has"
    adverb: Words = [("adverb", ""), " "] if match.groupdict().get("adverb") else []
    patient = match["thing"].lower()
    plural = is_plural(patient)
    if (
        re.match(r"(?:were|weren|have)", match["aux"], re.IGNORECASE) is not None
        and not plural
        and patient != "i"
    ):
        return None  # my order were: somebody else's grammar, or ours is wrong about the number
    if re.match(r"(?:was|has)", match["aux"], re.IGNORECASE) is not None and plural:
        return None
    tail: Words = [("tail2", "")] if match.groupdict().get("tail2") else []
    tail.append(("tail", ""))
    if form == "past":
        return [agent, " ", *adverb, verb.past, " ", thing, *tail]
    if form == "negative":
        return [agent, " did not " if " " in match["aux"] else " didn't ", verb.base, " ", thing, *tail]
    if form == "perfect":
        return [agent, f" {has} ", *adverb, verb.participle, " ", thing, *tail]
    if form == "future":
        return [agent, f" {match['aux'].rsplit(' ', 1)[0]} ", verb.base, " ", thing, *tail]
    first: Words = [("why", "")] if match["why"] else []
    if form == "did":
        return [*first, "did ", agent, f" {verb.base} ", thing, *tail]
    return [*first, has, " ", agent, " ", *adverb, verb.participle, " ", thing, *tail]


def _pieces(text: str, offset: int, match: re.Match[str], words: Words) -> list[Piece]:
    """The words as pieces of the text, with the capital where the sentence begins now."""
    start, end = offset, offset + match.end("tail")
    prefix_end = offset + match.end("prefix")
    capital = not match["prefix"] and match.string[0].isupper()
    pieces = [Piece(0, start), Piece(start, prefix_end)]
    for place, word in enumerate(words):
        if isinstance(word, str):
            said = word[:1].upper() + word[1:] if place == 0 and capital else word
            pieces.append(Piece(prefix_end, prefix_end, said))
            continue
        name, instead = word
        left, right = offset + match.start(name), offset + match.end(name)
        if instead:
            said = "I" if instead == "i" else instead
            said = said[0].upper() + said[1:] if place == 0 and capital else said
            pieces.append(Piece(left, right, said))
        elif left < right:
            first = text[left]
            if place == 0 and capital:
                first = first.upper()
            elif (
                left == prefix_end
                and text[left:right].split()[0] != "I"
                and not text[left : left + 2].isupper()
            ):
                first = first.lower()
            pieces += [Piece(left, left + 1, first if first != text[left] else None), Piece(left + 1, right)]
    return [*pieces, Piece(end, len(text))]
