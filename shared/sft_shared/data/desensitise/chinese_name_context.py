"""What stands beside a Chinese name: announcements, titles, what people do, and what is no person."""

from __future__ import annotations

import re

from sft_shared.data.desensitise.lexicon import lexicon, surnames

LABEL = (
    "姓名|名字|收件人|收货人|联系人|寄件人|发件人|寄方|收方|户名|开户名|持卡人|客户名称?|"
    "客服|经办人|申请人|投保人|被保险人|被保人|受益人|患者|病人|就诊人|乘客|乘车人|"
    "乘机人|旅客|车主|司机|业主|租客|房东|租户|住户|员工|学生|学员|考生|家长|老师|签名|"
    "签收人|签字|署名|落款|法人|法定代表人|负责人|主治医生|律师|坐席|专员|顾问|"
    "代理人|委托人|担保人|借款人|贷款人|付款人|收款人|汇款人|转账人|购买人|下单人|提货人|"
    "取件人|取票人|入住人|参保人|紧急联系人|监护人|户主|机主|号主|店主|老板|店长|经理|"
    "主管|组长|技师|骑手|快递员|配送员|安装师傅|师傅|接待人|受理人|处理人|审批人|操作员|"
    "操作人|制单人|审核人|称呼|昵称|真名|本名|全名|抬头|当事人|嫌疑人|原告|被告|作者|"
    "主办人|报案人|投诉人|反馈人|登记人|预约人|报名人|参会人|用户名称|用户|客户|会员|顾客|"
    "嘉宾|主播|护士|医生|教练|导购|发起人|候选人|面试官|推荐人|邮寄人"
)
_FILL = (
    r"(?:[\s:=\"'“”‘’(（【\[<|]|是|为|叫|写|填|改成|改为|变更为|换成|加一?个|就是|"
    r"应该是|登记的是?|名字?|栏|处|一栏|好像|姓名|您好?|你好|,)*"
)
_SAYS_NAME = re.compile(
    rf"(?:我叫|一个叫|有个叫|有位叫|名为|他叫|她叫|名叫|名字叫|叫做|本名叫|真名叫|孩子叫|(?:{LABEL}){_FILL}|"
    r"(?:[A-Za-z_]*(?:name|receiver|recipient|consignee|customer|contact|guest|passenger|"
    r"patient|owner|holder|from|to|user|assignee|agent|sender|payee|payer|"
    r"driver|operator|staff|student|employee|by|signer|signature)[\"']?\s*[:=]\s*[\"'“]?))$"
)
MAY_ANNOUNCE = frozenset(
    "表告托叫人名方户者客员机业主生师长字款法责律席专问称呼昵抬服理收是为写填成栏像好您你 :=\"'“‘(（【[<|"
)
"""The last characters of what `context` takes for an announcement: a quick look before a thorough one."""

SUGGESTS = re.compile(
    r"(?:我是|他是|她是|这是|您是|你是|本人|鄙人|敝姓|在下|是我|我[朋战男女]友|同事|朋友|老公|"
    r"老婆|丈夫|妻子|爱人|媳妇|儿子|女儿|爸爸?|妈妈?|父亲|"
    r"母亲|哥哥?|姐姐?|弟弟?|妹妹?|领导|邻居|同学|"
    r"转告|通知|联系|呼叫|转接|尊敬的|亲爱的|敬爱的|致|感谢|多谢|谢谢|请问|叫|找|给|让|请|由|"
    r"跟|和|与|及|、|同|替|帮|陪|写|寄给|发给|转给|交给|送给|"
    r"周[一二三四五六日天末]|星期[一二三四五六日天]|[早晚白夜中值]班|听|抄送|主治|护理|病人|"
    r"床|驾驶员|保安|骑手|村民|新生儿|柜员|投保人|被告|原告|办理人|创始人|董秘|总裁|董事长|"
    r"行长|首相|总监|队员|打给|汇给|问问?|问一下|告诉|是|归|到|被|向|对|把|像|派|换|"
    r"你好,我|您好,我|你好我|您好我|,我|。我|^我|@|--?|—|:|：|/|\|)\s?[\"'“]?$"
)
TITLES = re.compile(
    "先生|女士|小姐|太太|夫人|同志|师傅|老师|医生|大夫|经理|总监|主任|律师|教授|博士|护士|"
    "阿姨|叔叔|大爷|大妈|大姐|大哥|奶奶|爷爷|局长|院长|校长|董事长|"
    "教练|组长|所长|馆长|站长|社长|团长|处长|婶婶?|大妈|村长|书记|老板|队长|班长|店长|科长|"
    "处长|部长|主管|专员|顾问|"
    "总(?![共计额价数量部会结体是裁能算得要归而务装之])|工(?![作程资单人号具厂业期时序])|"
    "哥(?![们伦])|姐(?![妹夫])|总裁|工程师|警官|法官|同学|老总|"
    "秘书|会计|院士|叔(?!叔)|婶(?!婶)|[处局](?=[的,，。!！?？；;、 ]|$)|女士/先生"
)
ACTS = re.compile(
    r"收(?![入到费])|签收|本人|来电|反馈|投诉|申请|说[,，:：]?|先生|女士|的(?:手机|电话|订单|"
    r"快递|地址|账户|卡|身份证|包裹|名字|邮箱|快件|号码|"
    r"信息|资料|账号|工资|报告|合同|病历|保单|微信|儿子|女儿)|,?(?:手机|电话|身份证|男|女)|"
    r"[昨今明]天|刚才|刚刚|已经|为您服务|很高兴|接待|负责|在吗|您好|你好|一起|[两三四]个人|"
    r"转账|付款|下单|办理|同意|确认|回复|要求|表示|昨|说的|帮我|给我|去|来|到了"
)
_NOT_A_PERSON = re.compile(
    "公司|集团|银行|股份|有限|路|街|巷|镇|村|县|市|区(?!别)|省|乡|大学|学院|医院|学校|中学|"
    "小学|小区|大厦|广场|超市|牌|酒店|宾馆|证券|基金|科技|"
    "保险|氏|府|河|山|湖|寺|庙|桥|站|机场|国|州|族|语|粉|酱|"
    "餐厅|饭店|影业|传媒|地产|置业|药业|汽车|手机|电器|食品|服饰|珠宝|庄|屯|坡|岭|峰|岛|海|"
    "江|港|湾|楼|苑|园|花园|新村|号楼|号院|体|率|值|型|版|"
    "款|机$|器|柜|箱|卡(?!号)|币|券|费|税|险"
)


