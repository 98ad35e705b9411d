"""How likely a Chinese word is, and how likely a name: both from the frequencies of jieba's dictionary."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib import resources

LONGEST_WORD = 4
_SMOOTHING = 0.35  # share of a given name's probability that is spread over the listed characters


# Words of one character that stand beside any other; others are rarer in a row than each is on its own.
_FUNCTION = frozenset(
    "的了是在我你您他她它们和与就都也不很吗呢吧啊呀哦嗯这那有要会能去来说到给把被让从向对为以及或但并跟个一二三四五六七八九十两几上下中里外前后等再还又才只已没请问将由于过地得着所之其此该各每某"
)


# Surnames outside the commonest hundred that are little else, and of those hundred the ones that are.
_AT_ONCE = (
    "萧温施樊葛邢倪聂岳翟殷詹申欧耿焦俞柳祝阮柯纪凌毕裴霍翁骆辛靳管柴鲍喻祁蒲屈饶牟尤阳穆卓"
    "缪褚娄窦戚岑宫卜冷晏闵卞姬栾隋刁巫寇甄仲虞佘邝鞠荆郁胥楚谌冼蔺司诸上慕令皇夏轩端尉宇淳"
)
_PARTICLES = "于向任方万成"


@dataclass(frozen=True)
class Lexicon:
    """Natural logarithms of probabilities.

    ``words``: of a word. ``surnames``: of a surname among names, compound ones too. ``alone``, ``first``
    and ``second``: of a character as a given name of one, and as the first and second of two.
    ``seldom``: first characters of surnames that are far more often something else, or of few people.
    ``people``: full names that the dictionary knows as such; ``strangers``: other words that
    it calls names, some of them wrongly; ``brands``: what only looks like a name, as do ``words_like_names``.
    """

    words: dict[str, float]
    surnames: dict[str, float]
    alone: dict[str, float]
    first: dict[str, float]
    second: dict[str, float]
    seldom: frozenset[str]
    people: frozenset[str]
    strangers: frozenset[str]
    brands: frozenset[str]
    words_like_names: frozenset[str]
    famous: frozenset[str]  # names that are in everybody's mouth
    rare: float  # of a character that is no word of its own


def listed(name: str) -> list[str]:
    """The lines of one of this package's lists, without remarks and empty lines."""
    text = resources.files(__package__).joinpath("lists", name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@cache
def surnames() -> dict[str, float]:
    """Each Chinese surname's share of the population, by its rank; compound and rare ones alike."""
    common, others, compound = listed("chinese_surnames.txt")
    shares = dict.fromkeys(compound.split(), 0.0002)
    shares.update(
        {surname: 0.0008 * math.exp(-rank / 110) for rank, surname in reversed(list(enumerate(others)))}
    )
    shares.update({surname: 0.09 / (1 + 0.16 * rank) ** 1.35 for rank, surname in enumerate(common)})
    return shares


@cache
def lexicon() -> Lexicon:
    """Read the dictionary, once a process; about half a second."""
    shares = surnames()
    counts: dict[str, int] = {}
    alone: Counter[str] = Counter()
    first: Counter[str] = Counter()
    second: Counter[str] = Counter()
    people, strangers = set(), set()
    not_names = frozenset(listed("chinese_words_like_names.txt")[0].split())
    common = set(listed("chinese_surnames.txt")[0])
    path = resources.files("jieba").joinpath("dict.txt")
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            word, count, tag = line.split()
            size = len(word)
            if size > LONGEST_WORD:
                continue
            if tag in ("nr", "nrt") and size == 4 and word[:2] in shares:
                people.add(word)
            elif tag in ("nr", "nrt") and word[0] in shares and size in (2, 3) and word not in not_names:
                if word[0] in common:
                    if size == 3:
                        first[word[1]] += 1
                        second[word[2]] += 1
                    else:
                        alone[word[1]] += 1
                people.add(word)
            elif tag in ("nr", "nrt"):
                strangers.add(word)
            counts[word] = int(count)
    total = math.log(sum(counts.values()))
    characters = "".join(listed("chinese_given_characters.txt"))
    found = Lexicon(
        {word: math.log(max(count, 1)) - total for word, count in counts.items()},
        {surname: math.log(share) for surname, share in shares.items()},
        _smoothed(alone, characters),
        _smoothed(first, characters),
        _smoothed(second, characters),
        frozenset({surname[0] for surname in shares} - set(_AT_ONCE) - common | set(_PARTICLES)),
        frozenset(people),
        frozenset(strangers),
        frozenset(listed("brands_and_characters.txt")[0].split()),
        not_names,
        frozenset(listed("brands_and_characters.txt")[2].split()),
        -total - 0.7,
    )
    for char in found.words:
        if len(char) == 1 and char not in _FUNCTION:
            found.words[char] -= 2.0
    for name in people:  # a known name is a name first, if its characters look like one
        likely = len(name) == 4 or _given(found, name[1:]) > (-6.1 if len(name) == 2 else -16.5)
        if likely and shares.get(name[0], shares.get(name[:2], 0.0)) > 0.0001:
            del found.words[name]
    return found


def _given(found: Lexicon, name: str) -> float:
    if len(name) == 1:
        return found.alone.get(name, -99.0)
    return found.first.get(name[0], -99.0) + found.second.get(name[1], -99.0)


def _smoothed(counts: Counter[str], listed_characters: str) -> dict[str, float]:
    total, chosen = sum(counts.values()), sorted(set(listed_characters))
    shares = {char: (1 - _SMOOTHING) * count / total for char, count in counts.items()}
    for char in chosen:
        shares[char] = shares.get(char, 0.0) + _SMOOTHING / len(chosen)
    return {char: math.log(share) for char, share in shares.items()}


class Paths:
    """The best segmentation into words up to, and from, each place of a text: log probabilities."""

    def __init__(self, run: str, known: Lexicon) -> None:
        size, words, rare = len(run), known.words, known.rare
        up_to = [0.0] + [-math.inf] * size
        edges: list[tuple[int, int, float]] = []
        for start in range(size):
            base = up_to[start]
            score = words.get(run[start], rare)
            edges.append((start, start + 1, score))
            if base + score > up_to[start + 1]:
                up_to[start + 1] = base + score
            for end in range(start + 2, min(size, start + LONGEST_WORD) + 1):
                word = words.get(run[start:end])
                if word is not None:
                    edges.append((start, end, word))
                    if base + word > up_to[end]:
                        up_to[end] = base + word
        onward = [-math.inf] * size + [0.0]
        for start, end, score in reversed(edges):
            if score + onward[end] > onward[start]:
                onward[start] = score + onward[end]
        self.up_to, self.onward = up_to, onward
