"""An example's fingerprint for finding twins: fixed size, made in one pass, independent of other examples."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sft_shared.data.chat import answer_text
from sft_shared.dialogue import Example

NUM_BANDS, BAND_ROWS = 20, 4
"""Minima that make one band, and bands. A pair of Jaccard j shares a band with 1 - (1 - j^4)^20:
0.998 at 0.75, 0.996 at 0.7, 0.94 at 0.6, 0.03 at 0.2."""
QUESTION_SIZE, ANSWER_SIZE = 96, 48
"""Shingles kept of either text. Of a text with no more than these, all are, and Jaccard is exact."""

SIGNATURE = np.dtype(
    [
        ("id", "<u8"),  # hash of the example's id
        ("origin", "<u8"),  # hash of its origin's id, 0 without one
        ("question", "<u8"),  # hash of the whole normalised question
        ("answer", "<u8"),
        ("bands", "<u4", (NUM_BANDS,)),
        ("question_sketch", "<u2", (QUESTION_SIZE,)),
        ("answer_sketch", "<u2", (ANSWER_SIZE,)),
        ("held_out", "u1"),
        ("question_whole", "u1"),  # whether the sketch has all shingles
        ("answer_whole", "u1"),
        ("fill", "u1", (5,)),  # to whole words of 8 bytes: gaps would hold anything
    ],
    align=True,
)
BATCH_EXAMPLES = 128
"""Whose fingerprints are made at once."""
NOTHING = 0xFFFF
"""Fills a sketch behind its last shingle."""

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORDS = re.compile(r"\w+")
_FOUR_DIGITS = re.compile(r"\d{4}")
_LONG_NUMBER = re.compile(r"(?<![0-9a-z])(?=[a-z]*+(?:[0-9]{1,3}[a-z]++)*+[0-9]{4})[0-9a-z]+")
_CJK_GAP = re.compile(f" (?<=[{_CJK}] )(?=[{_CJK}])")
_IS_CJK = np.zeros(0x10000, dtype=bool)
for _first, _last in re.findall(r"(.)-(.)", _CJK):
    _IS_CJK[ord(_first) : ord(_last) + 1] = True

_PRIME = np.uint32(0x01000193)
_PRIME_SQUARED = np.uint32(0x01000193**2 & 0xFFFFFFFF)
_BIGRAM_SALT = np.uint32(0x9E3779B9)
_ROWS = np.random.default_rng(20_090_619).integers(0, 1 << 32, (3, NUM_BANDS * BAND_ROWS), dtype=np.uint32)
_FACTORS, _OFFSETS, _JOINS = _ROWS[0] | np.uint32(1), _ROWS[1], _ROWS[2] | np.uint32(1)


_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe0e\ufe0f\ufeff]+")


def normalise(text: str) -> str:
    """``text`` without what twins may differ in: case, width, marks, spaces, invisible signs, long numbers.

    A run of letters and digits with four digits in a row, such as an order number, becomes ``0``; shorter
    numbers stay, for an error 404 is no error 500.

    >>> normalise("Cancel  ORDER #SF10023887, please!"), normalise("取消订单 １００２３ ， 谢谢")
    ('cancel order 0 please', '取消订单 0 谢谢')
    """
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
        if not unicodedata.is_normalized("NFKC", text):
            text = unicodedata.normalize("NFKC", text)
    text = text.casefold()
    words = " ".join(_WORDS.findall(text)) or " ".join(text.split())
    if _FOUR_DIGITS.search(words):
        words = _LONG_NUMBER.sub("0", words)
    return words if words.isascii() else _CJK_GAP.sub("", words)


def shingles(*texts: str) -> list[NDArray[np.uint32]]:
    """Hashes of the pieces of each normalised text, as often as they occur.

    Pieces are two characters from each Chinese, Japanese or Korean one on, four from each other one on.
    """
    padded = "".join(f" {text}   " for text in texts)
    codes = np.frombuffer(padded.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    pairs = codes[:-1] * _PRIME
    pairs += codes[1:]
    hashes = pairs[:-2] * _PRIME_SQUARED
    hashes += pairs[2:]
    if not padded.isascii():
        narrow = _IS_CJK[np.minimum(codes[:-3], 0xFFFF)]
        hashes = np.where(narrow, pairs[:-2] ^ _BIGRAM_SALT, hashes)
    _mix(hashes)
    found, start = [], 0
    for text in texts:
        found.append(hashes[start : start + len(text) + 1])
        start += len(text) + 4
    return found


def signature(example: Example) -> NDArray[Any]:
    """The fingerprint of an example: an array of one SIGNATURE; `tobytes` gives a fixed-size record.

    The question is all that the user says. The answer is the last message; one that is JSON or calls tools
    is taken as one piece, since calls that differ in one argument are different answers.
    """
    return _signatures([example])


def same_signature(first: Example, second: Example) -> bool:
    """Whether all is the same that a fingerprint is made of."""
    one, other = first.provenance, second.provenance
    return (first.id, one.origin, one.split) == (second.id, other.origin, other.split) and (
        first.messages is second.messages or first.messages == second.messages
    )


def signatures(examples: Iterable[Example]) -> NDArray[Any]:
    """The fingerprints of examples, in their order; each as `signature` makes it, but many at once."""
    waiting = iter(examples)
    found = [np.zeros(0, dtype=SIGNATURE)]
    while some := list(islice(waiting, BATCH_EXAMPLES)):
        found.append(_signatures(some))
    return np.concatenate(found)


def _signatures(examples: Sequence[Example]) -> NDArray[Any]:
    records = np.zeros(len(examples), dtype=SIGNATURE)
    questions, answers = [], []
    one_piece = np.zeros(len(examples), bool)
    for place, example in enumerate(examples):
        asked = " ".join(message.content or "" for message in example.prompt if message.role == "user")
        questions.append(normalise(asked or " ".join(message.content or "" for message in example.prompt)))
        answer = answer_text(example.answer)
        answers.append(normalise(answer))
        one_piece[place] = bool(example.answer.tool_calls) or answer.lstrip()[:1] in ("{", "[")
    records["id"] = [_hash(example.id) for example in examples]
    origins = [example.provenance.origin for example in examples]
    records["origin"] = [_hash(origin) if origin else 0 for origin in origins]
    records["question"] = [_hash(question) for question in questions]
    records["answer"] = [_hash(answer) for answer in answers]
    records["held_out"] = [example.provenance.split == "held_out" for example in examples]
    pieces = shingles(*questions)
    records["bands"] = _bands(pieces)
    records["question_whole"] = _sketch(pieces, records["question_sketch"])
    whole_answers = (records["answer"] >> np.uint64(32)).astype(np.uint32)
    answer_pieces = [
        whole_answers[place : place + 1] if one_piece[place] else found
        for place, found in enumerate(shingles(*answers))
    ]
    records["answer_whole"] = _sketch(answer_pieces, records["answer_sketch"])
    return records


def jaccard(
    sketch: NDArray[Any], whole: NDArray[Any], others: NDArray[Any], others_whole: NDArray[Any]
) -> NDArray[np.float64]:
    """Overlap of the shingles behind ``sketch`` [n, k] or [k] with those behind each of ``others`` [n, k].

    Exact where both are whole, but for collisions of 16-bit hashes. Else it is the estimate from the
    smallest hashes of the union (Beyer et al. 2007, doi:10.1145/1247480.1247504), with a standard error of
    at most 0.05 for 96 of them.
    """
    both = np.sort(np.concatenate([np.broadcast_to(sketch, others.shape), others], axis=1), axis=1)
    lasts = (
        np.where(each_whole.astype(bool), NOTHING - 1, each[..., -1])
        for each, each_whole in ((sketch, whole), (others, others_whole))
    )
    limit = np.minimum(*lasts)
    counted = both <= limit[:, None]
    shared = ((both[:, 1:] == both[:, :-1]) & counted[:, 1:]).sum(axis=1)
    return np.asarray(shared / np.maximum(counted.sum(axis=1) - shared, 1))


def _sketch(texts: Sequence[NDArray[np.uint32]], out: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Write each text's smallest distinct hashes, cut to 16 bits, into its row of ``out`` [n, size].

    Returns for which texts they are all there are.
    """
    owners = np.repeat(np.arange(len(texts), dtype=np.uint32), [len(pieces) for pieces in texts])
    keys = np.minimum(np.concatenate(texts) >> np.uint32(16), np.uint32(NOTHING - 1))
    keys |= owners << np.uint32(16)
    keys.sort()
    keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
    owners = keys >> np.uint32(16)
    count = np.bincount(owners, minlength=len(texts))
    rank = np.arange(len(keys)) - np.repeat(np.cumsum(count) - count, count)
    kept = rank < out.shape[1]
    out[:] = NOTHING
    out[owners[kept], rank[kept]] = keys[kept] & np.uint32(0xFFFF)
    return np.asarray(count <= out.shape[1])


