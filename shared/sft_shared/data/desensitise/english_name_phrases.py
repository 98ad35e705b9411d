"""English names in any case after "my name is" and its like, and answers that are names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sft_shared.data.desensitise.english_name_lists import lists, plain_word
from sft_shared.data.desensitise.lexicon import listed
from sft_shared.data.desensitise.spans import Span

_LETTER = r"[^\W\d_\u2e80-\uffff]"
_TOKEN = rf"(?:{_LETTER}(?:{_LETTER}|['’-](?={_LETTER}))*)"
_LOWER_AFTER = re.compile(
    rf"(?<![\w])(?:my (?:full |real |legal |first |last )?name(?:'s| is|:)?|name(?: is|:|'s)|"
    rf"i am called|call me|they call me|i go by|i'?m|i am|this is|it'?s|account holder is|"
    rf"in the name of|under the name(?: of)?|booked under|booking is under|signed,?|"
    rf"spoke (?:to|with)|ask for|speaking (?:to|with)|attn:?|"
    rf"(?:full|first|last|customer|recipient|receiver|cardholder|contact|guest|passenger|"
    rf"patient)[ _]name[\"']?\s?(?:is|:|"
    rf"=))\s*[\"'“]?\s*(?P<name>{_TOKEN}(?:[ ](?:{_LETTER}\.|{_TOKEN})){{0,3}})",
    re.I,
)
_HERE = re.compile(
    rf"(?<![\w])(?P<name>{_TOKEN}(?: {_TOKEN})?) (?:here|speaking)\b(?! (?:is|are|was|at|in|"
    rf"for|to|on|about|with|english|chinese|french|spanish))",
    re.I,
)
_HINTS: tuple[str, ...] = (
    "name",
    "call me",
    "i'm ",
    " im ",
    "\nim ",
    "i am ",
    "this is",
    "it's",
    "go by",
    "signed",
    "spoke",
    "ask for",
    "speaking",
)
_HINTS += (" here", "attn", "holder is", "booked under", "booking is under")
_LONGEST_ANNOUNCEMENT = 24  # characters of an announcement before its hint: "recipient name"
_STOPPERS = frozenset(listed("words_after_names.txt")[0].split())


def find_announced_names(text: str) -> Iterator[Span]:
    """Names in any case after "my name is", "this is" and their like, or before "speaking"."""
    lower = text.lower()
    places = [place for place in map(lower.find, _HINTS) if place >= 0]
    if places:
        yield from _announced(text, max(0, min(places) - _LONGEST_ANNOUNCEMENT), lower)


def _announced(text: str, begin: int, lower: str) -> Iterator[Span]:
    names = lists()
    for found in _LOWER_AFTER.finditer(text, begin):
        sure = (
            "name" in found[0][: found.start("name") - found.start()].lower()
            or "call" in found[0].lower()[: found.start("name") - found.start()]
            or "go by" in found[0].lower()
        )
        end, kept = found.start("name"), []
        for token in re.finditer(r"[^ ]+", found["name"]):
            word = plain_word(token[0])
            if word in _STOPPERS or (word in names.never and word not in names.first):
                break
            kept.append(word)
            end = found.start("name") + token.end()
        if not kept:
            continue
        known = [word for word in kept if word in names.first or word in names.last]
        if not any(word in names.given or word not in names.vocabulary for word in kept):
            continue
        strong = [word for word in known if word not in names.ordinary and word not in names.never]
        if (
            (sure and (known or (len(kept) >= 2 and kept[0] not in names.never)))
            or (len(kept) > 1 and len(strong) > 1)
            or (strong and kept[0] in names.first and kept[0] in strong and len(kept[0]) > 2)
        ):
            if not sure:
                while kept and kept[-1] not in names.last and kept[-1] not in names.first:
                    end = end - len(kept.pop()) - 1
            yield Span(
                found.start("name"),
                end - (2 if re.search(r"['’]s$", text[found.start("name") : end]) else 0),
                "name",
                0.8 if sure else 0.66,
            )
    for found in _HERE.finditer(text) if " here" in lower or " speaking" in lower else ():
        words = [plain_word(word) for word in found["name"].split()]
        start = found.start("name")
        if len(words) == 2 and (words[0] in names.never or words[0] not in names.first):
            start += len(found["name"].split()[0]) + 1
            words = words[1:]
        if words[0] in names.first and words[0] not in names.ordinary and words[0] not in names.never:
            yield Span(start, found.end("name"), "name", 0.66)


def could_be_english_name(answer: str) -> bool:
    """May a whole answer be a name, asked for one? Not if it begins with an ordinary word."""
    names, words = lists(), [plain_word(word) for word in answer.split()]
    if not words or len(words) > 5 or not answer[0].isalpha() or "\u3400" <= answer[0] <= "\u9fff":
        return False
    if any(word in _STOPPERS or (word in names.never and word not in names.last) for word in words):
        return False
    if len(words) == 1:
        return words[0] in names.first or words[0] in names.last or answer[0].isupper()
    return any(word in names.first or word in names.last for word in words) or all(
        word[:1].isupper() for word in answer.split()
    )
