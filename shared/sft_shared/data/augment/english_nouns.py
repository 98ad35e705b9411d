"""English noun phrases: what can stand in one, what ends one, whether it is one thing or many."""

from __future__ import annotations

import re
from itertools import pairwise

from sft_shared.data.augment.english_verbs import BY_BASE, BY_PARTICIPLE, BY_PAST, TWO_OBJECTS

PLURAL_PRONOUNS = frozenset({"you", "we", "they", "us", "them"})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Never behind the determiner of a plain noun phrase: my order 3 days AGO, my order TO my house.
_NO_NP_WORD = _words("""
i you he she we they me him us them it who whom which that what when where why how to from on in at for
with without by of into onto about over under up down off out back away and or but nor because since
although though while if than as is are was were be been being am do does did has have had will would can
could shall should may might must not no never yet too also very already again twice once soon later now
then today yesterday tomorrow here there home instead anyway myself yourself himself herself itself
ourselves themselves a an the my your his her our their this these those ago times time last next first
day days week weeks hour hours minute minutes year years monday tuesday wednesday thursday friday
saturday sunday morning afternoon evening night noon midnight weekend overseas express together apart
alone around across through inside outside nearby forever ahead forward enough more less much many most
so else online offline upstairs downstairs abroad please thanks everything anything nothing something
earlier before afterwards beforehand
""")
# Adjectives that say how a thing was found: they delivered my parcel WET.
_NO_HEAD = _words("""
open late early wrong empty incomplete short unpaid dirty wet unopened undelivered intact safe ready
available free right clean dry full half whole dead alive faulty defective useless unusable happy unhappy
angry sad upset clear sure unclear asap immediately straight overnight upfront unanswered unresolved
unattended unread unused unfinished untouched cold hot warm cool fresh small big large heavy rude high
low cheap expensive slow fast
""")
_ING_NOUNS = _words("""
booking shipping listing setting settings meeting training building thing things rating billing parking
pricing tracking subscription ring earring clothing bookings listings meetings string spring king wing
ceiling morning evening
""")
_SINGULAR_S = _words("""
news lens gas series canvas atlas bus bonus status address business access process progress
""")
# Who may be given something: they sent my SON shoes, they charged my CARD a fee.
_TAKERS = _words("""
friend friends son daughter wife husband mother father mom mum dad brother sister boss colleague customer
customers client neighbour neighbor kid kids child children family team account card bank buyer user
users parents
""")
_IRREGULAR_PLURALS = _words("people children men women feet teeth")


def is_noun_phrase(phrase: str) -> bool:
    """Whether all words behind the determiner can belong to one noun phrase, and its last to a noun."""
    words = phrase.lower().split(" of ")[0].split()
    if len(words) == 1:
        return True
    head = words[-1]
    return (
        not set(words[1:]) & _NO_NP_WORD
        and not {re.sub("['’]s$", "", word) for word in words[1:]} & _NO_NP_WORD
        and head not in _NO_HEAD
        and head not in BY_PAST.keys() | BY_PARTICIPLE.keys()
        and not head.endswith(("ly", "'s", "’s", "ed"))
        and not (head.endswith("ing") and head not in _ING_NOUNS)
    )


def has_two_objects(verb: str, words: list[str]) -> bool:
    """Whether the words may be somebody and something: my son shoes, my card 20 dollars."""
    forms = BY_PAST.get(verb) or BY_PARTICIPLE.get(verb) or BY_BASE[verb]
    return (
        forms.base in TWO_OBJECTS
        and len(words) > 2
        and (
            words[1] in _TAKERS
            or any(
                word[0].isdigit() and before not in ("order", "number") for before, word in pairwise(words)
            )
        )
    )


def is_plural(phrase: str) -> bool:
    """Whether a noun phrase, or a pronoun, goes with were and have."""
    words = phrase.lower().split(" of ")[0].split()
    head = words[-1]
    if len(words) == 1:
        return head in PLURAL_PRONOUNS
    return head in _IRREGULAR_PLURALS or (
        head.endswith("s") and not head.endswith(("ss", "us", "is")) and head not in _SINGULAR_S
    )