def _bands(texts: Sequence[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    """MinHash (Broder 1997) of each text, as [n, NUM_BANDS]."""
    pieces = np.concatenate(texts)
    starts = np.cumsum([0, *map(len, texts[:-1])])
    return _joined(lambda values: np.minimum.reduceat(values, starts), pieces, NUM_BANDS, BAND_ROWS).T


def bands_of_rows(pieces: NDArray[np.uint32], *, num_bands: int, band_rows: int) -> NDArray[np.uint32]:
    """Bands of the rows of ``pieces`` [n, k], as [num_bands, n]; of NUM_BANDS * BAND_ROWS minima at most."""
    return _joined(lambda values: values.min(axis=1), pieces, num_bands, band_rows)


def _joined(
    smallest: Callable[[NDArray[np.uint32]], NDArray[np.uint32]],
    pieces: NDArray[np.uint32],
    num_bands: int,
    band_rows: int,
) -> NDArray[np.uint32]:
    """``num_bands`` * ``band_rows`` minima, those of a band joined into one number."""
    values = np.empty_like(pieces)
    found = []
    for row in range(num_bands * band_rows):
        np.multiply(pieces, _FACTORS[row], out=values)
        values += _OFFSETS[row]
        found.append(smallest(values) * _JOINS[row])
    return np.asarray(np.reshape(found, (num_bands, band_rows, -1)).sum(axis=1, dtype=np.uint32))


def _mix(values: NDArray[np.uint32]) -> None:
    """MurmurHash3's finaliser, in place."""
    values ^= values >> np.uint32(16)
    values *= np.uint32(0x85EBCA6B)
    values ^= values >> np.uint32(13)
    values *= np.uint32(0xC2B2AE35)
    values ^= values >> np.uint32(16)


def _hash(text: str) -> int:
    """64 bits, never 0, alike in every process."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1
