"""Made-up numbers and secrets with the right check digits, real prefixes and real lengths.

Every function draws one value from the given generator; the same state of it gives the same value.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable

Maker = Callable[[random.Random], str]

UNION_PAY = {  # prefix -> length
    "622202": 19, "621226": 19, "622848": 19, "621700": 19, "621661": 19, "621799": 19, "623052": 19,
    "622588": 16, "621483": 16, "622700": 16, "625912": 16, "628288": 16, "622155": 16, "622918": 18,
    "621462": 17, "622262": 17, "622260": 17, "623058": 17,
}  # fmt: skip
OTHER_CARDS = {
    "4": 16,
    "51": 16,
    "53": 16,
    "55": 16,
    "2223": 16,
    "34": 15,
    "37": 15,
    "3528": 16,
    "6011": 16,
    "36": 14,
}
AREAS = (
    110101, 110105, 110108, 120104, 130102, 130602, 140105, 150102, 152501, 210102, 210203, 220102,
    230103, 310104, 310115, 320102, 320506, 330106, 330203, 340103, 350203, 350582, 360102, 370102,
    370203, 410105, 411625, 420106, 430103, 440106, 440305, 441900, 450103, 460105, 500103, 510107,
    513425, 520102, 522601, 530102, 533102, 540102, 610113, 620102, 630102, 640104, 650102, 654002,
)  # fmt: skip
MOBILE = (
    130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 145, 147, 150, 151, 152, 153, 155,
    156, 157, 158, 159, 166, 167, 170, 171, 172, 173, 175, 176, 177, 178, 180, 181, 182, 183,
    184, 185, 186, 187, 188, 189, 190, 191, 193, 195, 196, 197, 198, 199,
)  # fmt: skip
LANDLINE = {
    "010": 8, "020": 8, "021": 8, "023": 8, "025": 8, "027": 8, "028": 8, "0571": 8, "0755": 8, "0532": 8,
    "0731": 8, "0592": 7, "0991": 7, "0898": 8, "0931": 7, "0471": 7,
}  # fmt: skip
US_AREAS = (206, 212, 303, 312, 404, 415, 503, 512, 602, 617, 702, 713, 805, 916, 919)
PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
PLATE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # no I, no O
ALNUM = string.ascii_letters + string.digits
BASE36 = string.ascii_uppercase + string.digits


def digits(draw: random.Random, count: int) -> str:
    """``count`` digits, the first of which is no 0."""
    return str(draw.randint(10 ** (count - 1), 10**count - 1))


def chars(draw: random.Random, count: int, alphabet: str = ALNUM) -> str:
    """``count`` characters of ``alphabet``."""
    return "".join(draw.choices(alphabet, k=count))


def luhn_digit(head: str) -> str:
    """The digit that makes ``head`` a number of the Luhn kind (ISO/IEC 7812-1).

    >>> luhn_digit("411111111111111")
    '1'
    """
    doubled = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(head))]
    return str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def resident_digit(head: str) -> str:
    """The last character of a resident ID with these 17 digits (GB 11643-1999, ISO 7064 MOD 11-2).

    >>> resident_digit("11010519491231002")
    'X'
    """
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(head))
    return "10X98765432"[total % 11]


def card(draw: random.Random) -> str:
    """A bank card: UnionPay in two of three, else the international issuers."""
    issuers = UNION_PAY if draw.random() < 0.67 else OTHER_CARDS
    prefix = draw.choice(sorted(issuers))
    head = prefix + chars(draw, issuers[prefix] - len(prefix) - 1, string.digits)
    return head + luhn_digit(head)


def resident_id(draw: random.Random) -> str:
    """A mainland resident ID; every eighth ends in X, which by chance would be every eleventh."""
    wants_x = draw.random() < 0.04
    while True:
        born = f"{draw.randint(1948, 2012)}{draw.randint(1, 12):02}{draw.randint(1, 28):02}"
        head = f"{draw.choice(AREAS)}{born}" + f"{draw.randint(1, 999):03}"
        found = head + resident_digit(head)
        if found.endswith("X") or not wants_x:
            return found


def mobile(draw: random.Random) -> str:
    """A mainland mobile number, bare."""
    return f"{draw.choice(MOBILE)}{chars(draw, 8, string.digits)}"


def landline(draw: random.Random) -> str:
    """A mainland landline number with its area code."""
    area = draw.choice(sorted(LANDLINE))
    number = draw.choice("256") + chars(draw, LANDLINE[area] - 1, string.digits)
    return draw.choice((f"{area}-{number}", f"{area}{number}", f"({area}){number}", f"{area} {number}"))


def phone_zh(draw: random.Random) -> str:
    """A number as people in China write it."""
    kind = draw.random()
    if kind < 0.7:
        return mobile(draw)
    if kind < 0.84:
        return landline(draw)
    if kind < 0.9:
        number = draw.choice(("400", "800")) + "8" + chars(draw, 6, string.digits)
        return draw.choice((number, f"{number[:3]}-{number[3:6]}-{number[6:]}", f"{number[:3]}-{number[3:]}"))
    return draw.choice(("+86", "+86 ", "+86-", "0086", "(+86)")) + mobile(draw)


def phone_us(draw: random.Random) -> str:
    """A number of the North American plan."""
    area, exchange, line = draw.choice(US_AREAS), digits(draw, 3), chars(draw, 4, string.digits)
    exchange = draw.choice("23456789") + "2468"[int(exchange) % 4] + exchange[-1]  # never N11
    forms = (
        "({}) {}-{}",
        "{}-{}-{}",
        "{}.{}.{}",
        "+1 {} {} {}",
        "+1-{}-{}-{}",
        "1-{}-{}-{}",
        "+1 ({}) {}-{}",
    )
    return draw.choice(forms).format(area, exchange, line)


def phone_uk(draw: random.Random) -> str:
    """A British mobile or London number."""
    if draw.random() < 0.3:
        number = f"{draw.choice('78')}{chars(draw, 3, '3456789')} {chars(draw, 4, string.digits)}"
        return draw.choice((f"020 {number}", f"+44 20 {number}"))
    head, tail = (
        draw.choice(("7400", "7538", "7712", "7801", "7890", "7975")),
        chars(draw, 6, string.digits),
    )
    return draw.choice((f"0{head} {tail}", f"+44 {head} {tail}", f"0{head}{tail}", f"+44{head}{tail}"))


def phone_intl(draw: random.Random) -> str:
    """A number with its country code: India, Germany, France, Australia, Singapore, Hong Kong, Japan."""
    number = chars(draw, 10, "2345678")
    return draw.choice(
        (
            f"+91 98{number[:3]} {number[3:8]}",
            f"+91-97{number[:8]}",
            f"+49 151 {number[:8]}",
            f"+33 6 {number[:2]} {number[2:4]} {number[4:6]} {number[6:8]}",
            f"+61 41{number[0]} {number[2:5]} {number[5:8]}",
            f"+65 9{number[:3]} {number[3:7]}",
            f"+852 9{number[:3]} {number[3:7]}",
            f"+81 90-{number[:4]}-{number[4:8]}",
        )
    )


def phone_en(draw: random.Random) -> str:
    """A number as it stands in English text."""
    return draw.choices((phone_us, phone_uk, phone_intl, mobile), weights=(5, 2, 2, 1))[0](draw)


def plate(draw: random.Random) -> str:
    """A mainland number plate, a third of them of new-energy cars (one character longer)."""
    head = draw.choice(PROVINCES) + draw.choice(PLATE_LETTERS)
    tail = chars(draw, 5, string.digits)
    if draw.random() < 0.34:
        tail = draw.choice("DF") + tail
    else:
        place = draw.randrange(4)
        tail = tail[:place] + draw.choice(PLATE_LETTERS) + tail[place + 1 :]
    return head + draw.choice(("", "", "", "·", " ")) + tail


def plate_uk(draw: random.Random) -> str:
    """A British number plate: LK19 XYZ."""
    return f"{chars(draw, 2, PLATE_LETTERS)}{draw.randint(10, 24)} {chars(draw, 3, PLATE_LETTERS)}"


def plate_us(draw: random.Random) -> str:
    """A Californian number plate: 8ABC123."""
    return f"{draw.randint(4, 9)}{chars(draw, 3, PLATE_LETTERS)}{draw.randint(100, 999)}"


def ip(draw: random.Random) -> str:
    """An IPv4 address, or one of five times IPv6; none of them stands for the machine itself."""
    if draw.random() < 0.8:
        head = draw.choice(
            ("10", "192.168", "172.16", "172.31", "47.98", "39.105", "120.27", "203.0", "81.2", "66")
        )
        parts = [head, *(str(draw.randint(1, 254)) for _ in range(3 - head.count(".")))]
        return ".".join(parts)
    groups = [f"{draw.randrange(1, 1 << 16):x}" for _ in range(8)]
    head = draw.choice(("2001:db8", "2408:8000", "240e:3a1", "fe80", "2a02:c7d"))
    if head == "fe80" or draw.random() < 0.5:
        return f"{head}::{':'.join(groups[:4])}"
    return f"{head}:{':'.join(groups[2:])}"


def mac(draw: random.Random) -> str:
    """A MAC address with colons, dashes, or three groups with dots."""
    pairs = [f"{draw.randrange(256):02x}" for _ in range(6)]
    four = [pairs[place] + pairs[place + 1] for place in (0, 2, 4)]
    return draw.choice((":".join(pairs), ":".join(pairs).upper(), "-".join(pairs).upper(), ".".join(four)))


def passport_zh(draw: random.Random) -> str:
    """A Chinese passport: E or G and 8 digits, or E, a letter and 7 digits."""
    head = draw.choice(("E", "E", "G", f"E{draw.choice(PLATE_LETTERS)}"))
    return head + digits(draw, 9 - len(head))


def passport_en(draw: random.Random) -> str:
    """A Chinese, American or British, Indian or German passport."""
    german = f"C{chars(draw, 8, 'CFGHJKLMNPRTVWXYZ0123456789')}"
    indian = draw.choice("JKLMNPRSTUVZ") + digits(draw, 7)
    return draw.choice((passport_zh(draw), digits(draw, 9), indian, german))
