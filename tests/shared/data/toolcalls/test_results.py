"""What an answer states is compared with what the tools returned, by value."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.toolcalls.results import invents_values, uses_result


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ("还剩 1,200 元", '{"balance": 1200.0}'),
        ("涨了５％", '{"change": 0.05}'),
        ("约 1.2 万元", '{"amount": 12000}'),
        ("预计2026年3月5日送达", '{"eta": "2026-03-05"}'),
        ("下跌0.42%", '{"change_percent": -0.42}'),
        ("Order a-1029 is on its way", '{"order": "A-1029"}'),
        ("1. 重启服务\n2. 查看日志", '{"ok": true}'),
        ("It takes 30min", '{"minutes": 30}'),
        ("没有结果", '{"error": "not_found"}'),
    ],
)
def test_a_value_may_be_written_differently(answer: str, result: str) -> None:
    """Separators, full width, percent, 万, dates, case, and the numbers of a list are no inventions."""
    assert not invents_values(answer, known=[result])


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ("It arrives in 3 days.", '{"days": 5}'),
        ("余额为 1,201 元", '{"balance": 1200}'),
        ("单号 SF1234567891", '{"number": "SF1234567890"}'),
        ("费率是 15%", '{"fee": 1.5}'),
        ("预计2026年3月6日送达", '{"eta": "2026-03-05"}'),
    ],
)
def test_another_value_is_an_invention(answer: str, result: str) -> None:
    """One digit is enough."""
    assert invents_values(answer, known=[result])


def test_an_answer_uses_a_result_when_it_says_one_of_its_values() -> None:
    """Of texts and of numbers; a result of nothing but flags cannot be quoted."""
    assert uses_result("目前派送中", results=['{"status": "派送中", "city": "成都"}'])
    assert uses_result("It costs 23.", results=['{"fee": 23.0}'])
    assert not uses_result("好的，请稍等。", results=['{"status": "派送中"}'])
    assert uses_result("Done.", results=['{"ok": true}'])
    assert uses_result("服务正常", results=["服务正常"])


@given(
    st.dictionaries(
        st.text(), st.integers(0, 10**15) | st.floats(0, 1e6).map(lambda x: round(x, 4)), min_size=1
    )
)
def test_every_number_of_a_result_may_be_said(result: dict[str, float]) -> None:
    """As Python prints it, in a sentence of either language."""
    for value in result.values():
        shown = f"{value:,.4f}" if isinstance(value, float) else f"{value:,}"
        assert not invents_values(f"一共是{shown}元", known=[json.dumps(result)])
        assert uses_result(f"It is {shown}.", results=[json.dumps(result)])
