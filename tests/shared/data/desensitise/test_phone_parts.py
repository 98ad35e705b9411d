"""Telephone numbers in parts, with additions, with words on their keys, and as many countries write them."""

from __future__ import annotations

import pytest

from sft_shared.data.desensitise.find import Finder, FindSettings

FINDER = Finder(FindSettings())


def telephones(text: str) -> list[str]:
    return [text[span.start : span.end] for span in FINDER.find(text) if span.kind == "phone"]


def split(turns: list[str]) -> list[list[str]]:
    found = FINDER.find_in_turns(turns)
    return [
        [text[span.start : span.end] for span in spans if span.kind == "phone"]
        for text, spans in zip(turns, found, strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("my mobile is 07733, then 418 220", ["07733, then 418 220"]),
        ("it's area code 206, and the rest is 555 0143", ["206", "555 0143"]),
        ("his cell: it starts 0412 and finishes 555 190", ["0412", "555 190"]),
        ("phone 206 dot 555 dot 0143", ["206 dot 555 dot 0143"]),
        ("mobile 07733*418*220", ["07733*418*220"]),
        ("phone (206)-(555)-(0143)", ["(206)-(555)-(0143)"]),
        ("just try 555-0143, same code", ["555-0143"]),
        ("555-0143, ask for the manager", ["555-0143"]),
        ("cell 206☎️555☎️0143", ["206☎️555☎️0143"]),
        ("call +44 7733\n418220", ["+44 7733\n418220"]),
        ("206... 555... 0143", ["206... 555... 0143"]),
        ("206*555*0143 is mine", ["206*555*0143"]),
        ("(206)(555)(0143)", ["(206)(555)(0143)"]),
        ("+1 (206) 555\n0143", ["+1 (206) 555\n0143"]),
        ("555-0143, please ask for Dan", ["555-0143"]),
        ("hit me up at five five five oh one four three", ["five five five oh one four three"]),
        ("my cell ends in 0143 and starts with 206555", ["0143", "206555"]),
        ("552-0143, and the area code is 206", ["552-0143", "206"]),
        ("it's the 206 area, then 552 0143", ["206", "552 0143"]),
        ("country code 44, then 7733 418220", ["44", "7733 418220"]),
        ("206 555 01 43", ["206 555 01 43"]),
    ],
)
def test_a_number_in_parts_is_found(text: str, numbers: list[str]) -> None:
    """Parts close by are one value; of parts with words between, each is one."""
    assert telephones(text) == numbers


@pytest.mark.parametrize(
    "text",
    [
        "cell 12, 44, 206, 555, 143",
        "call me at 10, then 11, then 12",
        "text him by 5 30 on 24 06 2026",
        "the phone fell from 2400 to 1899, then 1750",
        "plus 12 345 678 in sales",
        "Smith (2020) 123 4567",
        "version 800-SERIES is out",
        "port 415-UDPX-4",
        "0 1 2 3 4 5 6 7 8 9",
        "log_0712_345_986.txt",
        "Call of Duty 4 2007 1080",
        "p/n 07733-418220 gasket",
        "meter reading 0416 2286 99",
        "zips 94107 94110",
        "call 415 about the 286 boxes of 9931",
        "twenty twenty, twenty twenty one, twenty twenty two",
        "port 206:555:0143:99",
        "my cell number ends in 0143 and starts to ring",
        "set 734-0143 aside",
        '{"from":1718092211,"to":1718095811}',
        '{"photo":"2065550143"}',
        "offset to=2147483647",
        "the area is 206 and 734-0143 is the part",
        "country code 44, then 12 of 1000000",
    ],
)
def test_other_numbers_near_words_of_telephones_are_left(text: str) -> None:
    """Lists, hours, models, readings."""
    assert telephones(text) == []


