"""The language of a short text: by script, and by function words where scripts are shared."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

UNKNOWN = "und"
"""ISO 639's code for a language that was not determined."""

SCRIPTS = {
    "zh": "\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002fa1f",
    "ja": "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9d",
    "ko": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
    "ru": "\u0400-\u052f",
    "ar": "\u0600-\u06ff\u0750-\u077f",
    "he": "\u0590-\u05ff",
    "th": "\u0e00-\u0e7f",
    "hi": "\u0900-\u097f",
    "el": "\u0370-\u03ff",
}
FUNCTION_WORDS = {
    "en": "the a an and or of to in on for with is are was were be been am do does did have has had it its "
    "this that these those i you he she we they my your his her our their me him us them not no can "
    "could will would should what when where who why how which there here from by at as if but so "
    "please any some about into than then yes i'm it's don't can't i've need want get got make just "
    "now still after before more only very also other again much many",
    "de": "der die das den dem des ein eine einen einem einer und oder aber nicht kein keine ist sind war "
    "waren wird werden wurde haben hat hatte habe ich du er sie es wir ihr mein meine meinen ihre "
    "ihren unser zu zum zur von vom mit für auf an in im am bei aus nach über unter wie was wann wo "
    "wer warum welche dass wenn noch schon auch nur sehr bitte kann können möchte sich mich mir uns",
    "fr": "le la les l un une des du de d et ou mais ne pas plus est sont était été être ai as a avons avez "
    "ont avoir je j tu il elle nous vous ils elles mon ma mes votre vos notre nos son sa ses leur ce "
    "cet cette ces c qui que qu quoi où quand comment pourquoi quel quelle pour par avec sans sur "
    "sous dans en au aux à y s n très bien merci bonjour si puis peut faire",
    "es": "el la los las un una unos unas de del al y o pero no es son era fue ser estar está están estoy "
    "he ha han hemos haber yo tú él ella nosotros ustedes mi mis tu tus su sus nuestro este esta "
    "estos ese esa eso que qué quién cuándo dónde cómo cuál por para con sin sobre en a me te se lo "
    "le les nos muy más ya también si sí puedo puede quiero hola gracias",
    "pt": "o a os as um uma uns umas de do da dos das no na nos nas ao à e ou mas não é são era foi ser "
    "estar está estão estou tem têm tenho ter eu tu ele ela nós você vocês eles meu minha meus seu "
    "sua seus nosso este esta esse essa isso que quem quando onde como qual por para pelo pela com "
    "sem sobre em me te se lhe muito mais já também sim posso pode quero olá obrigado",
    "it": "il lo la i gli le l un uno una di del della dei delle dello da dal dalla a al alla e ed o ma non "
    "è sono era stato essere ho hai ha abbiamo avete hanno avere io tu lui lei noi voi loro mio mia "
    "miei tuo suo sua nostro questo questa questi quello che chi quando dove come perché quale per "
    "con senza su sul sulla in nel nella mi ti si ci vi molto più già anche se sì posso può vorrei "
    "ciao grazie",
    "nl": "de het een en of maar niet geen is zijn was waren wordt worden heb hebt heeft hebben had ik jij "
    "je hij zij ze wij we jullie mijn jouw uw hun ons onze dit dat deze die er te van met voor op aan "
    "in bij uit naar over hoe wat wanneer waar wie waarom welke als nog al ook maar zeer graag kan "
    "kunnen wil moet mij me",
    "tr": "ve veya ama değil bir bu şu o ben sen biz siz onlar benim senin bizim sizin için ile gibi çok "
    "daha ne nasıl nerede zaman kim neden hangi var yok mı mi mu mü da de ki en evet hayır lütfen",
    "vi": "và hoặc nhưng không là của cho với trong trên tại từ đến được có tôi bạn anh chị em chúng này đó "
    "gì nào khi nào đâu sao thế rất đã đang sẽ các những một cái xin vui lòng",
    "id": "dan atau tetapi tidak adalah yang di ke dari untuk dengan pada ini itu saya anda kamu dia kami "
    "kita mereka apa kapan mana siapa mengapa bagaimana sudah akan bisa dapat sangat juga ada tolong "
    "bukan",
    "pl": "i w z na do nie to jest są był była być się że jak co kiedy gdzie kto dlaczego który która ja ty "
    "on ona my wy oni mój moja mój twój nasz dla od po za przez pod o u czy ale lub tak już tylko "
    "proszę mam ma mogę",
}

