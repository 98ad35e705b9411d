"""Log templates, mined line by line: Drain (He et al. 2017) over masked tokens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from drain3.drain import Drain
from pydantic import Field, PositiveInt

from sft_shared.config import Settings
from sft_shared.data.operations.masks import ANY, mask, tokens
from sft_shared.data.words import is_han

Shape = tuple[str, ...]
MAX_HOLE = 4  # words of a value


class MiningSettings(Settings):
    """How lines become templates."""

    similarity: float = Field(
        default=0.8, ge=0, le=1
    )  # share of equal tokens of one template; 1: all of them
    depth: int = Field(default=4, ge=3)  # of the prefix tree: depth - 3 leading tokens must be equal
    variety: int = Field(default=4, ge=2)
    """So many templates that differ in one and the same word are one template: the word is a value."""
    max_templates: PositiveInt = 10_000  # the least recently seen one is forgotten; memory is bounded by this
    max_chars: PositiveInt = 2_000  # of a line; what is behind is not looked at


@dataclass(frozen=True)
class Template:
    """What lines have in common; ``<*>`` and masks such as ``<IP>`` stand for what changes."""

    id: int
    text: str
    count: int


class TemplateMiner:
    """Learns templates from a stream of lines, in memory that does not grow with the stream."""

    def __init__(self, settings: MiningSettings) -> None:
        self._settings = settings
        self._drain = Drain(
            sim_th=settings.similarity,
            depth=settings.depth,
            max_clusters=settings.max_templates,
            param_str=ANY,
        )

    def add(self, line: str) -> int:
        """Learn from a line and return the id of its template; a later line may still widen the template."""
        return self.add_tokens(tokens(mask(line[: self._settings.max_chars])))

    def add_tokens(self, found: list[str]) -> int:
        """`add` for a line that was cut into tokens already."""
        cluster, _ = self._drain.add_log_message(" ".join(found))
        return int(cluster.cluster_id)

    def merged(self) -> dict[int, int]:
        """Template id -> id of the template that it turned out to be a part of, for those that did.

        Drain wants the leading words equal, and most of the others. Where many templates differ in a single
        word, that word is a value, wherever it stands.
        """
        shapes = {int(e.cluster_id): tuple(str(e.get_template()).split(" ")) for e in self._drain.clusters}
        return merge_values(shapes, variety=self._settings.variety)

    def template(self, template_id: int) -> Template:
        """A template as it stands. Raises KeyError if it was forgotten."""
        cluster = self._drain.id_to_cluster[template_id]
        if cluster is None:
            raise KeyError(template_id)
        return Template(int(cluster.cluster_id), str(cluster.get_template()), int(cluster.size))

    def merged_templates(self) -> list[Template]:
        """All templates after `merged`, the most frequent first, of equally frequent ones the earlier."""
        shapes = {int(e.cluster_id): tuple(str(e.get_template()).split(" ")) for e in self._drain.clusters}
        merged = merge_values(shapes, variety=self._settings.variety)
        groups: dict[int, list[int]] = defaultdict(list)
        for each in shapes:
            groups[merged.get(each, each)].append(each)
        found = [
            Template(
                id=first,
                text=" ".join(common([shapes[each] for each in members])),
                count=sum(self.template(each).count for each in members),
            )
            for first, members in groups.items()
        ]
        return sorted(found, key=lambda each: (-each.count, each.id))


def mine(lines: Iterable[str], settings: MiningSettings) -> tuple[list[int], TemplateMiner]:
    """The template id of each line once all are read, and the miner that learned them."""
    miner = TemplateMiner(settings)
    first = [miner.add(line) for line in lines]
    merged = miner.merged()
    return [merged.get(each, each) for each in first], miner


def common(shapes: list[Shape]) -> Shape:
    """What shapes have in common at their two ends, with one ``<*>`` for all that is between.

    >>> common([("Proxy", "a", "started."), ("Proxy", "b", "c", "started.")])
    ('Proxy', '<*>', 'started.')
    """
    first = shapes[0]
    if all(len(each) == len(first) for each in shapes):
        return tuple(words[0] if len(set(words)) == 1 else ANY for words in zip(*shapes, strict=True))
    shortest = min(map(len, shapes))
    before = next((i for i in range(shortest) if len({each[i] for each in shapes}) > 1), shortest)
    room = shortest - before
    after = next((i for i in range(room) if len({each[-1 - i] for each in shapes}) > 1), room)
    return (*first[:before], ANY, *first[len(first) - after :])


def merge_values(shapes: dict[int, Shape], *, variety: int) -> dict[int, int]:
    """Which templates are one: id -> the smallest id of those it is one with, itself left out.

    Templates are one if they are equal but for one to four neighbouring words, and these take ``variety``
    values or are known to be a value already. As many words as differ must be equal; where a
    single one is, it takes twice the variety.

    >>> merge_values({1: ("Proxy", "a", "up"), 2: ("Proxy", "b", "up"), 3: ("link", "c", "up")}, variety=2)
    {2: 1}
    """
    alive = {each: _collapsed(shape) for each, shape in shapes.items()}
    parent: dict[int, int] = {}
    changed = True
    while changed:
        changed = False
        by_hole: dict[tuple[Shape, Shape], set[int]] = defaultdict(set)
        for each, shape in alive.items():
            for key in _holes(shape):
                by_hole[key].add(each)
        for (before, after), members in sorted(by_hole.items(), key=lambda it: (-len(it[1]), it[0])):
            current = sorted(each for each in members if each in alive and _fits(alive[each], before, after))
            values = {alive[each][len(before) : len(alive[each]) - len(after)] for each in current}
            if len(current) < 2 or not _is_value(values, variety=variety, rest=(*before, *after)):
                continue
            for each in current[1:]:
                parent[each] = current[0]
                del alive[each]
            if len(values) > 1:
                alive[current[0]] = _collapsed((*before, ANY, *after))
            changed = True
    return {each: _root(parent, each) for each in parent}


def _holes(shape: Shape) -> Iterator[tuple[Shape, Shape]]:
    for start in range(len(shape)):
        for end in range(start + 1, min(start + MAX_HOLE, len(shape)) + 1):
            before, after = shape[:start], shape[end:]
            words = shape[start:end]
            one_kind = len({each.startswith("<") for each in words}) == 1  # no value holds words and masks
            if one_kind and _num_words((*before, *after)) >= end - start and len(shape) > 2:
                yield before, after


def _is_value(values: set[Shape], *, variety: int, rest: Shape) -> bool:
    """Whether what stands between two equal parts is a value: of many kinds, or a value in one of them."""
    if len(values) == 1 or ((ANY,) in values and all(map(_is_one_word, values))):
        return True
    return len(values) >= (variety if _num_words(rest) > 1 else 2 * variety)


def _is_one_word(value: Shape) -> bool:
    """One word, or a Chinese name of one that was cut in two for want of a dictionary."""
    chinese = all(map(is_han, value))
    return len(value) == 1 or (len(value) == 2 and chinese)


def _num_words(shape: Shape) -> int:
    return sum(not each.startswith("<") for each in shape)


def _fits(shape: Shape, before: Shape, after: Shape) -> bool:
    return (
        0 < len(shape) - len(before) - len(after) <= MAX_HOLE
        and shape[: len(before)] == before
        and shape[len(shape) - len(after) :] == after
    )


def _collapsed(shape: Shape) -> Shape:
    """Neighbouring values as one, if at least one of them is of no known kind: ``<*> <NUM>`` is ``<*>``."""
    found: list[str] = []
    for each in shape:
        if found and each.startswith("<") and found[-1].startswith("<") and ANY in (each, found[-1]):
            found[-1] = ANY
        else:
            found.append(each)
    return tuple(found)


def _root(parent: dict[int, int], each: int) -> int:
    while each in parent:
        each = parent[each]
    return each
