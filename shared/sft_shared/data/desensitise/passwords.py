"""Passwords, PINs and one-time codes: what stands beside a cue, near it or as far as the sentence goes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sft_shared.data.desensitise.cues import Cue, Reading
from sft_shared.data.desensitise.digits import belongs_to_label, is_quantity
from sft_shared.data.desensitise.lexicon import listed
from sft_shared.data.desensitise.spans import Span

_IN_URL = re.compile(r"://[^\s:/@]{0,64}:(?P<value>[^\s/@]{3,64})@[A-Za-z0-9]")
_CODE_FILL = re.compile(
    r"\s{0,3}(?:号|（[^）]{0,12}）|\([^)]{0,12}\))?\s{0,2}[\"'”’`]?\s{0,2}(?P<said>:=|=>|->|[:=]|"
    r"就是|应该是|设置?成|设为|设置为|改成了?|改为|换成了?|"
    r"用的是?|写的是?|叫|重置为|是|为|is set to|is now|will be|was|is\b|"
    r"to\b|填|输入?的?是?|as\b)"
    r"\s{0,3}(?:是|为|:)?\s{0,3}[\"'“‘`《【\[<]?\s{0,2}",
    re.I,
)
_ASKED_FILL = re.compile(
    r"[^\n。]{0,12}\n\s{0,3}(?:好的[,，]?|嗯[,，]?|ok[,.]?|sure[,.]?|"
    r"it's|it is|是|就是|密码是?|验证码是?)?\s{0,3}",
    re.I,
)
_CODE = (
    r"(?<![0-9][.:/-])(?:[0-9]{4,8}[#*]?|[0-9]{3}[ -][0-9]{3}|[0-9](?: [0-9]){3,7})(?![0-9A-Za-z]|"
    r"[-.:/][0-9])"
)
_CODE_DIGITS = re.compile(rf"[\s:\"'“‘]{{0,3}}(?P<value>{_CODE})")
_SAID_CODE = re.compile(_CODE)
_CODE_BEFORE = re.compile(
    r"(?<![0-9A-Za-z¥$.])(?P<value>[0-9]{4,8})\s{0,2}(?:\(|,|，)?(?:是|为|is)\s{0,2}(?:您|你|我|"
    r"your|my|the)?(?:的|本次)?[^\d\n。,，]{0,12}$",
    re.I,
)
_LOGIN = re.compile(
    r"(?:(?<![\w/])(?:root|admin|administrator|postgres|ubuntu|oracle)\s?[/:]\s?|"
    r"\b(?:log[ -]?in|sign[ -]?in|cred(?:ential)?s?|username|user|账号|帐号|用户名?|账户|"
    r"登录)(?:\s?(?:is|are|was|info|details|"
    r"名|为|是))?\s?[:=]?\s?[\w.@+-]{2,40}\s?(?:/|:|\||,?\s?(?:and|pass|pw|pwd|p/w)\s?[:=]?)\s?)"
    r"(?P<value>(?=[!-~]*\d)(?=[!-~]*[A-Za-z!@#$%^&*])[!-~]{5,64})",
    re.I,
)
_FLAG = re.compile(
    r"\b(?:mysql\w*|mariadb|sshpass|redis-cli|mongo\w*|psql|curl)\b[^\n|;]{0,120}?\s(?:-p|-a "
    r"?)(?P<value>[^\s\"']{4,64})"
)
_NEAR_CODE = re.compile(
    r"(?:(?<![a-z-])(?:verif\w*|sign(?:ing)? ?in|log(?:ging)? ?in|text(?:ed)?|sms|authent\w*|"
    r"one[- ]time|2fa|gate|door|entry|"
    r"lock\w*|safe|alarm|garage|building|keypad|voicemail)(?![a-z])|登录|短信)",
    re.I,
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_SAID_CODES = re.compile(
    rf"(?<!error )(?<!promo )(?<!zip )(?<!area )(?<!status )(?<!coupon )(?<!discount "
    rf")(?<!country )(?<!gift )\bcode\b(?!=)"
    rf"(?P<between>[^.!?=\n\d]{{0,40}}?)(?P<value>{_CODE})|"
    rf"(?<![\w$.-])(?P<before>{_CODE})[^.!?\n\d]{{0,24}}\bcode\b|"
    rf"(?:输入?|填|发|收到)(?:一下|的|了|个|是|:|\s)*(?P<zh>\d{{4,6}})(?!\d)[^。\d]{{0,6}}验证",
    re.I,
)
_NO_FILL = re.compile(r"(?![-_./])[ ]{0,2}[\"'“‘`]?(?=[!-~]{0,64}[0-9])(?=[!-~]{0,64}[A-Za-z])")
_PASSWORD = re.compile(r"[!-~]{3,64}")
_CLOSERS = "\"'`,;.。)]}>"
_WORDS = frozenset(listed("not_passwords.txt")[0].split())
_MASKED = re.compile(r"[*xX•.#_-]+|<[^>]*>|\{[^}]*\}|\[[^\]]*\]?|\$\{?[A-Z_a-z]+\}?|%\w+")


def find_passwords(reading: Reading) -> Iterator[Span]:
    """Passwords and one-time codes after a cue, and those inside a URL."""
    text = reading.text
    if "://" in text:
        for found in _IN_URL.finditer(text):
            yield Span(found.start("value"), found.end("value"), "password", 0.95)
    for found in _LOGIN.finditer(text) if any(map(reading.lower.__contains__, _LOGIN_HINTS)) else ():
        value = found["value"].rstrip(_CLOSERS)
        if "://" not in value and not _MAIL.search(value):
            yield Span(found.start("value"), found.start("value") + len(value), "password", 0.86)
    for found in _FLAG.finditer(text) if " -" in text else ():
        yield Span(found.start("value"), found.end("value"), "password", 0.8)
    if "code" in reading.lower and _NEAR_CODE.search(text):
        for found in _SAID_CODES.finditer(text):
            group = next(name for name in ("value", "before", "zh") if found[name])
            if _YEAR.fullmatch(found[group]):
                continue
            yield Span(found.start(group), found.end(group), "password", 0.6)
    for cue in reading.cues:
        if cue.theme == "password":
            yield from _password_after(reading, cue)


_LOGIN_HINTS = (
    "login",
    "log in",
    "log-in",
    "sign",
    "cred",
    "user",
    "root",
    "admin",
    "postgres",
    "ubuntu",
    "oracle",
    "号",
    "户",
    "登录",
)
_MAIL = re.compile(r"@[\w-]+\.\w")


def _password_after(reading: Reading, cue: Cue) -> Iterator[Span]:
    text = reading.text
    code = _CODE_DIGITS.match(text, cue.end)
    if code and not is_quantity(text, code.start("value"), code.end("value")):
        yield Span(code.start("value"), code.end("value"), "password", 0.9)
        return
    fill = (
        _asked(text, cue)
        or _CODE_FILL.match(text, cue.end)
        or _ASKED_FILL.match(text, cue.end)
        or _NO_FILL.match(text, cue.end)
    )
    before = _CODE_BEFORE.search(text[max(0, cue.start - 32) : cue.start])
    if before and not fill:
        offset = max(0, cue.start - 32)
        yield Span(offset + before.start("value"), offset + before.end("value"), "password", 0.85)
    code = _SAID_CODE.match(text, fill.end()) if fill else None
    if code:
        yield Span(code.start(), code.end(), "password", 0.9)
        return
    found = _PASSWORD.match(text, fill.end()) if fill else None
    if fill and found:
        value = _cut(found[0])
        said = fill.re is _CODE_FILL and fill["said"] in (":", "=", ":=", "=>", "->")
        if len(value) >= 3 and _is_password(value, said=said):
            yield Span(found.start(), found.start() + len(value), "password", 0.9 if len(value) >= 4 else 0.6)
            return
    yield from _further(reading, cue)
    yield from _earlier(reading, cue)


def _asked(text: str, cue: Cue) -> re.Match[str] | None:
    """The end of a question for a code that the next line gives."""
    fill = _ASKED_FILL.match(text, cue.end)
    return fill if fill and _SAID_CODE.match(text, fill.end()) else None


def _cut(value: str) -> str:
    """A value up to its quotes or the next field of a record, and without what ends a sentence."""
    for index, char in enumerate(value):
        if char in "\"'`,;<>" and index >= 3:
            value = value[:index]
            break
    return value.rstrip(_CLOSERS) or value


_STATES = re.compile(
    r"(?:是|为|成了?|到|叫|係|:|=|给你|给您|设的|设了|用的|写的|填的|改的?|试试?|输的?|输入|发的|"
    r"\b(?:is|was|to|be|as|typed|tried|used|use|using|try|set|entered|reads?|says)|'s|’s)[\s\"'“‘`(]{0,3}$",
    re.I,
)
_MEMO = re.compile("(?:(?![错次码第位个])[\u3400-\u9fff]){1,8}")  # 密码我奶奶生日470315
_TELLS = re.compile(
    r"长度|字符|至少|必须|不能|不少于|包含|格式|规则|位数|强度|characters|at least|must|"
    r"should|contain|between|minimum|length",
    re.I,
)
_TOKEN = re.compile(r"(?<![!-~])[\"'“‘`(]?(?P<value>[!-~]{4,64})")
_REACH = 40  # characters from a cue to a value that only its form gives away


def _further(reading: Reading, cue: Cue) -> Iterator[Span]:
    """A value later in the sentence that looks like nothing but a secret, or that is stated."""
    text = reading.text
    for found in _TOKEN.finditer(text, cue.end, min(len(text), cue.end + _REACH + 30)):
        start = found.start("value")
        value = _cut(found["value"])
        between = text[cue.end : start]
        if start - cue.end > _REACH or _TELLS.search(between) or re.search(r"[。！？!?\n]|\.\s", between):
            return
        other = reading.cue_before(start, reach=_REACH)
        if (
            other is not None
            and other.theme not in ("password", "account", "harmless")
            and other.start > cue.start
        ):
            return
        if belongs_to_label(text, cue.end, start) and other is not None and other.theme != "password":
            return
        stated = bool(_STATES.search(between) or (_MEMO.fullmatch(between) and len(value) == 6))
        plain = value.rstrip("?!").isalnum()
        if (stated or not plain) and _is_secret(value, digits=stated):
            if not is_quantity(text, start, start + len(value)):
                yield Span(start, start + len(value), "password", 0.65)
            return


_CALLED = re.compile(
    r"[\"'”’`)]?\s?(?:,|，)?\s?(?:(?:就|便|这)?(?:是|为|作为|当)|这个(?:是|就是)?|(?:is|was|"
    r"as|for|were|being)\b)"
    r"[^\d.!?。！？\n]{0,24}$",
    re.I,
)


def _earlier(reading: Reading, cue: Cue) -> Iterator[Span]:
    """A value before the cue that is said to be it: "20418 是这次的验证码"."""
    text = reading.text
    for found in _TOKEN.finditer(text, max(0, cue.start - 72), cue.start):
        value = _cut(found["value"])
        start, end = found.start("value"), found.start("value") + len(value)
        if end >= cue.start or is_quantity(text, start, end) or not _is_secret(value, digits=True):
            continue
        if _CALLED.fullmatch(text, end, cue.start):
            yield Span(start, end, "password", 0.65)


_NO_SECRET = re.compile(
    r"\d{1,4}[-/.:]\d{1,2}(?:[-/.:]\d{1,4})?|[$]?\d+(?:[.,]\d+)*%?|\d+(?:st|nd|rd|th|am|pm|x|k|gb|mb|min|h)|"
    r"(?:min|max|len|sha|bcrypt|md|iphone|ipad|windows|win|android|ios|mac|wifi|wi-fi|wlan|"
    r"2fa|mp3|mp4|v?\d+\.\d+)[\w.-]*|https?:.*|.*\.(?:com|cn|net|org|html?|pdf|png|jpe?g)",
    re.I,
)


def _is_secret(value: str, *, digits: bool) -> bool:
    """Letters with digits, or with a sign that words do not hold; digits alone if allowed."""
    if digits and _SAID_CODE.fullmatch(value):
        return True
    if (
        len(value) < 5
        or value.lower() in _WORDS
        or _MASKED.fullmatch(value)
        or _NO_SECRET.fullmatch(value.rstrip("?!"))
    ):
        return False
    letters, numerals = any(map(str.isalpha, value)), any(map(str.isdigit, value))
    if _MAIL.search(value) or not letters or "password" in value.lower():
        return False
    return numerals or bool(re.search(r"[!@#$%^&*+=~]", value.rstrip("!")))


def _is_password(value: str, *, said: bool) -> bool:
    """A word of the language is a password only where a colon or an equals sign says so."""
    if value.lower() in _WORDS or _MASKED.fullmatch(value):
        return False
    mixed = any(map(str.isdigit, value)) or (
        not value.isalpha() and not re.fullmatch(r"[A-Za-z]+[-'][A-Za-z]+", value)
    )
    cased = value.isalpha() and value[1:] != value[1:].lower() and value != value.upper()
    return mixed or cased or said