_LETTERS = {language: re.compile(f"[{letters}]") for language, letters in SCRIPTS.items()}
_NOT_CHINESE = re.compile("[" + "".join(each for code, each in SCRIPTS.items() if code != "zh") + "]")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_NO_LANGUAGE = re.compile(
    r"https?://\S+|www\.\S+|[A-Za-z0-9._%+-]+@\S+|`[^`]*`|<[^>]{1,80}>|\[[^\]]{1,24}\]|\{[^{}]*\}"
)
_LANGUAGES_OF = {
    word: frozenset(language for language, words in FUNCTION_WORDS.items() if word in words.split())
    for words in FUNCTION_WORDS.values()
    for word in words.split()
}
MAX_CHARS = 2_000
MIN_IDEOGRAPHS, MIN_LETTERS, MIN_WORDS = 2, 6, 4
WORDS_PER_IDEOGRAPH = 0.6


@dataclass(frozen=True)
class Guess:
    """A language by its ISO 639-1 code, ``und`` where the text is too short to tell; confidence is 0 to 1."""

    language: str
    confidence: float


def language_of(text: str) -> Guess:
    """The language of ``text``, judged on its first MAX_CHARS characters.

    Addresses, code, markup and placeholders in brackets do not count. Confidence is the share of the text
    in the language that is found, so half-English Chinese gives about 0.5 for either. Any Cyrillic is
    ``ru``, any Devanagari ``hi``: languages that share these scripts are not told apart.

    >>> language_of("我的订单 SF10023 到哪里了？").language, language_of("Where is my order?").language
    ('zh', 'en')
    >>> language_of("OK").language
    'und'
    """
    text = _NO_LANGUAGE.sub(" ", text[:MAX_CHARS])
    weights: defaultdict[str, float] = defaultdict(float)
    if not text.isascii():
        others = _LETTERS if _NOT_CHINESE.search(text) else {"zh": _LETTERS["zh"]}
        for language, letters in others.items():
            count = len(letters.findall(text))
            if count:
                weights[language] = count * (WORDS_PER_IDEOGRAPH if language in ("zh", "ja", "th") else 0.2)
        if weights["ja"] > 0.1 * weights["zh"]:
            weights["ja"] += weights.pop("zh", 0)
    words = [
        word
        for word in _WORD.findall(text.lower().replace("’", "'"))
        if word[0] < "\u0370" or "\u1e00" <= word[0] < "\u1f00"
    ]
    latin = _latin(words)
    if latin.language != UNKNOWN or weights:
        weights[latin.language] += len(words)
    if not weights:
        return Guess(UNKNOWN, 0.0)
    language, weight = max(weights.items(), key=lambda item: (item[1], item[0]))
    enough = MIN_IDEOGRAPHS * WORDS_PER_IDEOGRAPH if language in ("zh", "ja", "th") else MIN_LETTERS * 0.2
    if language == UNKNOWN or (language in SCRIPTS and weight < enough):
        return Guess(UNKNOWN, 0.0)
    share = weight / sum(weights.values())
    return Guess(language, round(share * (latin.confidence if language == latin.language else 1.0), 3))


def _latin(words: list[str]) -> Guess:
    """By function words: each counts for the languages that have it, the less the more of them there are."""
    if len(words) < MIN_WORDS:
        return Guess(UNKNOWN, 0.0)
    votes: defaultdict[str, float] = defaultdict(float)
    heard: defaultdict[str, set[str]] = defaultdict(set)
    for word in words:
        languages = _LANGUAGES_OF.get(word, ())
        for language in languages:
            votes[language] += 1 / len(languages)
            heard[language].add(word)
    if not votes:
        return Guess(UNKNOWN, 0.0)
    (language, first), *rest = sorted(votes.items(), key=lambda item: (-item[1], item[0]))
    second = rest[0][1] if rest else 0
    if len(heard[language]) < 2 or first < 0.08 * len(words) or first < 1.3 * second:
        return Guess(UNKNOWN, 0.0)
    return Guess(language, round(first / (first + second + 0.2), 3))
