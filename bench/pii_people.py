"""Made-up people: names of many cultures, addresses of many forms, e-mail addresses, birth dates.

The words stand in one file a half (`bench/pii/words_*.yaml`), so that no name or street is in both.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Mapping

from pydantic import Field

from bench import pii_secrets, pii_values
from bench.pii_values import Maker, chars, digits
from sft_shared.config import Settings

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_NUMERALS = "〇一二三四五六七八九"


class Culture(Settings):
    """First and last names that go together, and how they are put together."""

    first: tuple[str, ...] = Field(min_length=1)
    last: tuple[str, ...] = Field(min_length=1)
    form: str = "{first} {last}"


class Words(Settings):
    """What names and addresses are put together from; a part in ``|`` is one component of an address."""

    surnames: tuple[str, ...]
    compound_surnames: tuple[str, ...]
    given_names: tuple[str, ...]
    dotted_names: tuple[str, ...]  # minority and transcribed names, with ·
    cultures: Mapping[str, Culture]
    regions: tuple[str, ...]  # province|city|district
    villages: tuple[str, ...]  # province|city|county|town|village
    roads: tuple[str, ...]
    communities: tuple[str, ...]
    towers: tuple[str, ...]
    us_cities: tuple[str, ...]
    us_streets: tuple[str, ...]
    uk_places: tuple[str, ...]
    uk_streets: tuple[str, ...]
    india: tuple[str, ...]
    australia: tuple[str, ...]
    china_en: tuple[str, ...]
    mail_names: tuple[str, ...]
    mail_domains: tuple[str, ...]
    products_zh: tuple[str, ...]
    products_en: tuple[str, ...]


def name_zh(draw: random.Random, words: Words) -> str:
    """A Chinese name of two to four characters; one in fourteen is compound, one in twenty has a dot."""
    kind = draw.random()
    if kind < 0.05:
        return draw.choice(words.dotted_names)
    return draw.choice(words.compound_surnames if kind < 0.12 else words.surnames) + draw.choice(
        words.given_names
    )


def name_en(draw: random.Random, words: Words) -> str:
    """A name in Latin letters; two of five are English."""
    names = sorted(words.cultures)
    culture = words.cultures["english" if draw.random() < 0.4 else draw.choice(names)]
    initial = f" {draw.choice('ABCDEGHJKLMNPRSTW')}." if draw.random() < 0.06 else ""
    return culture.form.format(
        first=draw.choice(culture.first) + initial,
        last=draw.choice(culture.last),
        other=draw.choice(culture.last),
    )


def address_zh(draw: random.Random, words: Words) -> str:
    """A Chinese address: whole, without the province, of a village, of an office, or only its last parts."""
    province, city, district = draw.choice(words.regions).split("|")
    province = "" if province == city else province  # Shanghai is its own province
    road = f"{draw.choice(words.roads)}{draw.randint(1, 1888)}号"
    home = draw.choice(words.communities) + draw.choice(
        (
            f"{draw.randint(1, 38)}栋{draw.randint(1, 6)}单元{draw.randint(101, 3205)}室",
            f"{draw.randint(1, 38)}号楼{draw.randint(101, 2805)}",
            f"{draw.randint(1, 38)}幢{draw.randint(101, 3205)}室",
            f"{draw.choice('ABC')}座{draw.randint(101, 3205)}",
        )
    )
    office = f"{draw.choice(words.towers)}{draw.randint(2, 48)}层"
    village = "".join(draw.choice(words.villages).split("|"))
    return draw.choices(
        (
            f"{province}{city}{district}{road}{home}",
            f"{city}{district}{road}{home}",
            f"{province}{city}{district}{road}",
            f"{province} {city} {district} {road}{home}".strip(),
            f"{city}{district}{road}{office}",
            f"{district}{road}",
            f"{district}{home}",
            f"{road}{home}",
            home,
            f"{village}{draw.randint(1, 12)}组{draw.randint(1, 98)}号",
            village,
        ),
        weights=(5, 4, 2, 1, 3, 2, 2, 2, 2, 2, 1),
    )[0]


def address_en(draw: random.Random, words: Words) -> str:
    """An address in English: American, British, Indian, Australian, Chinese, or only its street."""
    number = draw.randint(2, 9800)
    street = f"{number} {draw.choice(words.us_streets)}"
    flat = draw.choice((f"Apt {draw.randint(1, 40)}{draw.choice('ABC')}", f"Suite {draw.randint(100, 900)}"))
    british = f"{draw.randint(1, 240)} {draw.choice(words.uk_streets)}"
    indian = f"{draw.randint(1, 60)}{draw.choice('ABCD')}"
    return draw.choices(
        (
            f"{street}, {draw.choice(words.us_cities)}",
            f"{street}, {flat}, {draw.choice(words.us_cities)}",
            street,
            f"{street}, {flat}",
            f"{british}, {draw.choice(words.uk_places)}",
            f"Flat {draw.randint(1, 30)}, {british}, {draw.choice(words.uk_places)}",
            f"Flat {indian}, {draw.choice(words.india)}",
            f"{draw.randint(1, 20)}/{draw.randint(1, 300)} {draw.choice(words.australia)}",
            f"Room {draw.randint(101, 2805)}, Building {draw.randint(1, 30)}, No. {draw.randint(1, 900)} "
            f"{draw.choice(words.china_en)}",
        ),
        weights=(5, 3, 2, 1, 3, 1, 1, 1, 2),
    )[0]


def email(draw: random.Random, words: Words) -> str:
    """An e-mail address: QQ numbers, dots, underscores, plus tags, sub-domains."""
    one, two, domain = (
        draw.choice(words.mail_names),
        draw.choice(words.mail_names),
        draw.choice(words.mail_domains),
    )
    return draw.choice(
        (
            f"{digits(draw, draw.choice((8, 9, 10)))}@qq.com",
            f"{one}{draw.randint(1, 9999)}@{domain}",
            f"{one}.{two}@{domain}",
            f"{one}_{two}{draw.randint(1, 99)}@{domain}",
            f"{one}+{draw.choice(('shop', 'bills', 'news', 'jobs'))}@{domain}",
            f"{one[0].upper()}{one[1:]}.{two.title()}@{domain}",
            f"{one}-{draw.randint(70, 99)}@{draw.choice(('mail', 'corp', 'stu', 'eu'))}.{domain}",
        )
    )


def birth_date_zh(draw: random.Random) -> str:
    """A date of birth as it stands in Chinese text, now and then in Chinese numerals."""
    year, month, day = draw.randint(1950, 2011), draw.randint(1, 12), draw.randint(1, 28)
    forms = (f"{year}年{month}月{day}日", f"{year}-{month:02}-{day:02}", f"{year}/{month}/{day}")
    numerals = "".join(_NUMERALS[int(digit)] for digit in str(year))
    spoken = f"{numerals}年{_spoken(month)}月{_spoken(day)}日"
    compact = (f"{year}.{month:02}.{day:02}", f"{year}年{month:02}月{day:02}日")
    return draw.choices((*forms, *compact, spoken), weights=(4, 4, 2, 1, 1, 1))[0]


def _spoken(number: int) -> str:
    """1 to 31 in Chinese numerals: 二十三."""
    tens, ones = divmod(number, 10)
    head = {0: "", 1: "十"}.get(tens, f"{_NUMERALS[tens]}十")
    return head + (_NUMERALS[ones] if ones else "")


def birth_date_en(draw: random.Random) -> str:
    """A date of birth as it stands in English text."""
    year, month, day = draw.randint(1950, 2011), draw.randint(1, 12), draw.randint(1, 28)
    name = MONTHS[month - 1]
    return draw.choice(
        (
            f"{name} {day}, {year}",
            f"{day} {name} {year}",
            f"{month:02}/{day:02}/{year}",
            f"{year}-{month:02}-{day:02}",
            f"{name[:3]} {day}, {year}",
            f"{day:02}-{name[:3]}-{year}",
        )
    )


NUMBERS: dict[str, Maker] = {  # slot of a template -> what fills it
    "card": pii_values.card,
    "resident_id": pii_values.resident_id,
    "phone.mobile": pii_values.mobile,
    "phone.landline": pii_values.landline,
    "phone.zh": pii_values.phone_zh,
    "phone.us": pii_values.phone_us,
    "phone.uk": pii_values.phone_uk,
    "phone.en": pii_values.phone_en,
    "plate": pii_values.plate,
    "plate.uk": pii_values.plate_uk,
    "plate.us": pii_values.plate_us,
    "ip": pii_values.ip,
    "mac": pii_values.mac,
    "passport.zh": pii_values.passport_zh,
    "passport.en": pii_values.passport_en,
    "account": pii_secrets.account,
    "account.iban": pii_secrets.iban,
    "account.wechat": pii_secrets.wechat,
    "account.qq": lambda draw: digits(draw, draw.choice((8, 9, 10))),
    "order": pii_secrets.order,
    "api_key": pii_secrets.api_key,
    "password": pii_secrets.password,
    "password.hex": lambda draw: chars(draw, 12, string.ascii_lowercase + string.digits),
    "birth_date.zh": birth_date_zh,
    "birth_date.en": birth_date_en,
}
FROM_WORDS: dict[str, Callable[[random.Random, Words], str]] = {
    "name.zh": name_zh,
    "name.en": name_en,
    "name.first": lambda draw, words: draw.choice(words.cultures["english"].first),
    "name.last": lambda draw, words: draw.choice(words.cultures["english"].last),
    "name.surname": lambda draw, words: draw.choice(words.surnames),
    "address.zh": address_zh,
    "address.en": address_en,
    "email": email,
}