@pytest.mark.parametrize(
    "number",
    [
        "0800 555 4471 extension 204",
        "+1 206-555-0143;ext=22",
        "206-555-0143 (ext 9)",
        "020 7946 0387/8",
        "0161-496-0219 or 0220",
        "206-555-0147/0148/0149",
        "(206) 555-0150, -0151 and -0152",
        "206-555-0182, press 2",
        "206-555-0182 / ext 22",
        "206-555-0182, and it's extension twenty-two",
        "2065550182x22",
        "+1 206 555 0156,,84412345#",
        "13755501426/27",
        "two oh six five five five oh one four three, extension four two",
    ],
)
def test_what_is_said_in_addition_belongs_to_the_number(number: str) -> None:
    """Extensions, and the other last digits of a second line."""
    assert telephones(f"call {number}, please") == [number]


@pytest.mark.parametrize(
    "number",
    [
        "011 44 20 7946 0381",
        "00 49 151 2233 4456",
        "0011 44 7733 418 220",
        "00-44-7733-418220",
        "0044(0)7733 418220",
        "44(0)7733418220",
        "44 7733 418220",
        "plus 1 206 555 0143",
        "234 803 555 0106",
        "(65) 9123 4480",
        "(11) 98123-4417",
        "(0)20 7946 0389",
        "07733  418  220",
        "{0161} 496 0224",
        "077334 18220",
        "07 73 34 18 22 0",
        "07700 900418",
        "00447733418220",
        "852 9123 4424",
        "0 7733 418 220",
        "0-7733-418220",
        "8 (495) 123-45-67",
        "8-916-123-45-67",
        "(11) 91234-5678",
        "06 42 19 87 03",
        "1/206/555/0143",
    ],
)
def test_a_number_is_found_as_dialled_at_home_or_from_afar(number: str) -> None:
    """With the prefixes of several countries, and with a country's code without +."""
    assert telephones(f"call {number} today") == [number]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("dial 1-888-GO-PARCEL", "1-888-GO-PARCEL"),
        ('{"callback":"2065550143"}', "2065550143"),
        ('{"to":"2065550143"}', "2065550143"),
        ("emergencyContact=2065550143", "2065550143"),
        ("INFO svc caller: 0412345678 done", "0412345678"),
        ("toll-free: 8885550199", "8885550199"),
        ("I'm at 555-123-4567", "555-123-4567"),
        ("or (c) 555.123.4567", "555.123.4567"),
        ("reach me: 123-456-7890", "123-456-7890"),
        ("that's 2065550143 btw", "2065550143"),
        ("Plumber - 2065550143", "2065550143"),
        ("2065550143 (Joe's cell)", "2065550143"),
        (
            "two oh six dot five five five dot oh one four three",
            "two oh six dot five five five dot oh one four three",
        ),
        (
            "(two oh six) five five five oh one four three",
            "(two oh six) five five five oh one four three",
        ),
        ("call 0800 REVERSE", "0800 REVERSE"),
        ("ring 415-CALL-NOW", "415-CALL-NOW"),
        ("☎ 01614960431", "01614960431"),
        ("Ph.No08025581237", "08025581237"),
        ("Ph(206) 5550143", "(206) 5550143"),
        ("Contact Ravi-9845722325", "9845722325"),
        ("hmu 2065550143", "2065550143"),
        ("Sure: 2065550143.", "2065550143"),
        ("the code never came to 98457 22325", "98457 22325"),
        ("A phone number in case it drops: 2065550143", "2065550143"),
        ("phone_number=%2B12065550143&lang=en", "%2B12065550143"),
        ('{"contactNo":"2065550143"}', "2065550143"),
        ('{"customer":{"home":"01614960431"}}', "01614960431"),
        ('{"name":"dial","arguments":{"number":"2065550143"}}', "2065550143"),
        ("cell 2️⃣0️⃣6️⃣ 5️⃣5️⃣5️⃣ 0️⃣1️⃣4️⃣3️⃣", "2️⃣0️⃣6️⃣ 5️⃣5️⃣5️⃣ 0️⃣1️⃣4️⃣3️⃣"),
        ("ring oh eight hundred 555 4473", "oh eight hundred 555 4473"),
        ("cell six17 555 0143", "six17 555 0143"),
        ("0 7 7 3 3 4 1 8 2 2 0 it is", "0 7 7 3 3 4 1 8 2 2 0"),
        ("his card says 07733.418.220", "07733.418.220"),
        ("GPay 98457 22325 please", "98457 22325"),
        ("it's 12065550143", "12065550143"),
        (
            "my number: six one four... five five five... oh one four three",
            "six one four... five five five... oh one four three",
        ),
        (
            "oh seven seven hundred, nine hundred, one two three is best",
            "oh seven seven hundred, nine hundred, one two three",
        ),
        ("cell 206&ndash;555&ndash;0143", "206&ndash;555&ndash;0143"),
        ("cell 206\\u2013555\\u20130143", "206\\u2013555\\u20130143"),
        ("ring me 07733 418220x", "07733 418220"),
    ],
)
def test_cues_and_signs_of_a_number(text: str, number: str) -> None:
    """Words on the keys, labels, and what people write before a number."""
    assert telephones(text) == [number]


