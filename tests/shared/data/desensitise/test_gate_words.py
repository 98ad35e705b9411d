"""The gate's look at e-mails, secrets and addresses."""

from __future__ import annotations

from typing import Any

import pytest

from sft_shared.data.desensitise.gate_words import words
from sft_shared.data.desensitise.numerals import plain


def found(text: str) -> list[tuple[str, str, bool]]:
    """(kind, text, certain) of the hits."""
    return [(hit.kind, text[hit.start : hit.end], hit.certain) for hit in words(plain(text))]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(
            ("email", "zhang.wei88@qq.com"),
            ("email", "ｚｈａｎｇ＠ｑｑ．ｃｏｍ"),
            ("email", "a+b@mail.corp.com.cn"),
        ),
        *(("api_key", "sk-abcdefghijklmnopqrstuvwx1234"), ("api_key", "AKIAIOSFODNN7ABCDEFG")),
        *(("api_key", "ghp_abcdefghij0123456789ABCDEFGHIJ012345"), ("api_key", "LTAI5tAbCdEfGhIjKlMn")),
        ("api_key", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"),
        ("api_key", "-----BEGIN RSA PRIVATE KEY-----\nM"),
    ],
)
def test_an_unmistakable_form_is_certain(kind: str, value: str) -> None:
    """In a sentence in either language."""
    for frame in ("{}", "是{}，", "it is {} ."):
        assert (kind, value, True) in found(frame.format(value))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "x@example.com",
            "x@mail.example.org",
            "x@host.test",
            "x@corp.invalid",
            "icon@2x.png",
            "@张三 你好",
        ),
        *("npm i @scope/pkg", "a@b", "sk-1", "AKIA", "127.0.0.1", "IP: 10.1.2.3", "ip 192.168.1.1"),
        *("IP地址 198.18.2.3", "dns 8.8.8.8", "999.1.1.1", "http://host:8080/x@y", "密码是[密码]"),
    ],
)
def test_what_is_nobody_s_is_nothing(text: str) -> None:
    """Reserved domains and networks, files, handles, host names, tags."""
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "git@github.com",
        "noreply@corp.com",
        "version 4.3.2.1",
        "sk-xxxxxxxxxxxxxxxxxxxxxxxx",
        "密码是abc12345",
    ],
)
def test_what_may_be_somebody_s_is_suspect(text: str) -> None:
    """Mailboxes of machines, numbers like addresses, dummies, words behind a cue."""
    assert [certain for _, _, certain in found(text)] == [False]


@pytest.mark.parametrize(
    "cue", ["IP: ", "ip=", "客户端IP地址是", '"ip": "', "登录IP为", "the IP address is "]
)
def test_a_public_ip_address_is_certain_where_it_is_called_one(cue: str) -> None:
    """Without a cue it may be a version, or a server's."""
    assert ("ip", "123.45.67.89", True) in found(f"{cue}123.45.67.89")
    assert ("ip", "123.45.67.89", False) in found("123.45.67.89")


def test_a_password_in_an_address_is_certain_unless_it_is_a_dummy() -> None:
    """postgres://user:password@host is documentation."""
    assert ("password", "hunter2x", True) in found("postgres://bob:hunter2x@db/x")
    assert ("password", "password", True) not in found("postgres://bob:password@db/x")


@pytest.mark.parametrize(
    "piece", ["a@", "a@b.", "1.", "://a:", "eyJ", "sk-", "password:", "a", "-----BEGIN "]
)
def test_hostile_text_takes_linear_time(piece: str, grows_linearly: Any) -> None:
    """300 kB of what the patterns are made of."""
    grows_linearly(lambda count: list(words(piece * count + "@")), 300_000 // len(piece))
