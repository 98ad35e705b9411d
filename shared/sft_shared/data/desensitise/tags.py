"""Tags that stand in place of personal data, in Chinese and English."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from sft_shared.data.desensitise.spans import Kind

Language = Literal["zh", "en"]

_TAGS: dict[Kind, dict[Language, str]] = {
    "card": {"zh": "[信用卡号]", "en": "[CARD]"},
    "resident_id": {"zh": "[身份证号]", "en": "[ID_NUMBER]"},
    "passport": {"zh": "[护照号]", "en": "[PASSPORT]"},
    "phone": {"zh": "[电话号码]", "en": "[PHONE]"},
    "email": {"zh": "[邮箱]", "en": "[EMAIL]"},
    "plate": {"zh": "[车牌号]", "en": "[PLATE]"},
    "ip": {"zh": "[IP地址]", "en": "[IP]"},
    "mac": {"zh": "[MAC地址]", "en": "[MAC]"},
    "account": {"zh": "[账号]", "en": "[ACCOUNT]"},
    "order": {"zh": "[订单号]", "en": "[ORDER]"},
    "api_key": {"zh": "[密钥]", "en": "[API_KEY]"},
    "password": {"zh": "[密码]", "en": "[PASSWORD]"},
    "name": {"zh": "[姓名]", "en": "[NAME]"},
    "address": {"zh": "[地址]", "en": "[ADDRESS]"},
    "birth_date": {"zh": "[出生日期]", "en": "[BIRTH_DATE]"},
}
TAG = re.compile("|".join(re.escape(tag) for forms in _TAGS.values() for tag in forms.values()))
"""Any tag, in either language."""

_HAN = re.compile("[\u3400-\u9fff]+")
_LATIN = re.compile("[A-Za-z]+")
_LETTERS_A_HAN = 4  # a Chinese character says about as much as so many letters


def tag(kind: Kind, language: Language) -> str:
    """The tag of a kind.

    >>> tag("card", "zh"), tag("card", "en")
    ('[信用卡号]', '[CARD]')
    """
    return _TAGS[kind][language]


def language_of(texts: Iterable[str]) -> Language:
    """The language that most of ``texts`` is written in, by script; English if they hold no letters.

    >>> language_of(["我的卡号是", "my card number"]), language_of(["My name is 张伟"])
    ('zh', 'en')
    """
    text = "\n".join(texts)
    if text.isascii():
        return "en"
    han, latin = (sum(map(len, letters.findall(text))) for letters in (_HAN, _LATIN))
    return "zh" if _LETTERS_A_HAN * han > latin else "en"
