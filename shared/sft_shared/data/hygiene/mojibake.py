"""Characters that stand there because bytes were read in a wrong encoding."""

from __future__ import annotations

import re

_BROKEN = re.compile("[\ufffd\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ue000-\uf8ff]|锟斤拷?|烫烫烫+|屯屯屯+")
_WESTERN = re.compile(r"[\u0080-\u024f\u02c6\u02dc\u2013-\u203a\u20ac\u2122]{2,}")
_CHINESE = re.compile("[\u00a4-\u00f7\u2010-\u2642\u3000-\u33ff\u4e00-\u9fff\uff01-\uffe5\ue000-\uf8ff€]{3,}")
_TELLTALES = "鐨涓鍥鎴锛銆鐢浣鍙鏄鏈鍦闂璇鎮鏂鍒浜浠鎵缁鍚瀹妗璁闄鎺鍗璐"
_TELLTALE = re.compile(f"[{_TELLTALES}]")
_SUSPECT = re.compile(  # with which all of the above begin, or what they hold
    f"[\ufffd\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\u024f\u02c6\u02dc\u2013-\u203a\u20ac\u2122\ue000-\uf8ff锟烫屯{_TELLTALES}]"
)
_TABLE = {code: bytes([code]) for code in range(0x80, 0x100)}


def garbled_chars(text: str) -> int:
    """How many characters of ``text`` come from a wrong encoding.

    Counted are U+FFFD, control and private characters, 锟斤拷 and the like, and runs that are UTF-8 once
    they are written in Windows-1252 or GBK again.

    >>> garbled_chars("déjà vu 你好"), garbled_chars("dÃ©jÃ  vu"), garbled_chars("鐢ㄦ埛鏃犳硶鐧诲綍")
    (0, 2, 9)
    """
    if not _SUSPECT.search(text):
        return 0
    bad = sum(map(len, _BROKEN.findall(text)))
    bad += sum(len(run) for run in _WESTERN.findall(text) if _is_utf8(_western_bytes(run)))
    if _TELLTALE.search(text):
        bad += sum(len(run) for run in _CHINESE.findall(text) if _TELLTALE.search(run) and _was_chinese(run))
    return bad


def _western_bytes(run: str) -> bytes:
    """Windows-1252; the five bytes it leaves open as Latin-1 has them, which is what browsers do."""
    return b"".join(
        _TABLE[ord(char)] if ord(char) in _TABLE else char.encode("cp1252", "replace") for char in run
    )


def _is_utf8(data: bytes) -> bool:
    """Whether ``data`` is UTF-8, but for a last character that may be cut off."""
    for end in range(len(data), max(len(data) - 3, 1), -1):
        try:
            return len(data[:end].decode("utf-8")) < end
        except UnicodeDecodeError:
            continue
    return False


def _was_chinese(run: str) -> bool:
    """Whether a run's GBK bytes are UTF-8 of Chinese for the most part; what was lost shows as errors."""
    text = run.encode("gb18030", "replace").decode("utf-8", "replace")
    good = sum("\u3000" <= char <= "\u9fff" or "\uff00" <= char <= "\uffef" for char in text)
    return good >= 2 and good >= 0.6 * len(text)