@pytest.mark.parametrize(
    ("turns", "parts"),
    [
        (["phone?", "+44", "and", "7733 418 220"], [[], ["+44"], [], ["7733 418 220"]]),
        (["0151", "ok", "496", "and the rest", "0233"], [["0151"], [], ["496"], [], ["0233"]]),
        (["call me at 206-555-", "0143, sorry"], [["206-555-"], ["0143"]]),
        (["206-555", "-0143"], [["206-555"], ["-0143"]]),
        (["206.555.", "0143"], [["206.555."], ["0143"]]),
        (
            [
                "Hi there, I want to change the phone number that you have on my account, it starts 206 555",
                "0143, and ask for the manager if I do not pick up, as he is usually there before me",
            ],
            [["206 555"], ["0143"]],
        ),
        (
            ["my number is 206-555", "oops, that went off too soon, 0143 is the rest of it, if I may"],
            [["206-555"], ["0143"]],
        ),
        (
            ["my phone broke", "it was 206 days old and I paid for it twice already, see 555", "so", "0143"],
            [[], [], [], []],
        ),
        (
            ["Your mobile?", "oh seven seven double oh", "mm", "nine hundred", "yes", "four one eight"],
            [[], ["oh seven seven double oh"], [], ["nine hundred"], [], ["four one eight"]],
        ),
    ],
)
def test_a_number_over_turns_is_found_in_each(turns: list[str], parts: list[list[str]]) -> None:
    """With its +, also in one or two words to a turn."""
    assert split(turns) == parts


def test_a_number_that_is_read_back_piece_by_piece_is_found_each_time() -> None:
    """What the one who takes it down repeats is the number as well."""
    turns = ["contact number?", "07733", "07733, ok", "418", "418", "220"]
    assert split(turns) == [[], ["07733"], ["07733"], ["418"], ["418"], ["220"]]


@pytest.mark.parametrize(
    ("text", "number", "address"),
    [
        ("12 High Street, Leeds 0161 496 0441", "0161 496 0441", "12 High Street, Leeds"),
        ("14 Mill Lane, Bristol, 07733 418222, Jo", "07733 418222", "14 Mill Lane, Bristol"),
        ("17 MG Road, Bengaluru 98457 22342", "98457 22342", "17 MG Road, Bengaluru"),
        ("418 Elm St, Columbus, OH 43215 614-555-0144", "614-555-0144", "418 Elm St, Columbus, OH 43215"),
        ("5 Main St, Dublin 4 01 677 4414", "01 677 4414", "5 Main St, Dublin 4"),
        ("07733 418270 14 Mill Lane Bristol", "07733 418270", "14 Mill Lane"),
    ],
)
def test_a_number_behind_an_address_is_no_postal_code(text: str, number: str, address: str) -> None:
    """Nor is one before it a house."""
    found = {span.kind: text[span.start : span.end] for span in FINDER.find(text)}
    assert found["phone"] == number
    assert found["address"].startswith(address)
