"""Made-up accounts, orders, keys and passwords, and the harmless numbers that resemble personal ones."""

from __future__ import annotations

import random
import string

from bench.pii_values import BASE36, Maker, chars, digits, luhn_digit

_HEX = "0123456789abcdef"
_URL = string.ascii_letters + string.digits + "-_"


def account(draw: random.Random) -> str:
    """A bank, member or utility account: digits that are no card, or letters and digits."""
    length = draw.choice((8, 10, 12, 14, 17))
    number = digits(draw, length - 1)
    number += str((int(luhn_digit(number)) + draw.randint(1, 9)) % 10)
    prefix = draw.choice(("VIP", "M", "UID", "HY", "CU-", "AC"))
    return draw.choice((number, number, f"{prefix}{digits(draw, 8)}"))


def iban(draw: random.Random) -> str:
    """A German or British IBAN with its check digits (ISO 13616), in groups of four or in one."""
    country, bank = draw.choice(
        (("DE", digits(draw, 18)), ("GB", chars(draw, 4, "ABCDEFGHKLNW") + digits(draw, 14)))
    )
    numeric = "".join(str(int(char, 36)) for char in bank + country + "00")
    found = f"{country}{98 - int(numeric) % 97:02}{bank}"
    grouped = " ".join(found[place : place + 4] for place in range(0, len(found), 4))
    return draw.choice((found, grouped))


def wechat(draw: random.Random) -> str:
    """A WeChat id as the app hands them out."""
    return "wxid_" + chars(draw, 14, string.ascii_lowercase + string.digits)


def order(draw: random.Random) -> str:
    """An order number of a shop."""
    day = f"20{draw.randint(20, 26)}{draw.randint(1, 12):02}{draw.randint(1, 28):02}"
    return draw.choice(
        (
            not_luhn(draw, day + digits(draw, 8)),
            draw.choice(("DD", "SO", "TB", "JD", "XS")) + day + digits(draw, 6),
            f"{digits(draw, 3)}-{digits(draw, 7)}-{digits(draw, 7)}",
            f"{draw.choice(('PO', 'ORD', 'WEB', 'SO'))}-{day[:4]}-{digits(draw, 6)}",
            f"{draw.choice(('E', 'W', 'R'))}{digits(draw, 9)}",
        )
    )


def api_key(draw: random.Random) -> str:
    """A key or token of one of many vendors."""
    return draw.choice(
        (
            "sk-" + chars(draw, 48),
            "sk-proj-" + chars(draw, 64, _URL),
            "sk-ant-api03-" + chars(draw, 60, _URL),
            "AKIA" + chars(draw, 16, string.ascii_uppercase + "234567"),
            "LTAI5t" + chars(draw, 18),
            "AKID" + chars(draw, 32),
            "ghp_" + chars(draw, 36),
            "glpat-" + chars(draw, 20, _URL),
            "AIza" + chars(draw, 35, _URL),
            f"xoxb-{digits(draw, 12)}-{digits(draw, 12)}-{chars(draw, 24)}",
            "sk_live_" + chars(draw, 24),
            "hf_" + chars(draw, 34, string.ascii_letters),
            f"SG.{chars(draw, 22, _URL)}.{chars(draw, 43, _URL)}",
            "npm_" + chars(draw, 36),
            f"eyJhbGciOiJIUzI1NiJ9.eyJ{chars(draw, 60)}.{chars(draw, 43, _URL)}",
            chars(draw, 32, _HEX),
            chars(draw, 40),
        )
    )


def password(draw: random.Random) -> str:
    """A password as people choose them, or as a generator does; without quotes and blanks."""
    word = draw.choice(("Sunshine", "dragon", "Liverpool", "woaini", "Summer", "iloveyou", "Tianxia", "qwer"))
    return draw.choice(
        (
            f"{word}{draw.choice('@#!_')}{draw.randint(100, 99999)}",
            f"{word}{draw.randint(1970, 2024)}!",
            chars(draw, 5) + draw.choice("!@#$%^&*") + chars(draw, 5) + draw.choice(string.digits),
            f"{chars(draw, 4, string.ascii_lowercase)}{digits(draw, 4)}{draw.choice('!#*')}",
            "-".join(chars(draw, 4, string.ascii_lowercase) + digits(draw, 1) for _ in range(3)),
        )
    )


def not_luhn(draw: random.Random, number: str) -> str:
    """``number`` with its last digit changed, if need be, so that it is no card by chance."""
    if number[-1] != luhn_digit(number[:-1]):
        return number
    return number[:-1] + str((int(number[-1]) + draw.randint(1, 9)) % 10)


def _amount(draw: random.Random) -> str:
    return draw.choice(
        (f"{draw.randint(1, 9999)}.{draw.randint(0, 99):02}", f"{draw.randint(1, 999):,}", digits(draw, 5))
    )


def _day(draw: random.Random) -> str:
    return f"{draw.randint(2023, 2026)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"


def _clock(draw: random.Random) -> str:
    return f"{draw.randrange(24):02}:{draw.randrange(60):02}"


def _isbn(draw: random.Random) -> str:
    head = "978" + draw.choice(("7", "0", "1")) + digits(draw, 8)
    total = sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(head))
    return f"{head}{-total % 10}"


def _version(draw: random.Random) -> str:
    return ".".join(str(draw.randint(0, 30)) for _ in range(draw.choice((3, 3, 4))))


def _coordinates(draw: random.Random) -> str:
    return f"{draw.uniform(20, 45):.6f}, {draw.uniform(75, 125):.6f}"


FILLERS: dict[str, Maker] = {
    "amount": _amount,
    "day": _day,
    "clock": _clock,
    "stamp": lambda draw: f"{_day(draw)}T{_clock(draw)}:{draw.randrange(60):02}.{draw.randrange(1000):03}Z",
    "count": lambda draw: str(draw.randint(2, 480)),
    "percent": lambda draw: f"{draw.uniform(0.1, 99):.2f}%",
    "serial": lambda draw: not_luhn(
        draw, f"20{draw.randint(20, 26)}{draw.randint(1, 12):02}{digits(draw, 10)}"
    ),
    "epoch_ms": lambda draw: not_luhn(draw, f"17{digits(draw, 11)}"),
    "epoch": lambda draw: f"17{digits(draw, 8)}",
    "sku": lambda draw: (
        f"{chars(draw, 2, string.ascii_uppercase)}-{digits(draw, 4)}-{chars(draw, 3, BASE36)}"
    ),
    "barcode": lambda draw: not_luhn(draw, f"69{digits(draw, 11)}"),
    "isbn": _isbn,
    "version": _version,
    "coordinates": _coordinates,
    "commit": lambda draw: chars(draw, 7, _HEX),
    "lottery": lambda draw: " ".join(f"{ball:02}" for ball in sorted(draw.sample(range(1, 34), 6))),
    "big": lambda draw: not_luhn(draw, digits(draw, draw.choice((9, 10, 12)))),
}
