"""Four numbers with dots that are no address of a machine: versions, clauses, masks."""

from __future__ import annotations

import re

from sft_shared.data.desensitise.cues import Reading

_VERSION = re.compile(
    r"(?:(?<![a-z])(?:version|ver|v|firmware|release|build|hotfix|patch|update|rev|revision|sdk|api|driver|oid|"
    r"section|sec\.|chapter|clause|annex|appendix|table|figure|fig\.|requirement|"
    r"test case|case|wbs|schema|tag|paragraph|para|article|rule|"
    r"step|iso|iec|ec|(?:upgrade|update|downgrade)[ds]?(?: it)? (?:to|from)|"
    r"roll(?:ed|ing)?(?: it)? ?back (?:to|from))|"
    r"版本号?|固件|第|章节?|条款|小节|附录|附件[一二三四五六七八九十]?|表|图|步骤|要求|需求|标准|科目|用例|目录|分支|条目|补丁|内核|(?:版本|固件|firmware|"
    r"version)[^\d\n]{0,8}\d+(?:\.\d+){1,4}[^\d\n]{0,10}|(?:版本|固件|firmware|(?<![a-z])version|(?<![a-z])app|"
    r"(?<![a-z])sdk|系统)[^\d\n,.]{0,8}|(?:升级?|更新|降级?|刷|退|装|回滚|回退)(?:到了?|成了?|至)|§|比分|"
    r"[A-Za-z+]+(?:\.[A-Za-z]+)+)[\"']?\s?[:=.]{0,2}\s?[\"']?(?:is|是|为|号)?\s?(?:v|from)?\s?$",
    re.I,
)
_VERSION_AFTER = re.compile(
    r"[\s\"'”)]{0,2}(?:版本?|更新|升级|回滚|推送|这版|这个版|固件|节的|条款|章|(?:version|release|build|firmware|installer|"
    r"of the (?:app|game|software|client|driver|library|plugin|sdk|standard|spec))(?![a-z]))",
    re.I,
)
_PRODUCT = re.compile(
    r"(?:chrome|firefox|safari|opera|edge|windows|win|office|driver|驱动程序|驱动|浏览器|installed|installer|bios|"
    r"ios|android|macos|kernel|plugin|插件|安装包|数据库|微信|钉钉|飞书|软件|客户端|"
    r"oracle|db2|sap|jenkins|delphi|wps|photoshop|matlab|unity|java|jdk|weblogic|websphere|"
    r"[a-z0-9]-)\s?(?:/|是|为|to|:)?\s?$",
    re.I,
)
_SPEAKS_OF_VERSIONS = re.compile(
    r"版本|固件|升级|更新|章节|条款|驱动|补丁|闪退|兼容|安装|编译|下载|"
    r"\b(?:version|firmware|release|build|patch|driver|upgraded?|installer|install(?:ed)?|section|clause|changelog|"
    r"crash(?:es|ed)?|compiles?|compatible|app|bug|library|package)\b",
    re.I,
)
_NET = re.compile(
    r"\bip|dns|ping|subnet|网段|网关|gateway|host|\bserver|服务器|主机|://|"
    r"log(?:ged|ging)?[ -]?(?:in|on)\b|登录|登陆|地址|"
    r"白名单|黑名单|封禁|\bblock|\bban|firewall|防火墙|white-?list|allow-?list|black-?list|访问|连接|连不上|connect|\baccess(?:ed|ing)|"
    r"端口|\bports?\b|\bhttp|\bssh|\bsrc\b|\bdst\b|\bclient\b|proxy|代理|router|路由|vpn|telnet|nginx|request|"
    r"remote|\bpeer|节点|机器|machine|内网|外网|公网|局域网|network|网络|异地|attack|攻击|扫描|scan|\bnode|"
    r"\baddress|\b(?:get|post|put) /|- - \[",
    re.I,
)
_NET_BEFORE = re.compile(
    r"(?:\b(?:ip|dns|ssh|ping|telnet|curl|from|src|dst|source|peer|remote|"
    r"addr(?:ess)?|connect(?:ed|ing)?(?: to)?|"
    r"block(?:ed|ing)?|bann?(?:ed|ing)?|client[:=]|resolves? to)|"
    r"来自|来源|登[录陆]|地址|[黑白]名单|封禁?|放行|连接?|访问|解析到|指向|"
    r"拦截|->|@|//|\b[a-z_]*(?:ip|addr|host|forwarded-for)[\"']?\s?[:=])"
    r"[\s\"'是为了:=]{0,4}$",
    re.I,
)
_NET_AFTER = re.compile(
    r"\s?(?:登[录陆]|访问|(?:这个|那个|的)?(?:ip|dns|地址|请求|扫描|攻击)|"
    r"掉线|不通|超时|连不上|ping|timed? ?out|unreachable|refused|is (?:up|down)\b|- - \[)",
    re.I,
)
_HOST = re.compile(
    r"(?:\bip|(?<![a-z])(?:host|server|srv|gateway|ping|ssh|node)|服务器|主机|网关|地址|机器|节点)"
    r"(?: ?(?:address|地址))?"
    r"[\"']?\s?(?:是|为|在|is|at)?\s?[:=]?\s?[\"']?$",
    re.I,
)
_MARKS_PLACE = re.compile(r"\s?(?:上|里|这台|那台|掉线|不通|超时|timed out|unreachable|is (?:up|down))")
_PORT_OR_MASK = re.compile(r":\d{2,5}(?!\d)|/\d{1,2}(?!\d)")


def is_no_address(reading: Reading, found: re.Match[str]) -> bool:
    """Is it a version, a clause such as 1.3.2.2, a mask, or an address that every machine has?

    With a word of versions right before it, it is one, except behind the name of a host. Otherwise what
    calls it an address of the net decides, which stands right beside one that could be a version; where
    nothing does, small numbers and talk of versions tell against it.
    """
    text, start, end = reading.text, found.start(), found.end()
    octets = [int(octet) for octet in found[0].split(".")]
    if octets[0] in (0, 127) or octets[0] >= 240:
        return True
    if _HOST.search(text, max(0, start - 16), start):
        return False
    if _VERSION.search(text, max(0, start - 40), start) or _VERSION_AFTER.match(text, end):
        return True
    if _PRODUCT.search(text, max(0, start - 24), start):
        return True
    cue = reading.cue_before(start)
    reach = 4 if _counts_up(octets) else 32
    if (cue is not None and cue.theme == "ip" and start - cue.end <= reach) or _PORT_OR_MASK.match(text, end):
        return False
    if _counts_up(octets) and text.strip() != found[0]:
        return not (_NET_BEFORE.search(text, max(0, start - 24), start) or _NET_AFTER.match(text, end))
    if _NET.search(text, max(0, start - 60), end + 60):
        return False
    if text.strip() == found[0]:  # the answer to a question
        return len(set(octets)) > 1 and max(octets) < 10
    if _SPEAKS_OF_VERSIONS.search(text):
        return True
    return octets[0] < 100 and octets[0] != 10 and max(octets) < 64 and not _MARKS_PLACE.match(text, end)


def _counts_up(octets: list[int]) -> bool:
    """Is it more like 8.0.44.23, which grows by one, than like an address, which is drawn from all?"""
    first, second, third, _ = octets
    low = max(octets) < 64 or 0 in (second, third) or (second < 32 and third < 10)
    return first < 32 and first != 10 and low
