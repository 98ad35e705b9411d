"""The gate's own look at everything but numbers: e-mails, secrets, IP addresses, and what may be personal."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from sft_shared.data.desensitise.gate_numbers import Hit
from sft_shared.data.desensitise.spans import Kind

_LOCAL = re.compile(r"[A-Za-z0-9._%+'-]{1,64}$")
_DOMAIN = re.compile(r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_RESERVED = re.compile(
    r"(?:^|\.)example\.(?:com|net|org)$|\.(?:example|invalid|test|localhost|local|internal)$", re.I
)
_FILES_TEXT = "png jpg jpeg gif svg webp pdf txt py js ts css html json xml yaml yml md log csv zip gz"
_FILES = frozenset(_FILES_TEXT.split())
_NOBODY = re.compile(
    r"(?:git|no-?reply|do-?not-?reply|mailer-daemon|postmaster|x+)$", re.I
)  # the mailbox of a machine

_SECRET_HINTS = (
    *(
        "sk-",
        "sk_",
        "rk_live",
        "AKIA",
        "ASIA",
        "ghp_",
        "gho_",
        "ghs_",
        "ghu_",
        "ghr_",
        "github_pat_",
        "xox",
        "AIza",
        "glpat-",
        "hf_",
        "LTAI",
        "AKID",
    ),
    *("npm_", "eyJ", "SG.", "ya29.", "PRIVATE KEY", "://"),
)
_SECRETS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-[A-Za-z0-9_-]{20,200}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,200}|A(?:KIA|SIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{30,255}"
    r"|github_pat_[A-Za-z0-9_]{40,255}|xox[abeprs]-[A-Za-z0-9-]{10,200}|AIza[A-Za-z0-9_-]{35}|glpat-[A-Za-z0-9_-]{20,100}"
    r"|hf_[A-Za-z0-9]{30,60}|LTAI[A-Za-z0-9]{12,24}|AKID[A-Za-z0-9]{32}|npm_[A-Za-z0-9]{36}"
    r"|eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}"
    r"|SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}|ya29\.[A-Za-z0-9_-]{20,500})"
    r"|-----BEGIN (?:[A-Z]{2,10} ){0,2}PRIVATE KEY-----[\s\\rn]{0,4}[A-Za-z0-9+/=]"
)
_IN_URL = re.compile(r"://[^\s:/@]{1,100}:([^\s:/@]{3,200})@")
_NO_PASSWORD = re.compile(r"(?:pass(?:word|wd)?|pwd|secret|changeme|token|[x*.\ufffc]+|[<{$\[].*)$", re.I)

_IPV4 = re.compile(r"(?<![0-9.A-Za-z-])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.]*[0-9])")
_IP_CUE = re.compile(
    r"(?:(?<![A-Za-z])ip(?:v4)?(?: ?(?:address|addr|地址))?|地址)[\"']?(?: ?[:=：是为] ?| is | ){0,2}[\"']?$",
    re.I,
)
_RESOLVERS_TEXT = "8.8.8.8 8.8.4.4 1.1.1.1 1.0.0.1 9.9.9.9 114.114.114.114 223.5.5.5 223.6.6.6 119.29.29.29"
_RESOLVERS = frozenset(_RESOLVERS_TEXT.split())

_PLATE = (
    "[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z]"
    "[· .]?[A-HJ-NP-Z0-9]{5,6}(?![A-Za-z0-9])"
)
_DOTTED = re.compile(r"\.[0-9]{1,3}\.")
_SUSPECTS: tuple[tuple[Kind, re.Pattern[str], re.Pattern[str]], ...] = (  # with a quick look before each
    ("plate", re.compile("[A-HJ-NP-Z][· .]?[A-HJ-NP-Z0-9]{5}"), re.compile(_PLATE)),
    (
        "mac",
        re.compile("[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-]"),
        re.compile(
            r"(?<![0-9A-Fa-f:])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}"
            r"(?![0-9A-Fa-f:])"
        ),
    ),
    (
        "password",
        re.compile("密码|口令|[Pp]assword|PASSWORD"),
        re.compile(r"(?:密码|口令|[Pp]assword|PASSWORD)(?: ?[:=：是为]| is) ?[^\s,，。;；\[\]{}<>\"']{6,64}"),
    ),
    (
        "phone",
        re.compile("0[1-9][0-9]{1,2}[ -]?[2-9][0-9]{6}"),
        re.compile(r"(?<![0-9A-Za-z.-])0[1-9][0-9]{1,2}[ -]?[2-9][0-9]{6,7}(?![0-9.-])"),
    ),
    (
        "passport",
        re.compile("[EGDSPH][A-Z]?[0-9]{7}"),
        re.compile(r"(?<![0-9A-Za-z])[EGDSPH][A-Z]?[0-9]{7,8}(?![0-9A-Za-z])"),
    ),
)


def may_hold(flat: str) -> bool:
    """A quick look: may `words` find anything in a text, after `plain`, of which this is a block?

    What is looked for here stands in one block, whatever follows it.
    """
    if "@" in flat or any(map(flat.__contains__, _SECRET_HINTS)) or _DOTTED.search(flat):
        return True
    return any(hint.search(flat) for _, hint, _ in _SUSPECTS)


def words(flat: str) -> Iterator[Hit]:
    """Hits in a text after `plain`."""
    if "@" in flat:
        yield from _emails(flat)
    if any(map(flat.__contains__, _SECRET_HINTS)):
        yield from _secrets(flat)
    if flat.count(".") >= 3 and _DOTTED.search(flat):
        yield from _addresses(flat)
    for kind, hint, pattern in _SUSPECTS:
        if not hint.search(flat):
            continue
        for found in pattern.finditer(flat):
            yield Hit(found.start(), found.end(), kind, certain=False)


def _emails(flat: str) -> Iterator[Hit]:
    at = flat.find("@")
    while at >= 0:
        left = at - 1 if flat[at - 1 : at] == " " else at
        right = at + 2 if flat[at + 1 : at + 2] == " " and left < at else at + 1  # zhang @ qq.com
        local = _LOCAL.search(flat, max(0, left - 64), left)
        domain = _DOMAIN.match(flat, right)
        if local and domain:
            name = domain[0].rstrip(".-")
            top = name.rpartition(".")[2].lower()
            if top.isalpha() and len(top) > 1 and top not in _FILES and not _RESERVED.search(name):
                certain = _NOBODY.fullmatch(local[0]) is None and not re.fullmatch("x+", name.split(".")[0])
                yield Hit(local.start(), domain.start() + len(name), "email", certain)
        at = flat.find("@", at + 1)


def _secrets(flat: str) -> Iterator[Hit]:
    for found in _SECRETS.finditer(flat):
        varied = len(set(found[0].lower())) > 9  # no sk-xxxxxxxxxxxxxxxxxxxx
        yield Hit(found.start(), found.end(), "api_key", certain=varied)
    for found in _IN_URL.finditer(flat):
        certain = _NO_PASSWORD.fullmatch(found[1]) is None
        yield Hit(found.start(1), found.end(1), "password", certain)


def _addresses(flat: str) -> Iterator[Hit]:
    """A public IP address is certain where the text calls it one; else it may be a version, or a server's."""
    for found in _IPV4.finditer(flat):
        try:
            address = ipaddress.IPv4Address(found[0])
        except ValueError:
            continue
        if not address.is_global or found[0] in _RESOLVERS:
            continue
        cue = _IP_CUE.search(flat, max(0, found.start() - 24), found.start())
        yield Hit(found.start(), found.end(), "ip", certain=cue is not None)
