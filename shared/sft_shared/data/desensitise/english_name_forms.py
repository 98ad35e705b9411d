"""Names that a form gives away: "Last, First", initials, mentions, what follows a title or a greeting."""

from __future__ import annotations

import re
from collections.abc import Iterator

import ahocorasick

from sft_shared.data.desensitise.english_name_lists import Lists, lists, plain_word
from sft_shared.data.desensitise.lexicon import listed
from sft_shared.data.desensitise.spans import Span

_LETTER = r"[^\W\d_\u2e80-\uffff]"
_UPPER = r"[A-Z\u00c0-\u00de\u0100-\u017f\u1e00-\u1eff]"
_WORD = rf"(?:{_UPPER}(?:{_LETTER}|['’-](?={_LETTER}))*)"
_ANY = rf"(?:{_LETTER}(?:{_LETTER}|['’-](?={_LETTER}))*)"
_LAST_FIRST = re.compile(
    rf"(?:(?<![\w'’,.@-] )|(?<=Patient )|(?<=Passenger )|(?<=Guest )|(?<=Tenant )|(?<=Employee )|"
    rf"(?<=Name ))"
    rf"(?!(?:Patient|Passenger|Guest|Tenant|Employee|Name) )"
    rf"(?<![\w'’@.-])(?P<last>(?:(?:DE|DEL|DE LA|LA|VAN|VON|VAN DER|AL|EL|De|"
    rf"Del|Van|Von) )?{_WORD}(?: {_WORD})?)"
    rf"(?:, ?|/)(?P<first>{_WORD}(?:[ -]{_WORD}){{0,2}}(?: {_UPPER}\.?)?)(?![\w'’/])"
)
_INITIALS = re.compile(
    rf"(?<![\w.'’@])(?:[A-Z]\.? ?){{1,3}}(?<=[. ]){_WORD}(?:-{_WORD})?|(?<![\w.'’@]){_WORD} "
    rf"[A-Z]\.(?=\s+[a-z]|[,;)])"
)
_MENTION = re.compile(rf"(?<![\w.@/])@(?P<name>{_WORD}(?: {_WORD})?)(?![\w@.]*@|\.\w)")
_NICKNAMED = re.compile(rf"(?<![\w'’]){_WORD} [\"“'‘(]{_WORD}[\"”'’)] {_WORD}(?![\w'’])")
_KNOWN_TITLES, _OTHER_TITLES, _ADDRESSED = (
    [word.replace("|", " ") for word in line.split()] for line in listed("words_that_lead_to_names.txt")
)
_MARKS = re.compile(r"\.?\s")
_LINK = re.compile(r"[,:=]? ?")
_NAMED = re.compile(rf"(?P<name>{_ANY}(?: {_ANY})?)(?![\w'’-]*[@_/])")
_BARE_NAME = re.compile(rf"(?P<name>{_ANY}(?: {_ANY})?)")
_MAY_HOLD_INITIALS = re.compile(r"(?<![A-Za-z])[A-Z](?:\.|\s[A-Z])")


def _automaton() -> ahocorasick.Automaton:
    automaton = ahocorasick.Automaton()
    for word in (*_KNOWN_TITLES, *_OTHER_TITLES):
        automaton.add_word(word, (len(word), True))
    for word in _ADDRESSED:
        if word not in _OTHER_TITLES:
            automaton.add_word(word, (len(word), False))
    automaton.make_automaton()
    return automaton


_AUTOMATON = _automaton()
_AFTER = re.compile(
    r"\s*(?:$|[,.;:!?)\"\n]|(?:said|says|here|again|from|told|called|asked|is|was|and|n|about|"
    r"at|in|to|the|who|has|had|will|wants|"
    r"wont|never|ur|please|pls|can|could|would|i|my|we|you|just|got|on|if|that|yesterday|today)\b|['’]s\b)",
    re.I,
)


