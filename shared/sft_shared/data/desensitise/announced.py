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
    "(?:工|订|退货|退款|换货|运|快递|保险?|提货|发货|采购|报价|入库|出库|结算|服务|维修|报修|签购|派工)单|包裹号|单据|流水|小票|"
    "箱唛|卷宗?|批|主键|行号|版本|文件|档案|图纸|零件|物料|参数|代号|样本|模板|字段|燃气表|水表|电表|耗时|用时|"
    "(?<![号密证扫])码|[群间产]号|会议号?|开奖|中奖|抽奖|快件|卡券|凭据|"
    "读数|人口|时间戳|前缀|(?:任务|请求|会话|设备|商品|产品|订单|文章|视频|房间|消息|记录|工单|活动|流程|实例)\\s?id"
)
_WORDS = (
    r"s/?n|serial|sku|isbn|issn|upc|ean|asin|imei|imsi|part|model|lot|batch|item|po|case|ticket|invoice|order|"
    r"tracking|fedex|ups|usps|dhl|session|catalog|asset|permit|licen[cs]e|certificate|"
    r"(?<!user.)(?<!user)(?<!account.)(?<!member.)(?<!customer.)(?<!client.)(?<!contact.)(?<!wechat.)(?<!whatsapp.)"
    r"(?<!login.)(?<!caller.)id|"
    r"pv|uv|gmv|dau|coupon|voucher|policy|loan|docket|catalogue|meeting|"
    r"ref|reference|rma|claim|confirmation|reservation|booking|receipt|template|seq|sequence|offset|counter|"
    r"inode|thread|nonce|seed|lsn|txid|lag|pos|position|heap|memory|usage|[rt]x|took|latency|"
    r"duration(?:_[nmu]s)?|pid|tid|packet|count|span"
)
_KEYS = (
    r"[a-z_.-]*(?:seq|sequence|offset|bytes|size|length|len|rows?|records?|count(?:er)?|used|mem|elapsed|"
    r"duration(?:_[nmu]s)?|position|height|sid|tid|amount|total|price|qty|sku|epoch|timestamp|ts|"
    r"[a-z]_at|hash|nonce|checksum|pid|(?:trace|request|session|device|product|goods|item|task|job|span|event|order|"
    r"msg|message|batch|process|thread)_?id)"
)
_ANNOUNCES = re.compile(
    rf"(?:(?:{_NOUNS})(?:号码|号|码)?|(?<![a-z])(?:{_WORDS})(?:\s?(?:no|num|number|code|id)\b)?\.?|"
    rf"(?<![a-z]){_KEYS}(?=[\"']?\s?[:=]))"
    r"[\"'”)\]]?[ \t]?(?:是|为|:|=|#|is)?[ \t]?(?:#|是|为)?[\"'“(\[]?\Z",
    re.I,
)
_COUNTED = re.compile(  # 播放量冲到, 总访问量是
    r"(?:(?<![流尽])[量数额率]|战力|伤害|(?<!充)值|流量(?=[一总用共消])|累计|卖[出掉了]|售出|出货|曝光|票房|[估市]值|预算|[花赚亏]了|构建号?|编译号?|热度|粉丝|积分|获赞|观看|成交|[日月]活|字节|点击|播放|阅读|浏览|收入|利润|营收|成本|内存|大小|带宽|"
    r"总?资产|热线[^\d\n]{0,4}接(?=了))"
    r"(?:一?共|总共|合计)?(?:已经?|用了?|消耗|高达|达到?|突破|超过?|冲到|升到|降到|到|有|是|为|约|接近|[:=])*"
    r"了?[ \t]?\Z"
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
    found = found or _COUNTED.search(text, max(0, start - 12), start)
    if found:
        return found.start()
    return end if _SAID_AFTER.match(text, end) else None
