"""A password is found as far as its sentence goes; rules and failures about passwords stay."""

from __future__ import annotations

import pytest

from sft_shared.data.desensitise.cues import Reading
from sft_shared.data.desensitise.folding import fold
from sft_shared.data.desensitise.passwords import find_passwords


def passwords(text: str) -> set[str]:
    return {text[span.start : span.end] for span in find_passwords(Reading(fold(text)))}


@pytest.mark.parametrize(
    ("text", "password"),
    [
        ("新密码我先给你设成 Qm!7702zk 了", "Qm!7702zk"),
        ("支付密码好像输的是775533", "775533"),
        ("你输一下602817,这个是验证码", "602817"),
        ("把登录密码重置成Init#4521吧", "Init#4521"),
        ("开门密码5829#", "5829#"),
        ("i keep typing monkey1975 for my password", "monkey1975"),
        ("login is jsmith / Winter2023!", "Winter2023!"),
        ("mysql -u app -pQw3rty!x -h db1", "Qw3rty!x"),
        ("Your one-time passcode is 551 902.", "551 902"),
        ("use code 774120 to sign in", "774120"),
        ("the alarm PIN is 6 6 2 1", "6 6 2 1"),
        ("export DB_PASS='p0stGr3s!'", "p0stGr3s!"),
        ("验证码是多少\n618044", "618044"),
    ],
)
def test_a_password_is_found_behind_its_filler(text: str, password: str) -> None:
    """Whatever is said between the cue and the value, and where the value comes first."""
    assert password in passwords(text)


@pytest.mark.parametrize(
    "text",
    [
        "Password policy: min12, max64",
        "密码输错5次锁定24小时",
        "验证码60秒内有效",
        "How do I change my password on iPhone15?",
        "password reset link valid for 24hours",
        "enter promo code 20245 at login",
        "error code 50012 when I log in",
        '{"sku": "PW-6628-FAJ"}',
        "pay-gateway amount=55068 code=51",
        "Login failed, code view enabled since 2024",
    ],
)
def test_talk_about_passwords_stays(text: str) -> None:
    """Lengths, times, years, devices, and codes of other kinds."""
    assert passwords(text) == set()