def find_named_by_form(text: str) -> Iterator[Span]:
    """Names whose place or form says more than the words themselves."""
    if not _ANY_LATIN.search(text):
        return
    names = lists()
    if _TURN_HINT.search(text):
        for found in _LAST_FIRST.finditer(text):
            yield from _turned(text, found, names)
    if _MAY_HOLD_INITIALS.search(text):
        for found in _INITIALS.finditer(text):
            yield from _with_initials(text, found, names)
    if "@" in text:
        for found in _MENTION.finditer(text):
            words = [plain_word(word) for word in found["name"].split()]
            if words[0] not in names.never and (
                words[0] in names.first or words[0] in names.last or words[0] not in names.vocabulary
            ):
                kept = (
                    found["name"]
                    if len(words) == 2 and _is_known(names, words[1])
                    else found["name"].split()[0]
                )
                yield Span(found.start("name"), found.start("name") + len(kept), "name", 0.66)
    for found in _NICKNAMED.finditer(text) if _NICKNAME_HINT.search(text) else ():
        first, last = plain_word(found[0].split()[0]), plain_word(found[0].split()[-1])
        if first in names.first and (last in names.last or last not in names.vocabulary):
            yield Span(found.start(), found.end(), "name", 0.94)
    yield from _after_words(text, names)


_ANY_LATIN = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")
_TURN_HINT = re.compile(rf"[,/] ?{_UPPER}")
_NICKNAME_HINT = re.compile(rf" [\"“'‘(]{_UPPER}")


def _after_words(text: str, names: Lists) -> Iterator[Span]:
    """Names after a title, a greeting, or whatever else goes before a name."""
    lower = text.lower()
    if len(lower) != len(text):
        return
    for last, (size, titled) in _AUTOMATON.iter_long(lower):
        start, end = last + 1 - size, last + 1
        if (start and (lower[start - 1].isalnum() or lower[start - 1] in "'’.")) or end >= len(text):
            continue
        marks = (_MARKS if titled else _LINK).match(text, end)
        if marks is None or (marks.end() == end and text[end].isalnum()):
            continue
        if titled:
            if named := _BARE_NAME.match(text, marks.end()):
                yield from _after_title(text, named, lower[start:end], names)
        elif named := _NAMED.match(text, marks.end()):
            yield from _spoken_to(named, text, lower[start:end], names)


def _is_known(names: Lists, word: str) -> bool:
    return (word in names.first or word in names.last) and word not in names.never


def _turned(text: str, found: re.Match[str], names: Lists) -> Iterator[Span]:
    """ "NGUYEN, THI LAN", "Wu, Jiayi", "Kowalczyk/Anna": a last name first."""
    last = [plain_word(word) for word in found["last"].split()]
    first = [plain_word(word) for word in re.split("[ -]", found["first"])]
    whole = [*last, *first]
    capitals = found[0].isupper()
    if any((word in names.never and word not in names.last) or len(word) < 2 for word in whole):
        return
    lasts = last[-1] in names.last or (last[-1] not in names.vocabulary and capitals)
    firsts = first[0] in names.first or any(word in names.first for word in first)
    strange = [word for word in whole if word not in names.vocabulary and word not in names.ordinary]
    alone = re.search(
        r"(?:^|[:;|\n(—–-]\s?|(?:name|passenger|patient|attendees?|employee|guest|tenant|concern):?\s)$",
        text[max(0, found.start() - 14) : found.start()],
        re.I,
    )
    ends = re.match(r"\s?(?:$|[;|\n()—–]|-\s|[.,]?\s)", text[found.end() : found.end() + 3])
    if not alone or not ends:
        return
    both = lasts and firsts and len(strange) == len(whole) and last[-1] not in names.first
    if both or (capitals and lasts and (firsts or len(strange) == len(whole)) and len(strange) > 0):
        yield Span(found.start(), found.end(), "name", 0.95)
    elif ("/" in found[0] and capitals and lasts) or (
        lasts and firsts and alone and alone[0].strip(" :").isalpha()
    ):
        yield Span(found.start(), found.end(), "name", 0.94)


