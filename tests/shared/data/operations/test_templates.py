"""Log templates: what changes is masked, what stays is kept, and the groups agree with their labels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.log_corpus import SYSTEMS
from bench.log_corpus import lines as made
from sft_shared.data.operations.grouping import agreement
from sft_shared.data.operations.masks import ANY, mask, tokens
from sft_shared.data.operations.templates import MiningSettings, TemplateMiner, merge_values, mine


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("from 10.0.0.7:22 port 4711", "from <IP> port <NUM>"),
        ("at 2026-03-05T12:30:01.123+08:00 ok", "at <TIME> ok"),
        ("2026年3月5日12时30分01秒重启", "<TIME>重启"),
        ("Mon Jun 14 15:16:01 2026 up", "<TIME> up"),
        ("设备SW-A07离线", "设备<ID>离线"),
        ("接口/api/v1/orders?id=3调用异常", "接口<PATH>调用异常"),
        ("open C:\\Windows\\x.dll failed", "open <PATH> failed"),
        ("lock 0x7f3a, 00:1a:2b:3c:4d:5e", "lock <HEX>, <MAC>"),
        ("took 12.5ms of 1,024 KB", "took <NUM> of <NUM>"),
        ("id 550e8400-e29b-41d4-a716-446655440000", "id <ID>"),
        ("blk_-1608999687919862906 lost", "<ID> lost"),
        ("see https://a.org/x?y=1 now", "see <URL> now"),
        ("ports 1, 2, 3 and 4", "ports <NUM> and <NUM>"),
        ("fe80::1 and 2001:db8:0:0:0:0:0:1", "<IP> and <IP>"),
        ("deadbeef is no id without a digit", "deadbeef is no id without a digit"),
    ],
)
def test_what_changes_is_masked(line: str, masked: str) -> None:
    """Addresses, times, paths, ids and numbers, in both languages."""
    assert mask(line) == masked


def test_a_word_with_a_number_in_it_is_one_token() -> None:
    """`ops01` is a value like `root`: both leave one token, and a name in Chinese does too."""
    assert tokens(mask("user ops01 in")) == ["user", ANY, "in"]
    assert tokens(mask("用户欧阳雪登录成功")) == ["用户", "欧阳", "雪", "登录", "成功"] or len(
        tokens(mask("用户李娜登录成功"))
    ) <= len(tokens(mask("用户欧阳雪登录成功")))


@given(st.text())
def test_any_line_is_masked_and_cut(line: str) -> None:
    """No line breaks it, and no token is empty or holds white space."""
    assert all(token and not token.isspace() for token in tokens(mask(line)))


def test_names_in_chinese_lines_merge() -> None:
    """Lines that differ in a person and a device are one template; another event is another one."""
    people = ["张伟", "李娜", "王芳芳", "欧阳雪", "陈杰", "刘洋"]
    log = [f"用户{name}登录失败，终端SW-{n:02}，次数{n}" for n, name in enumerate(people)]
    log += [f"设备RT-{n:02}离线，心跳时间2026-03-0{n + 1} 10:00:00" for n in range(5)]
    found, _ = mine(log, MiningSettings())
    assert len(set(found[:6])) == 1
    assert len(set(found[6:])) == 1
    assert found[0] != found[6]


def test_lines_without_masks_would_not_merge() -> None:
    """Why the masks are there: the plain miner takes each device for a template of its own."""
    log = [f"设备SW-{n:02}离线，心跳{n}" for n in range(20)]
    masked, _ = mine(log, MiningSettings())
    plain = TemplateMiner(MiningSettings())
    assert len(set(masked)) == 1
    assert len({plain.add_tokens([line]) for line in log}) == 20


def test_a_word_of_many_values_is_a_value_and_one_of_two_is_not() -> None:
    """`running` and `stopped` stay apart; twelve services do not."""
    shapes = {
        index: (
            "The",
            f"svc{index // 2}",
            "service",
            "entered",
            "the",
            "stopped" if index % 2 else "running",
            "state",
        )
        for index in range(24)
    }
    merged = merge_values(shapes, variety=4)
    groups = {merged.get(index, index) for index in shapes}
    assert groups == {0, 1}
    assert merge_values({1: ("link", "up"), 2: ("link", "down")}, variety=2) == {}


@pytest.mark.parametrize("system", ["sshd", "hdfs", "kubelet", "chinese", "windows"])
def test_generated_logs_are_grouped_as_they_were_made(system: str) -> None:
    """A floor well below what the benchmark shows, so that a broken mask is seen."""
    pairs = list(made(system, num_lines=600, seed=3))
    found, _ = mine((line for line, _ in pairs), MiningSettings())
    assert agreement(found, [label for _, label in pairs]).ga > 0.8


def test_memory_is_bounded_by_the_number_of_templates() -> None:
    """The least recently seen are forgotten, and the miner goes on."""
    miner = TemplateMiner(MiningSettings(max_templates=10))
    for index in range(500):
        miner.add(" ".join(chr(97 + index % 26) * (1 + index // 26 + place) for place in range(5)))
    assert len(miner.merged_templates()) <= 10


def test_templates_tell_what_lines_have_in_common() -> None:
    """The text has a hole for the value, and the counts add up."""
    names = ["orders", "billing", "search", "coupon"] * 3
    found, miner = mine([f"Proxy {name} started." for name in names], MiningSettings())
    (template,) = miner.merged_templates()
    assert (template.text, template.count) == ("Proxy <*> started.", 12)
    assert set(found) == {template.id}


LABELS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1)


@given(LABELS)
def test_agreement_is_a_share_and_perfect_only_for_equal_groups(pairs: list[tuple[int, int]]) -> None:
    """Names of groups do not matter; only which lines stand together."""
    found, labels = [a for a, _ in pairs], [b for _, b in pairs]
    result = agreement(found, labels)
    assert 0 <= result.ga <= 1
    assert 0 <= result.fga <= 1
    same = len(set(pairs)) == len(set(found)) == len(set(labels))
    assert (result.ga == 1) == (result.fga == 1) == same
    assert agreement([f"x{label}" for label in labels], labels).ga == 1


def test_agreement_by_hand() -> None:
    """Of five lines, the two of `a` are grouped rightly; `b` was cut in two."""
    result = agreement([1, 1, 2, 2, 3], ["a", "a", "b", "b", "b"])
    assert (result.ga, result.precision, result.recall) == (0.4, 1 / 3, 0.5)
    assert result.fga == pytest.approx(0.4)
    with pytest.raises(ValueError, match="one label for each line"):
        agreement([1], [])


def test_every_generated_system_has_its_templates() -> None:
    """The benchmark shows at least twelve kinds of system, each line made of one of its templates."""
    assert len(SYSTEMS) >= 12
    for system, templates in SYSTEMS.items():
        labels = {label for _, label in made(system, num_lines=300, seed=0)}
        assert labels <= {f"{system}-{index}" for index in range(len(templates))}
        assert not any("{" + "n}" in line or "\0" in line for line, _ in made(system, num_lines=50, seed=1))
