"""Versions, clauses and masks are no addresses of machines; addresses beside words of versions are."""

from __future__ import annotations

import pytest

from sft_shared.data.desensitise.find import Finder, FindSettings

FINDER = Finder(FindSettings())


def addresses(text: str) -> list[str]:
    return [text[span.start : span.end] for span in FINDER.find(text) if span.kind == "ip"]


@pytest.mark.parametrize(
    "text",
    [
        *("固件3.10.2.1刷完就变砖", "OID 1.3.6.1", "条款7.2.1.3怎么理解", "upgrade from 1.2.0.3 to 1.2.0.4"),
        *("微信8.0.49.22能用吗", "table 3.2.10.4 lists the values", "netmask 255.255.254.0", "监听0.0.0.0"),
        *(
            "客户端更新到了 8.0.44.23 之后连接不上服务器",
            "since 5.2.18.44 the client cannot connect to the server",
        ),
        *("Our gateway runs 9.8.4.12 and the fix landed in 9.8.5.1", "路由器刷到 3.0.4.38 之后断流"),
        *("I'm on 12.4.1.10 of the app and it crashes", "UA: Chrome/99.0.48.51", "foo_1.2.3.4_amd64.deb"),
    ],
)
def test_what_is_no_address_is_left(text: str) -> None:
    """Nor is what every machine has."""
    assert addresses(text) == []


@pytest.mark.parametrize(
    ("text", "address"),
    [
        *(("server 8.20.3.5 is down", "8.20.3.5"), ("升级之后服务器47.98.1.3连不上", "47.98.1.3")),
        *(("Connection from 5.6.7.8 port 22", "5.6.7.8"), ("有人从36.112.4.9登录", "36.112.4.9")),
        *(("8.20.3.5 访问异常", "8.20.3.5"), ("the client was accessed from 8.20.3.5", "8.20.3.5")),
        *(("the driver app on host 47.98.1.3 crashed", "47.98.1.3"), ("http://10.1.2.3:8080/x", "10.1.2.3")),
    ],
)
def test_an_address_is_found_whatever_its_numbers(text: str, address: str) -> None:
    """What speaks of hosts counts more than what speaks of versions."""
    assert addresses(text) == [address]
