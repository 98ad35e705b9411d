"""Chinese addresses: places, streets, estates and numbered units in a row, with or without the province."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Literal

import ahocorasick

from sft_shared.data.desensitise.lexicon import lexicon
from sft_shared.data.desensitise.spans import Span

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_NUM = (
    r"(?:[0-9A-Za-z]{1,6}(?:[-~#][0-9A-Za-z]{1,6}){0,2}|"
    r"[零〇一二三四五六七八九十百两]{1,6}|[甲乙丙丁东西南北中])"
)
_UNIT = re.compile(
    rf"(?<!月)(?<!月[0-9])(?P<number>{_NUM})[ ]?(?P<unit>号楼|号院|号[弄店铺房]?(?![码线召称外角型机段])|"
    rf"[栋幢座]|塔(?![楼吊尔])|舍|病区|床|厢房|号?宿舍楼?|单元|室|层(?![次级面])|"
    rf"楼(?![盘梯道市])|组(?![织合成])|弄|户(?![口主])|门(?!口|店|票|诊|禁)|房(?![间租东价产])|"
    rf"铺|院(?![校长子系])|"
    rf"期(?![间限待权末中])|梯|队(?![伍友列])|社(?![区会交保])|区(?=[0-9A-Za-z一二三四五六七八九十]))"
)
_STREET = re.compile(
    rf"(?:大道|大街|胡同|公路|路(?![由程上过线费况径口段灯途])|街(?![道边头])|巷|弄|"
    rf"里(?={_NUM}号)|道(?={_NUM}号)|"
    rf"条(?={_NUM}号)|桥(?={_NUM}号))(?:[东西南北中]?(?:[一二三四五六七八九十]|"
    rf"[东南西北中])?[段路街巷里](?={_NUM}))?"
)
_SETTLED = re.compile(
    r"街道(?!办)|镇(?![静定压])|乡(?![亲下音])|苏木|村(?![民长委上])|屯|庄(?![园严稳重])|寨|嘎查"
)
_TRADITIONAL = re.compile("[區號樓縣鄉鎮棟單層門園廈東]")
_SIMPLE = str.maketrans("區號樓縣鄉鎮棟單層門園廈東臺衛", "区号楼县乡镇栋单层门园厦东台卫")
_HINT = re.compile(
    r"[區號樓縣鄉鎮棟]|(?:旁边?|对面|后面|隔壁|路口|交叉口|楼上)|\d-\d{1,2}-\d|"
    r"[零一二三四五六七八九]\s?栋|[0-9A-Za-z零〇一二三四五六七八九十百]\s?(?:号|栋|幢|座|单元|"
    r"室|层|楼|弄|组|院|户|门|队|社)|[路街道巷]|[镇乡村屯]|[区园寓家苑庭湾城里厦]\d"
)
_ANY_MARK = re.compile("[号栋幢座单室层楼弄组院户门队社路街道巷镇乡村屯]")
_ESTATE = re.compile(
    rf"(?:[{_HAN}A-Za-z0-9]{{1,12}}?)(?:小区|花园|花苑|公寓|大厦|大楼|广场|中心|家园|新村|社区|"
    rf"家属院|宿舍|公馆|华庭|名都|国际|"
    rf"科技园|工业园|产业园|软件园|创业园|学校|大学|学院|医院|中学|小学|酒店|宾馆|商场|商城|"
    rf"写字楼|苑|府|园|庭|湾|城|里|邸|庄园|别墅|豪庭|名苑|雅苑|嘉园|"
    rf"佳苑|新城|市场|超市|银行|仓库|厂)(?:[东西南北中]区)?"
)
_TRAILING = re.compile(
    r"[ \-—#]{0,2}(?:[0-9]{1,4}-[0-9]{1,5}|[0-9]{2,5}[A-Za-z]?|[A-Za-z][0-9]{2,5})"
    r"(?!\d|[.,]\d|\s?[元个件块%年月]|[A-Za-z])|[零〇一二三四五六七八九]{3,4}(?![\u4e00-\u9fff])"
)
_BESIDE_NUMBER = re.compile(
    r"附\s?\d{1,3}号|之[\d一二三四五六七八九十]{1,3}|[-－]\d{1,3}号|[甲乙丙丁](?![\u4e00-\u9fff])"
)
_GROUP_NAME = re.compile(r"[\u4e00-\u9fff]{1,5}?(?:组|屯|寨|湾|庄|队|坪|坡|岭|坝|冲|沟)(?![\u4e00-\u9fff])")
_POSTAL = re.compile(r"\s?[,，]?\s?(?:邮编:?\s?)?\d{6}(?!\d)")
_LANDMARK = re.compile(
    rf"(?:寄到?|送到?|放到?|放在|住在?|家就?在|地址:?|搬到|收货:?|"
    rf"我在)(?P<place>[{_HAN}A-Za-z0-9]{{2,18}}?(?:旁边|对面|斜对面|后面|隔壁|交叉口|路口|"
    rf"[东西南北]{{1,2}}角|楼上|楼下|"
    rf"[0-9一二三四五六七八九]楼)(?:的?[{_HAN}A-Za-z0-9]{{1,16}}?)?)(?=就|等|吧|了|找|取|喊|"
    rf"门口|,|。|，|;|!|\n|\s|$)"
)
_VAGUE = re.compile(
    r"^(?:你们?|我们?|他|她|这|那|一|哪|公司|楼|车|门|家|学校|马路|单位|小区|邻居|朋友|附近|"
    r"旁|路口|对面)+(?:的|家|楼)?(?:旁边|对面|后面|隔壁|路口|楼上|楼下)"
)
_ROOM = re.compile(r"(?<=[区园寓家村苑庭湾城里厦])\d{1,3}(?:-\d{1,4}){1,3}(?![\d-])")
_CUE = re.compile(
    r"(?:地址|住址|住处|住所|家住|我住|他住|她住|住在|住|寄到|寄往|寄去|寄至|送到|送至|送往|"
    r"送货到|发到|发往|搬到|搬去|位于|坐落于?|家在|公司在|在|到|"
    r"去|来|从|改成|改为|换成|门店|收货|籍贯|户籍|户口|addr(?:ess)?|location|"
    r"street)[a-z_]*[\s:=\"'“是为在:]*$"
)
_STOPS = (
    "在到于是住寄送往去来从至址成为给了的我你您他她们请发收填写改回离将把让和与及或叫这那哪放停谁附近搬说要对错过后前"
    "店司单时点上下午家区省市县"
)
_NEVER_INSIDE = re.compile(
    r"[的了是在我你您他她们吗呢吧啊请给到移搬]|改成|换成|多少|怎么|什么|如果|因为|但是|已经|"
    r"可以|没有|还是|谢谢|电话|手机|订单|快递"
)
_GAP = re.compile(rf"[{_HAN}0-9A-Za-z·\s,()\-#&.]{{0,16}}")


@dataclass(frozen=True)
class _Mark:
    """One part of an address; ``start`` is where its own text begins, if that is known."""

    start: int
    end: int
    sort: Literal["region", "bare", "settled", "street", "unit"]
    unit: str = ""


_WITHOUT_PEOPLES = re.compile(
    "(?:蒙古|藏|回|维吾尔|哈萨克|苗|彝|壮|布依|侗|瑶|白|土家|哈尼|傣|黎|傈僳|佤|拉祜|水|纳西|"
    "羌|土|仫佬|毛南|满|朝鲜|锡伯|柯尔克孜|景颇|裕固|保安|东乡|撒拉|各|独龙|怒|普米|塔吉克|"
    "畲|仡佬)族|蒙古"
)


@cache
def _regions() -> ahocorasick.Automaton:
    """Provinces, cities and counties, old ones too; provinces and cities also without their suffix."""
    full, bare = set(), set()
    with resources.files("stdnum").joinpath("cn/loc.dat").open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("#") or '"' not in line:
                continue
            code = line.split()[0]
            for part in line.split('"')[1].split(","):
                name = part.split("]")[-1].strip()
                if len(name) < 2 or name in ("市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划"):
                    continue
                full.add(name)
                if len(code) == 2 or code.endswith("00"):
                    short = re.sub(
                        r"(?:省|市|地区|盟|(?:壮族|回族|维吾尔)?自治区|特别行政区|"
                        r"[\u4e00-\u9fff]{1,2}族(?:[\u4e00-\u9fff]{1,3}族)*自治州)$",
                        "",
                        name,
                    )
                    if len(short) >= 2:
                        bare.add(short)
                if kind := re.search(r"自治([州县])$", name):
                    full.add(_WITHOUT_PEOPLES.sub("", name[: kind.start()]) + kind[1])
    automaton = ahocorasick.Automaton()
    for name in bare:
        automaton.add_word(name, (len(name), "bare"))
    for name in full:
        automaton.add_word(name, (len(name), "region"))
    for name in (
        "高新区",
        "开发区",
        "经济开发区",
        "经开区",
        "新区",
        "工业园区",
        "保税区",
        "高新技术开发区",
        "经济技术开发区",
    ):
        automaton.add_word(name, (len(name), "region"))
    automaton.make_automaton()
    return automaton


def find_chinese_addresses(text: str) -> Iterator[Span]:
    """Addresses that name a street with a number, a building with a room, or a place down to its village."""
    if text.isascii() or not _ANY_MARK.search(text) or not _HINT.search(text):
        return
    if _TRADITIONAL.search(text):
        text = text.translate(_SIMPLE)
    yield from _landmarks(text)
    for chain in _chains(text, _marks(text)):
        start = _begin(text, chain[0])
        end, confidence = _finish(text, chain), _judge(text, chain, start)
        if confidence:
            yield Span(start, end, "address", confidence)


def _landmarks(text: str) -> Iterator[Span]:
    """Places told by what is beside them: 寄到老邮局斜对面的二层小楼."""
    for found in _LANDMARK.finditer(text):
        place = found["place"]
        if not _VAGUE.match(place) and not _NEVER_INSIDE.search(place.replace("的", "")):
            yield Span(found.start("place"), found.end("place"), "address", 0.55)


def _marks(text: str) -> list[_Mark]:
    marks = [_Mark(found.start(), found.end(), "unit", found["unit"]) for found in _UNIT.finditer(text)]
    marks += [_Mark(found.start(), found.end(), "unit", "座") for found in _ROOM.finditer(text)]
    marks += [_Mark(found.start(), found.end(), "street") for found in _STREET.finditer(text)]
    marks += [_Mark(found.start(), found.end(), "settled") for found in _SETTLED.finditer(text)]
    if not marks:
        return []
    for last, (size, sort) in _regions().iter_long(text):
        marks.append(_Mark(last + 1 - size, last + 1, sort))
    marks = [
        mark
        for mark in marks
        if mark.sort != "bare"
        or not (text[mark.end : mark.end + 1] in "路街巷道" and text[mark.end : mark.end + 1])
    ]
    marks.sort(key=lambda mark: (mark.start, -mark.end))
    kept: list[_Mark] = []
    for mark in marks:
        if kept and mark.start < kept[-1].end:
            if mark.end <= kept[-1].end or kept[-1].sort != "bare":
                continue
            kept.pop()
        kept.append(mark)
    return kept


def _chains(text: str, marks: list[_Mark]) -> Iterator[list[_Mark]]:
    """Marks that follow each other with nothing but names between."""
    chain: list[_Mark] = []
    for mark in marks:
        if chain:
            gap = text[chain[-1].end : mark.start]
            names = mark.sort in ("street", "settled")  # their name lies in the gap
            longest = 10 if names else 12 if mark.sort == "unit" else 2
            again = (
                mark.sort in ("region", "bare")
                and chain[-1].sort in ("unit", "street")
                and _is_province(text, mark)
            )
            if (
                len(gap.strip()) > longest
                or not _GAP.fullmatch(gap)
                or _NEVER_INSIDE.search(gap)
                or again
                or ("," in gap and mark.sort == "unit" and (len(gap) > 2 or chain[-1].sort != "unit"))
            ) or (
                mark.sort == "unit"
                and mark.unit in ("号", "期")
                and gap.strip()
                and chain[-1].sort == "unit"
                and not re.search(f"[{_HAN}]{{2}}", gap)
            ):
                yield chain
                chain = []
        chain.append(mark)
    if chain:
        yield chain


def _is_province(text: str, mark: _Mark) -> bool:
    return text[mark.end - 1] == "省" or text[mark.start : mark.end].endswith("自治区")


_SEATS = re.compile(r"[排车][0-9一二三四五六七八九十]{1,3}座")
_HOUSE = frozenset(
    ["塔", "舍", "宿舍", "宿舍楼", "号宿舍楼", "号宿舍", "号楼", "栋", "幢", "座", "单元", "室"]
)


def _judge(text: str, chain: list[_Mark], start: int) -> float:
    """How sure it is that a chain is an address; 0 if it is none."""
    if _SEATS.search(text, max(0, chain[0].start - 3), chain[-1].end):
        return 0.0
    sorts = [mark.sort for mark in chain]
    units = [mark for mark in chain if mark.sort == "unit"]
    houses = [mark for mark in units if mark.unit in _HOUSE]
    regions = sum(sort in ("region", "bare") for sort in sorts)
    cue = bool(_CUE.search(text, max(0, start - 12), start))
    named = chain[0].start > start or regions > 0  # a name, not only numbers
    street_number = any(
        left.sort == "street" and right.sort == "unit" and right.start - left.end <= 2
        for left, right in pairwise(chain)
    )
    if street_number and named:
        return 0.95 if regions or houses or cue else 0.85
    if len(houses) >= 2 and (named or cue):
        return 0.93
    if houses and (regions or "street" in sorts or "settled" in sorts):
        return 0.93
    if houses and named and (cue or _TRAILING.match(text, chain[-1].end) or len(units) >= 2):
        return 0.85
    if houses and named and _ESTATE.fullmatch(text, start, chain[0].start):
        return 0.75
    if regions and ("street" in sorts or "settled" in sorts) and sorts[-1] not in ("region", "bare"):
        return 0.9 if units or sorts.count("settled") >= 1 or regions >= 2 else 0.7
    if "settled" in sorts and units:
        return 0.85
    if regions and units and named and (cue or len(units) >= 2 or units[-1].end - units[-1].start > 2):
        return 0.75 if units[0].unit not in ("期", "社", "队") else 0.0
    if cue and named and ((units and "street" in sorts) or len(units) >= 2 or sorts.count("region") >= 3):
        return 0.65
    return 0.0


def _begin(text: str, mark: _Mark) -> int:
    """Where the address begins: at a known place, else where the first name does."""
    if mark.sort in ("region", "bare"):
        return mark.start
    left = mark.start
    while (
        left > 0
        and mark.start - left < 12
        and (
            "\u3400" <= text[left - 1] <= "\u9fff" or (text[left - 1].isascii() and text[left - 1].isalnum())
        )
    ):
        left -= 1
    words = lexicon().words
    for place in range(mark.start - 1, left - 1, -1):
        if text[place] not in _STOPS or (place == mark.start - 1 and text[place] in "区家店市"):
            continue
        word = any(
            words.get(text[place : place + size], -99.0) > -13.5 and place + size <= mark.end
            for size in (2, 3)
        )
        inside = any(
            words.get(text[max(left, place - size + 1) : place + 1], -99.0) > -11.5
            for size in (2, 3)
            if place - size + 1 >= left and place + 1 < mark.start
        )
        if not word or (inside and text[place] in "到在于是为给成了"):
            return place + 1
    return left


def _finish(text: str, chain: list[_Mark]) -> int:
    """Where the address ends: after a room without its word, or the name of an estate or building."""
    last = chain[-1]
    end = last.end
    if beside := _BESIDE_NUMBER.match(text, end):
        end = beside.end()
    for _ in range(3):  # 国际, then 金融中心
        if last.sort == "region" or last.unit in ("室", "房", "户"):
            break
        estate = _ESTATE.match(text, end, min(len(text), end + 16))
        if not estate or _NEVER_INSIDE.search(estate[0]):
            break
        end = estate.end()
        last = _Mark(end, end, "unit", "座")
    if last.sort == "settled" and (group := _GROUP_NAME.match(text, end)):
        end = group.end()
    if last.sort == "unit" and last.unit in (
        "号楼",
        "栋",
        "幢",
        "座",
        "单元",
        "号",
        "楼",
        "层",
        "号院",
        "塔",
        "期",
    ):
        room = _TRAILING.match(text, end)
        if room:
            end = room.end()
    if chain[0].sort == "region" and len(chain) > 2 and (postal := _POSTAL.match(text, end)):
        end = postal.end()
    return end
