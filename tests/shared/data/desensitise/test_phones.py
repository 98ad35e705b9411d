"""Telephone numbers in the forms that people and systems write."""

from __future__ import annotations

import pytest

from sft_shared.data.desensitise.find import Finder, FindSettings

FINDER = Finder(FindSettings())


def telephones(text: str) -> list[str]:
    return [text[span.start : span.end] for span in FINDER.find(text) if span.kind == "phone"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("麻烦打4008-822-104找我", "4008-822-104"), ("麻烦打0906-538-280找我", "0906-538-280")),
        *(("联系00852 6886-0987李先生", "00852 6886-0987"), ("Fax: 86-411-84307765", "86-411-84307765")),
        *(("手机+86 (0)139 2617 4058", "+86 (0)139 2617 4058"), ("工行95588按几", "95588")),
        *(("415 555-0132 works", "415 555-0132"), ("try 415 - 555 - 0132", "415 - 555 - 0132")),
        *(("415/555/0132 please", "415/555/0132"), ("dial 1-800-FLOWERS", "1-800-FLOWERS")),
        *(("call 415-5550132", "415-5550132"), ("c: 2125550117", "2125550117")),
        *(("wa.me/447911123456", "447911123456"), ("the code went to 2125550117", "2125550117")),
        *(("415)555-0132", "415)555-0132"), ("{415} 555-0132", "{415} 555-0132")),
        *(("Nobody picks up 2125550117, sadly.", "2125550117"),),
        *(("06 12 34 56 78 is my French mobile", "06 12 34 56 78"),),
        *(("型号不对，打13912345678", "13912345678"), ("前夫持13912345678多次发短信", "13912345678")),
        *(("138 x 1234 x 5678", "138 x 1234 x 5678"), ("135 1494\n7757", "135 1494\n7757")),
        *(("029_8832_5276 up", "029_8832_5276"), ("Berlin: 030 / 2093-1841", "030 / 2093-1841")),
        *(("0 2 3 - 6 7 8 5 4 4 1 8", "0 2 3 - 6 7 8 5 4 4 1 8"), ("3O5-555-0157", "3O5-555-0157")),
        *(
            ("一三五，然后6678，然后零二一四", "一三五，然后6678，然后零二一四"),
            ("电话 l3912345678", "l3912345678"),
        ),
        *(("seven oh three uh five five five, zero one one eight",) * 2,),
        *(("4156730928 - that's my cell", "4156730928"), ("Grace Lee, 6175520184", "6175520184")),
        *(("4156730928 (which is her mobile)", "4156730928"), ("for Grace 617 552 0184", "617 552 0184")),
        *(("cell +49 (0)151 / 234 567 89", "+49 (0)151 / 234 567 89"),),
    ],
)
def test_a_number_is_found_in_many_forms(text: str, number: str) -> None:
    """Also right behind a word in Han, and with nothing that calls it a telephone."""
    assert telephones(text) == [number]


@pytest.mark.parametrize(
    "text",
    ["Mark 6175520184 as done", "Bill 6175520184 is due", "Lot Grace 6175520184"],
)
def test_a_word_that_is_a_name_too_makes_no_number_a_telephone(text: str) -> None:
    """Nor does a name behind another noun."""
    assert telephones(text) == []


def test_numbers_side_by_side_are_each_found() -> None:
    """Dictated ones, and one of ten digits behind another."""
    assert telephones("电话：一六六八四四九七一六三/一六一八五九八一零一五") == [
        "一六六八四四九七一六三",
        "一六一八五九八一零一五",
    ]
    assert telephones("reach her at 7132563124 or 7026188392") == ["7132563124", "7026188392"]


def test_a_number_that_shares_an_area_code_is_found_too() -> None:
    """But not what is a quantity there."""
    assert telephones("0571-87028078/87023752，都是") == ["0571-87028078", "87023752"]
    assert telephones("(540) 555-0151 or 555-0152") == ["(540) 555-0151", "555-0152"]
    assert telephones("Dad's (540) 555-0151, the shop's 555-0152") == ["(540) 555-0151", "555-0152"]
    assert telephones("0571-87028078，87023752元") == ["0571-87028078"]


def test_a_number_before_an_address_keeps_its_end() -> None:
    """The address begins at its own number."""
    text = "John Miller, (303) 649-6872, 5 Main St"
    found = {span.kind: text[span.start : span.end] for span in FINDER.find(text)}
    assert found == {"name": "John Miller", "phone": "(303) 649-6872", "address": "5 Main St"}


@pytest.mark.parametrize(
    "text",
    [
        "价格区间 400-500-6000",
        "400-820-1190元不等",
        "上班 0800-1600",
        "180 0000 0000",
        "打折 95588 元",
        "ts 1741659727",
        "the invoice 2125550117 is wrong",
        "GET /items/2125550117 took 12 ms",
        "型号 13912345678",
        "访问13912345600多次",
        "15832000000个token",
        "the counter stopped at 2147483647",
        "1 2 3 4 5 6 7 8 9 0",
        "part lO0l-2OOl-O0Il",
        "135\n1494\n77572",
    ],
)
def test_other_numbers_of_such_a_form_are_left(text: str) -> None:
    """Ranges, hours, amounts, times."""
    assert telephones(text) == []
