"""Verbs that stay good English in the passive: base, past and participle, the irregular ones by table."""

from __future__ import annotations

from typing import NamedTuple


class Verb(NamedTuple):
    """The forms of a verb; none whose past looks like its base (``put``), which would hide the tense."""

    base: str
    past: str
    participle: str


_IRREGULAR = """
break broke broken; buy bought bought; overwrite overwrote overwritten; choose chose chosen;
forget forgot forgotten; freeze froze frozen; hide hid hidden;
lose lost lost; mislead misled misled;
overdraw overdrew overdrawn; pay paid paid; repay repaid repaid; prepay prepaid prepaid;
rewrite rewrote rewritten;
rebuild rebuilt rebuilt; resell resold resold; resend resent resent; sell sold sold; send sent sent;
spend spent spent; steal stole stolen; take took taken; tear tore torn;
throw threw thrown; withdraw withdrew withdrawn; withhold withheld withheld; write wrote written;
undo undid undone; redo redid redone;
"""
_REGULAR = """
accept activate add adjust apply approve archive arrange assign attach authorize authorise block book cancel
change charge check clean close collect complete confirm connect contact convert copy correct create credit
damage deactivate debit decline deduct delay delete deliver deny destroy disable disconnect dispatch download
edit enable enter erase exchange extend file fix handle ignore inform inspect install interrupt invite
issue launch link lock log merge migrate misplace modify monitor move notify open order pack postpone
print process purchase receive record redeem redirect refund refuse register reject release remove rename
renew overcharge repair replace report request reschedule reserve resolve restart restore retrieve return
reverse review revoke scan schedule ship sign solve store submit suspend switch terminate track transfer
uninstall unlock
unpack update upgrade upload validate verify violate waive watch refill reopen rebook refurbish reinstall
reroute downgrade duplicate misdeliver mishandle
"""
_DOUBLED = {
    "cancel": "cancell",
    "log": "logg",
    "ship": "shipp",
    "scan": "scann",
    "submit": "submitt",
    "transfer": "transferr",
}
_OTHER_SPELLINGS = (("cancel", "canceled", "canceled"),)


def _regular(base: str) -> Verb:
    stem = _DOUBLED.get(base, base)
    if stem.endswith("e"):
        past = stem + "d"
    elif stem[-1] == "y" and stem[-2] not in "aeiou":
        past = stem[:-1] + "ied"
    else:
        past = stem + "ed"
    return Verb(base, past, past)


def _table() -> tuple[Verb, ...]:
    irregular = [Verb(*forms.split()) for forms in _IRREGULAR.split(";") if forms.strip()]
    others = [Verb(*forms) for forms in _OTHER_SPELLINGS]
    return (*irregular, *map(_regular, _REGULAR.split()), *others)


_TWO_OBJECTS = """
assign buy charge credit debit deny issue order overcharge pay refund refuse repay resell resend sell send
transfer write
"""
TWO_OBJECTS = frozenset(_TWO_OBJECTS.split())
"""Bases of verbs that also take a person and a thing: they sent my son shoes."""

VERBS = _table()
BY_BASE = {verb.base: verb for verb in VERBS[::-1]}
BY_PAST = {verb.past: verb for verb in VERBS}
BY_PARTICIPLE = {verb.participle: verb for verb in VERBS}
