"""Addresses of machines and mailboxes: e-mail, disguised too, IP versions 4 and 6, MAC."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from sft_shared.data.desensitise.cues import Reading
from sft_shared.data.desensitise.digits import is_draw
from sft_shared.data.desensitise.dotted import is_no_address
from sft_shared.data.desensitise.spans import Span

_DOMAINS = (
    "com|cn|net|org|edu|gov|mil|io|ai|co|me|info|biz|dev|app|cc|top|vip|xyz|tech|online|site|"
    "club|uk|us|de|fr|jp|kr|hk|tw|sg|au|ca|in|ru|it|es|nl|eu|se|ch|br|name|mobi"
)
_AT = r"(?:\s{0,2}(?:@|[(\[{<]\s?(?:at|@|艾特)\s?[)\]}>]|艾特|圈a|#at#|_at_)\s{0,2}|\s{1,2}at\s{1,2})"
_DOT = r"(?:\s{0,2}(?:\.|[(\[{<]\s?(?:dot|点|\.)\s?[)\]}>]|点|#dot#|_dot_|。)\s{0,2}|\s{1,2}dot\s{1,2})"
_USER = (
    rf"[A-Za-z0-9][A-Za-z0-9_%+-]{{0,40}}(?:(?:\.|{_DOT}|\s(?:underscore|dash|hyphen)\s|下划线|"
    rf"杠)[A-Za-z0-9_%+-]{{1,40}}){{0,4}}"
)
_DISGUISED = re.compile(
    rf"(?<![A-Za-z0-9]){_USER}{_AT}(?:[A-Za-z0-9-]{{1,40}}{_DOT}){{1,4}}(?:{_DOMAINS})(?![A-Za-z0-9])", re.I
)
_AT_WORDS = (" at ", "艾特", "圈a", "at)", "at]", "at}", "at>", "#at#", "_at_")

_AT_HOST = re.compile(rf"(?:@|at|艾特|圈a)[^a-z0-9]{{0,5}}[a-z0-9-]{{1,40}}{_DOT}")


def find_emails(reading: Reading) -> Iterator[Span]:
    """Mail addresses, and those whose @ or dots are written as words."""
    text, plain = reading.text, True
    if "@" in text:
        for sign in re.finditer("@", text):
            found_here = list(_email_around(text, sign.start()))
            plain = plain and bool(found_here) and found_here[0].confidence == 1
            yield from found_here
    if (not plain or any(map(reading.lower.__contains__, _AT_WORDS))) and _AT_HOST.search(reading.lower):
        for found in _DISGUISED.finditer(text):
            if "@" in found[0] or not _is_prose(found[0]):
                yield Span(found.start(), found.end(), "email", 0.95)


def may_hold_email(text: str) -> bool:
    """Is there an @ in the text, or a word for one?"""
    return "@" in text or any(map(text.lower().__contains__, _AT_WORDS))


_IN_URL = re.compile(r"://[^\s/@]{1,128}\Z")
_LEFT = re.compile(r"[A-Za-z0-9_%+.'-]{1,64} ?\Z")
_RIGHT = re.compile(
    r" ?(?:[A-Za-z0-9\u4e00-\u9fff](?:[A-Za-z0-9-]{0,62})\.){1,5}(?:xn--[a-z0-9]{2,20}|"
    r"[A-Za-z]{2,18})(?![A-Za-z0-9])|\[\d{1,3}(?:\.\d{1,3}){3}\]",
    re.I,
)
_SPACED_RIGHT = re.compile(
    rf" ?[A-Za-z0-9-]{{1,40}}(?: ?\. ?[A-Za-z0-9-]{{1,40}}){{0,3}} ?\. ?(?:{_DOMAINS})(?![A-Za-z0-9])", re.I
)


def _email_around(text: str, sign: int) -> Iterator[Span]:
    if _IN_URL.search(text, max(0, sign - 130), sign):  # ://user:password@host
        return
    left = _LEFT.search(text, max(0, sign - 65), sign)
    if not left:
        return
    start = left.start() + len(left[0]) - len(left[0].lstrip(".'-%"))
    if start >= left.start() + len(left[0].rstrip()):
        return
    right = _RIGHT.match(text, sign + 1) or _SPACED_RIGHT.match(text, sign + 1)
    if right:
        yield Span(start, right.end(), "email", 1.0 if " " not in text[start : right.end()] else 0.95)


def _is_prose(written: str) -> bool:
    """ "look at google.com" is no address: a bare "at" needs a word for the dot or something of a mailbox."""
    user = re.split(_AT, written, maxsplit=1, flags=re.I)[0]
    bare = re.fullmatch(r"[a-z]+", user) is not None
    return (
        bare
        and re.search(r"\sat\s", written, re.I) is not None
        and re.search(r"dot|点|[(\[{]", written, re.I) is None
    )


_IPV4 = re.compile(r"(?<![0-9A-Za-z.])(?:\d{1,3} ?\. ?){3}\d{1,3}(?![0-9A-Za-z]|\.\d)")
_IP_SIXES = re.compile(
    r"(?<![0-9A-Za-z:.])[0-9A-Fa-f:]{0,39}:[0-9A-Fa-f:]{1,39}(?:\d{1,3}(?:\.\d{1,3}){3})?(?:%[a-z0-9]+)?(?![0-9A-Za-z:]|"
    r"\.\d)"
)
_MAC = re.compile(
    r"(?:(?<![0-9A-Fa-f])(?<![0-9A-Fa-f][:.-])|(?<=(?i:mac))|(?<=(?i:mac)[:=-]))(?:"
    r"[0-9A-Fa-f]{2}([:-]|\s?[:-]\s|[ .])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}|"
    r"[0-9A-Fa-f]{4}([.:-])[0-9A-Fa-f]{4}\2[0-9A-Fa-f]{4}|[0-9A-Fa-f]{6}[:-][0-9A-Fa-f]{6})"
    r"(?![0-9A-Fa-f]|[:-][0-9A-Fa-f])"
)
_OCTETS = re.compile(r"\d ?\. ?\d{1,3} ?\. ?\d")
_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:")
_BARE_MAC = re.compile(r"(?<![0-9A-Za-z])(?=[0-9A-F]*[A-F])(?=[A-F]*\d)[0-9A-F]{12}(?![0-9A-Za-z])", re.I)
_MAY_BE_MAC = re.compile(
    r"[0-9A-Fa-f]{2}(?:\s?[:-]\s?|[ .])[0-9A-Fa-f]{2}(?:\s?[:-]\s?|[ .])[0-9A-Fa-f]{2}|"
    r"[0-9A-Fa-f]{4}[0-9A-Fa-f]{0,2}[.:-][0-9A-Fa-f]{4}|"
    r"[0-9A-Fa-f]{12}"
)
_MAC_WORDS = re.compile(
    r"mac|bssid|ether|hw ?addr|vlan|arp|\bnic\b|\bbind|dhcp|物理地址|硬件地址|网卡|绑定|"
    r"交换机|终端|网关|bluetooth|蓝牙|设备|路由|无线|wi-?fi|device|router|adapter|白名单|掉线|"
    r"上线|机顶盒|联网|局域网|网络|打印机|printer|摄像头|camera|host|interface|sniff"
)


def find_machines(reading: Reading) -> Iterator[Span]:
    """IPv4 that is no version number, IPv6 and MAC."""
    text = reading.text
    if text.count(".") >= 3 and _OCTETS.search(text):
        for found in _IPV4.finditer(text):
            octets = [octet.strip() for octet in found[0].split(".")]
            if all(int(octet) <= 255 and octet == str(int(octet)) for octet in octets) and not is_no_address(
                reading, found
            ):
                yield Span(found.start(), found.end(), "ip", 0.95)
    if text.count(":") >= 2 and _COLONS.search(text):
        for found in _IP_SIXES.finditer(text):
            if found[0].count(":") >= 2 and _is_ip_six(found[0]):
                yield Span(found.start(), found.end(), "ip", 0.97)
    if not _MAY_BE_MAC.search(text):
        return
    named = _MAC_WORDS.search(reading.lower) is not None
    if named or text.count(":") >= 5 or text.count("-") >= 5 or text.count(".") >= 2:
        for found in _MAC.finditer(text):
            sure = found[1] in (":", "-") or found[2] == "."
            digits = found[0].replace("-", "")
            sure = sure and not (digits.isdecimal() and is_draw(digits, (2,) * (len(digits) // 2)))
            if sure or _says_mac(reading, found.start(), found.end()):
                yield Span(found.start(), found.end(), "mac", 0.97)
    if named:
        for found in _BARE_MAC.finditer(text):
            if _says_mac(reading, found.start(), found.end()):
                yield Span(found.start(), found.end(), "mac", 0.8)


def may_hold_machines(shape: Reading) -> bool:
    """May `find_machines` find anything in a text with other digits than ``shape``?"""
    text = shape.text
    if text.count(".") >= 3 and _IPV4.search(text):
        return True
    if text.count(":") >= 2 and any(found[0].count(":") >= 2 for found in _IP_SIXES.finditer(text)):
        return True
    return _MAY_BE_MAC.search(text) is not None and bool(_MAC.search(text) or _BARE_MAC.search(text))


def _says_mac(reading: Reading, start: int, end: int) -> bool:
    return bool(
        _MAC_WORDS.search(reading.lower, max(0, start - 32), start)
        or _MAC_WORDS.search(reading.lower, end, end + 20)
    )


def _is_ip_six(written: str) -> bool:
    try:
        address = ipaddress.IPv6Address(written)
    except ValueError:
        return False
    return len(written) > 5 or address.is_loopback
