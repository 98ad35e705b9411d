"""Languages are told by script and function words; what is too short is left alone."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.hygiene.language import FUNCTION_WORDS, SCRIPTS, UNKNOWN, language_of

SAID = {
    "zh": ["我的订单怎么还没发货", "请帮我 reset 密码，谢谢", "信用卡账单日是几号？"],
    "ja": ["注文はどこですか", "発送状況を確認してください"],
    "ko": ["주문이 어디에 있나요", "환불하고 싶어요"],
    "ru": ["где мой заказ", "Я хочу вернуть деньги"],
    "ar": ["أين طلبي؟"],
    "th": ["คำสั่งซื้อของฉันอยู่ที่ไหน"],
    "en": [
        "Where is my order?",
        "I need to create several disposable cards per day.",
        "The pod is in a crash loop",
    ],
    "de": ["Wo ist meine Bestellung? Ich warte schon lange.", "Ich möchte mein Geld zurück haben"],
    "fr": ["Où est ma commande s'il vous plaît", "Je n'ai pas reçu le colis"],
    "es": ["¿Dónde está mi pedido? Quiero cancelar", "No he recibido el paquete"],
    "pt": ["Onde está meu pedido? Não recebi nada", "Quero cancelar a minha conta, por favor"],
    "it": ["Dov'è il mio ordine? Non ho ricevuto niente"],
    "nl": ["Waar is mijn bestelling gebleven"],
    "tr": ["Siparişim nerede? Çok uzun zaman oldu ve bu benim için önemli"],
    "vi": ["Đơn hàng của tôi đang ở đâu"],
}


@pytest.mark.parametrize(
    ("language", "text"), [(code, text) for code, texts in SAID.items() for text in texts]
)
def test_short_questions_in_many_languages(language: str, text: str) -> None:
    """One sentence is enough."""
    guess = language_of(text)
    assert guess.language == language
    assert guess.confidence > 0.5


@pytest.mark.parametrize(
    "text",
    [
        *("", "OK", "iPhone 15 Pro Max", "12345 678", "https://a.example/de/der/die/das", "[订单号]"),
        *("`der die das ein`", "Kubernetes nginx error timeout pod", "SELECT id FROM orders", "😀😀😀"),
    ],
)
def test_what_cannot_be_told_is_unknown(text: str) -> None:
    """Names, numbers, addresses, code and placeholders are in no language."""
    assert language_of(text).language == UNKNOWN


def test_mixed_text_is_less_certain() -> None:
    """Half English, half Chinese."""
    mixed = language_of("请帮我重置密码和账户 please reset my password for the account and tell me")
    assert mixed.confidence < 0.8 < language_of("请帮我重置密码和账户").confidence


@given(st.text())
def test_any_text_has_a_guess(text: str) -> None:
    """A known code and a share."""
    guess = language_of(text)
    assert guess.language in {UNKNOWN, *SCRIPTS, *FUNCTION_WORDS}
    assert 0 <= guess.confidence <= 1


@pytest.mark.parametrize("piece", ["<", "{", "a@", "中"])
def test_a_long_text_takes_no_long_time(piece: str) -> None:
    """Only the beginning counts: a thousand times the text takes less than ten times as long."""

    def seconds(count: int) -> float:
        start = time.process_time()
        language_of(piece * count)
        return time.process_time() - start

    seconds(10_000)
    assert seconds(10_000_000) < 10 * max(seconds(10_000), 0.01)
