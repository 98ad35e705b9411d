"""What changes from line to line (times, addresses, ids, numbers) is masked, and the rest cut into tokens."""

from __future__ import annotations

import re
from functools import lru_cache

from sft_shared.data.words import HAN, cut, is_han

_CLOCK = r"\d{1,2}[:：时]\d{1,2}(?:[:：分]\d{1,2}(?:[.,]\d+)?秒?)?"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_UNIT = r"(?:ns|us|µs|ms|secs?|s|min|[KMGTkmgt]i?[Bb]|[KMGT]|bytes|B|%|℃|‰)"
_MASKS = (  # the first that fits at a place decides
    ("URL", r"[A-Za-z][A-Za-z0-9+.-]{1,15}://[^\s\"'<>，。；]+"),
    ("MAIL", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    (
        "TIME",
        rf"\d{{4}}[-/.年]\d{{1,2}}[-/.月]\d{{1,2}}日?(?:[T ]?{_CLOCK})?(?:Z|[+-]\d{{2}}:?\d{{2}})?(?!\d)",
    ),
    (
        "TIME",
        rf"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?{_MONTH} +\d{{1,2}} \d{{2}}:\d{{2}}:\d{{2}}(?: \d{{4}})?",
    ),
    ("ID", r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    ("MAC", r"(?<![0-9A-Fa-f:])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![0-9A-Fa-f:])"),
    ("MAC", r"(?<![\w.])(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}(?![\w.])"),
    ("IP", r"(?<![\d.])/?(?:\d{1,3}\.){3}\d{1,3}(?![\d.]\d)(?:[:/]\d{1,5})?"),
    ("IP", r"(?<![\w:])(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}(?![\w:])"),
    ("IP", r"(?<![\w:])(?:[0-9a-fA-F]{1,4}:)+:(?:[0-9a-fA-F]{1,4})?(?![\w:])"),
    ("TIME", r"(?<![\d:.])\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?![\d:])"),
    ("PATH", r"[A-Za-z]:\\[^\s\"'<>|,;，；：]*|\\\\[\w.$-]+\\[^\s\"'<>|,;]*"),
    ("PATH", r"(?<![A-Za-z0-9_.<>/])\.{0,2}(?:/[A-Za-z0-9_.@%+~$*-]+)+/?(?:\?[A-Za-z0-9_.=&%+-]*)?"),
    ("HEX", r"(?<![A-Za-z0-9])0[xX][0-9a-fA-F]+"),
    ("ID", r"(?<![A-Za-z0-9])(?=[0-9a-f]*[a-f])(?=(?:[0-9a-f]*\d){2})[0-9a-f]{8,}(?![A-Za-z0-9])"),
    ("ID", r"(?<![A-Za-z0-9])(?:[A-Za-z][\w-]*_)-?\d{4,}"),
    ("ID", r"(?<![A-Za-z0-9_.-])[A-Z]{1,5}(?:-[A-Z]{0,2})?-?\d[A-Z0-9-]*(?![a-z0-9])"),
    (
        "NUM",
        r"[-+]?(?:(?<!\d)\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)*(?:[eE][-+]?\d+)?"
        rf"(?:\s?{_UNIT}(?![A-Za-z0-9]))?",
    ),
)
_ALL = re.compile("|".join(f"(?P<m{index}>{pattern})" for index, (_, pattern) in enumerate(_MASKS)))
_NAMES = [name for name, _ in _MASKS]
_LIST = re.compile(r"(<[A-Z]+>)(?:\s*[,;/:.\-_|、]\s*\1)+")
_TOKEN = re.compile(
    f"[{HAN}]+"  # a run of Chinese
    # a word, with masks in it or not
    r"|(?:<[A-Z]+>|[^\s" + HAN + r"=:,;()\[\]{}\"'|，。：；、！？【】（）《》“”])+"
)
_MASK = re.compile(r"<[A-Z]+>")
ANY = "<*>"  # a word that is masked in part, such as a host's name with a number in it


def mask(line: str) -> str:
    """``line`` with a mask such as ``<IP>`` for each piece that changes from line to line.

    >>> mask("Failed password for root from 10.0.0.7 port 4711 ssh2")
    'Failed password for root from <IP> port <NUM> ssh<NUM>'
    >>> mask("设备SW-A07离线，最后心跳时间2026-03-05 12:30:01")
    '设备<ID>离线，最后心跳时间<TIME>'
    """
    masked = _ALL.sub(_name, line)
    return _LIST.sub(r"\1", masked)


def tokens(masked: str) -> list[str]:
    """The words of a masked line, without punctuation; Chinese is cut into its words.

    Characters that jieba knows no word for, such as a person's name, stay together as one token, so that
    a name of two characters and one of three leave the same number of tokens.

    >>> tokens("用户欧阳雪登录成功，IP地址<IP>")
    ['用户', '欧阳雪', '登录', '成功', 'IP', '地址', '<IP>']
    """
    found: list[str] = []
    for token in _TOKEN.findall(masked):
        if is_han(token):
            found.extend(_chinese(token))
        elif "<" in token and (inside := _MASK.search(token)):
            found.append(inside[0] if inside[0] == token else ANY)
        else:
            found.append(token)
    return found


def _name(match: re.Match[str]) -> str:
    return f"<{_NAMES[int((match.lastgroup or 'm0')[1:])]}>"


@lru_cache(maxsize=100_000)
def _chinese(run: str) -> tuple[str, ...]:
    words: list[str] = []
    single = False  # whether the last token is made of single characters
    for word in cut(run, guess=False):
        if len(word) == 1 and single:
            words[-1] += word
        else:
            words.append(word)
            single = len(word) == 1
    return tuple(words)