def _with_initials(text: str, found: re.Match[str], names: Lists) -> Iterator[Span]:
    """ "J. P. Mbeki", "M Okafor", "Rajesh K."."""
    words = [plain_word(word) for word in found[0].replace(".", ". ").split()]
    long = [word for word in words if len(word) > 1]
    initials = len(words) - len(long)
    if (
        len(long) != 1
        or long[0] in names.never
        or len(long[0]) < 3
        or (long[0] in names.vocabulary and "." not in found[0])
    ):
        return
    dotted = "." in found[0]
    known = _is_known(names, long[0]) and long[0] not in names.ordinary
    strange = long[0] not in names.vocabulary
    first_last = len(words[-1]) > 1
    if first_last and not dotted and not (known and words[0] not in ("a", "i")):
        return
    if not first_last and (long[0] not in names.first or long[0] in names.ordinary):
        return
    sure = known or (
        strange and dotted and (initials > 1 or not re.search(r"(?:^|\n)\s*$", text[: found.start()]))
    )
    if sure:
        yield Span(found.start(), found.end(), "name", 0.86 if dotted else 0.6)


def _after_title(text: str, found: re.Match[str], title: str, names: Lists) -> Iterator[Span]:
    words = found["name"].split()
    plain = [plain_word(word) for word in words]
    written = words[0]
    sure = title in _KNOWN_TITLES
    if plain[0] in names.never or len(plain[0]) < 3 or f"{title} {plain[0]}" in names.brands:
        return
    strange = plain[0] not in names.vocabulary
    if not (_is_known(names, plain[0]) and plain[0] not in names.ordinary) and not (
        strange and (sure or written[0].isupper())
    ):
        return
    two = len(words) == 2 and (
        (words[1][0].isupper() and plain[1] not in names.never and (strange or _is_known(names, plain[1])))
        or (
            written[0].islower()
            and plain[0] in names.first
            and plain[1] in names.last
            and plain[1] not in names.vocabulary
        )
    )
    end = found.start("name") + (len(found["name"]) if two else len(words[0]))
    end -= 2 if re.search(r"['’]s$", text[found.start("name") : end]) else 0
    yield Span(found.start("name"), end, "name", 0.8 if sure else 0.62)


def _spoken_to(found: re.Match[str], text: str, cue: str, names: Lists) -> Iterator[Span]:
    """ "hey priya", "talked to chinedu okonkwo", "my husband Gareth"."""
    words = found["name"].split()
    plain = [plain_word(word) for word in words]
    start = found.start("name")
    upper = words[0][0].isupper()
    word = plain[0]
    if word in names.never or len(word) < (3 if upper else 4) or words[0].isupper():
        return
    end = start + len(words[0])
    known = word in names.first and word not in names.ordinary
    strange = word not in names.vocabulary
    place = cue.startswith(("from", "for", "by", "with", "w/", "in ", "called", "it", "i'm", "im", "said"))
    if (
        len(words) == 2
        and plain[1] not in names.never
        and _is_known(names, plain[1])
        and plain[1] not in names.vocabulary
    ) and (word in names.first or (strange and upper and words[1][0].isupper())):
        yield Span(start, found.end("name"), "name", 0.66)
        return
    if len(words) == 2 and upper and words[1][0].isupper() and not words[1].isupper():
        return
    if re.search(r"['’]s$", text[start:end]):
        end -= 2
    if not _AFTER.match(text, end):
        return
    if known and strange and not (place and not upper and word not in names.given):
        yield Span(start, end, "name", 0.6)
    elif (
        strange
        and upper
        and (cue.startswith(("my ", "dear", "surname")) or (word in names.last and not place))
    ):
        yield Span(start, end, "name", 0.56)