def context(text: str, first: int, last: int) -> tuple[float, bool]:
    """What the words beside a candidate add to its log odds, and whether they call it a name."""
    before, odds = text[max(0, first - 14) : first], 0.0
    said = _SAYS_NAME.search(before)
    if said:
        odds += (
            9.0 if text[first] not in _PARTICLES or not is_han(before[-1]) or before[-1] in "叫是为" else 4.0
        )
    elif suggested := SUGGESTS.search(before):
        odds += 5.0 if _OF_SOMEBODY.search(before[: suggested.end()]) else 2.5
    elif not before or not is_han(before[-1]):
        odds += 1.5
    after = text[last : last + 6]
    title = TITLES.match(text, last)
    if title:
        odds += 6.0
    elif not after or not is_han(after[0]):
        odds += 2.0
        if not before or not is_han(before[-1]):
            odds += 1.0
    elif ACTS.match(text, last):
        odds += 2.0
        if (said or odds > 3.0) and _ONLY_PEOPLE.match(text, last):
            odds += 2.0
    if not title and odds < 8 and (suffix := _NOT_A_PERSON.match(text, last)) and not _is_word(text, suffix):
        odds -= 9.0
    if (
        odds < 8
        and not title
        and (_WORKS.match(text, last) or (last - first == 2 and _WORKS.match(text, last + 1)))
    ):
        odds -= 9.0
    if odds < 8 and last - first == 2 and surnames().get(text[first], 0.0) <= 0.0008 and not title:
        odds -= 4.0
    if odds < 8 and _MEASURED.search(text, max(0, first - 1), first + 1):
        odds -= 12.0
    if text[last - 1] in _FUNCTION:
        odds -= 4.0 if odds >= 6 else 6.0
    return odds, odds >= 6


_PARTICLES = frozenset(
    "向于应经由能和从时任常成都连相解计别过安"
)  # surnames that go on the sentence far more often
_OF_SOMEBODY = re.compile(
    r"(?:[我他她您你](?:们?家)?的?(?:同事|朋友|老公|老婆|丈夫|妻子|爱人|媳妇|儿子|女儿|爸|妈|"
    r"爸爸|妈妈|父亲|母亲|哥|姐|弟|妹|领导|邻居|同学|闺蜜|室友|老板|男友|女友)|"
    r"骑手|保安|村民|新生儿|被告|原告|投保人|柜员|法人代表是|负责人是|办理人|驾驶员|主治|抄送)$"
)
_ONLY_PEOPLE = re.compile(
    r"本人|你好|您好|的(?:手机|快递|医保|电话|身份证|包裹|社保|工资|病历|报告|儿子|女儿|考勤|"
    r"名字)|这名字|说[,他她你我]|昨天请假|请假"
)
_WORKS = re.compile(
    r"(?:的)?(?:演唱会|主演|饰演|执导|的?电影|的?小说|的?诗|的?歌|的?相声|的?专辑|的?画|"
    r"的?作品|的?故事|故居|纪念馆|祠|墓|传记|语录|砸缸|"
    r"螺蛳粉|雪糕|十三香|茶叶|剪刀|发布会|演讲|地震|这首歌|皮肤|攻略|绘本|雕像|的公司|麻辣烫|"
    r"牛肉面|包子|烧饼|火锅|烤鸭|凉茶|地铁|高科|东新区|新区|隧道|高速|支行|分行|大桥|水库|"
    r"千古情|主题曲|演的|唱的|写的书|的话剧|版《)"
)
_MEASURED = re.compile("[一二两三四五六七八九十几这那每某该此另0-9][张章段方支席成门项路包支]")
_FUNCTION = frozenset("和与跟的了是在说要去来把被让给就都也克个收本先女您我你请吗么呢啊吧这那")


def _is_word(text: str, suffix: re.Match[str]) -> bool:
    """Is the one character that would make a place or firm of a name the beginning of a word: 值班, 体检?"""
    start = suffix.start()
    return len(suffix[0]) == 1 and lexicon().words.get(text[start : start + 2], -99.0) > -14.0


def is_han(char: str) -> bool:
    return "\u3400" <= char <= "\u9fff"
