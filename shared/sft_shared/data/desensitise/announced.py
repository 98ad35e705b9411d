"""What a number is said to be by the noun right before it, whatever the number looks like."""

from __future__ import annotations

import re

_NOUNS = (
    "编号|序号|编码|代码|序列(?:号|码)?|流水号|批号|批次号?|货号|料号|件号|图号|文号|期号|型号|规格|刊号|工号|学号|考号|表号|"
    "案号|案件号|档案号|资产号|设备号|机身号|终端号|商户号|门店号|房号|桌号|柜号|箱号|箱码|库位号?|货位|床号|炉号|样品号|报告号|"
    "病历号|病案号|门诊号|住院号|就诊号|处方号|检验号|合同号|协议号|凭证号?|发票号|税号|保单号|单号|备案号|批准文号|文件号|"
    "公告号|专利号|车架号|发动机号|彩票号|项目号|任务号|课程号|请求号|会话号|进程号|标准号|标准|彩票|条码|条形码|商品码|产品码|"
    "追溯码|溯源码|防伪码|兑换码|激活码|识别码|机器码|注册码|国标码|券码|校验码|信用代码|"
    "(?:(?<!身份)(?<!通行)(?<!台胞)证|证书|许可证|执照)(?:书)?(?:编)?号|许可证|证书|执照|房产证|准考证|资格证|合格证|"
    "读数|人口|时间戳|前缀|(?:任务|请求|会话|设备|商品|产品|订单|文章|视频|房间|消息|记录|工单|活动|流程|实例)\\s?id"
)
_WORDS = (
    r"s/?n|serial|sku|isbn|issn|upc|ean|asin|imei|imsi|part|model|lot|batch|item|po|case|ticket|invoice|order|"
    r"tracking|fedex|ups|usps|dhl|session|catalog|asset|permit|licen[cs]e|certificate|"
    r"(?<!user.)(?<!user)(?<!account.)(?<!member.)(?<!customer.)(?<!client.)(?<!contact.)(?<!wechat.)(?<!whatsapp.)"
    r"(?<!login.)id"
)
_KEYS = (
    r"[a-z_.-]*(?:seq|sequence|offset|bytes|size|length|rows|count|amount|total|price|qty|sku|epoch|timestamp|ts|"
    r"[a-z]_at|hash|nonce|checksum|pid|(?:trace|request|session|device|product|goods|item|task|job|span|event|order|"
    r"msg|message|batch|process|thread)_?id)"
)
_ANNOUNCES = re.compile(
    rf"(?:(?:{_NOUNS})(?:号码|号|码)?|(?<![a-z])(?:{_WORDS})(?:\s?(?:no|num|number|code|id)\b)?\.?|"
    rf"(?<![a-z]){_KEYS}(?=[\"']?\s?[:=]))"
    r"[\"'”)\]]?[ \t]?(?:是|为|:|=|#|is)?[ \t]?(?:#|是|为)?[\"'“(\[]?$",
    re.I,
)
_SAID_AFTER = re.compile(
    r"[\"'”)]?\s?(?:这|那|该)(?:个|款|一|张)?(?:批次|批号|编号|型号|序列号|货号|条码|单号|订单号|工号|学号|流水号)"
)


def announced_as_other(text: str, start: int, end: int) -> int | None:
    """Where a noun begins that calls ``text[start:end]`` something other than a telephone number, or None.

    >>> announced_as_other("资产编号 13912345678", 5, 16)
    2
    """
    found = _ANNOUNCES.search(text, max(0, start - 28), start)
    if found:
        return found.start()
    return end if _SAID_AFTER.match(text, end) else None
