"""The two tasks of the training studies: tool calls from BFCL, topics from the ChatterBot corpus.

Both are read from installed packages, their JSON and YAML files only.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import yaml

from sft_shared.data.bfcl import BfclCategory, read_bfcl
from sft_shared.data.chat import DataSettings, tokenize
from sft_shared.data.partition import split_held_out
from sft_shared.dialogue import Example, Message, Provenance
from sft_shared.errors import DataError

# The corpus' English files with at least 20 distinct questions that are about something.
TOPICS = ("ai", "coding", "emotion", "literature", "movies", "psychology", "science", "sports", "trivia")
CORPUS = "chatterbot-corpus"
_INSTALL = f"pip install --no-deps {CORPUS}==1.3.3"


def tool_calls(
    tokenizer: Any,
    *,
    categories: Sequence[BfclCategory],
    num_held_out: int,
    seed: int,
    settings: DataSettings,
) -> tuple[list[Example], list[Example]]:
    """BFCL as (train, held_out), no question in nearly the same words on both sides; long ones left out."""
    unlimited = settings.model_copy(update={"max_tokens": 1 << 30})
    fitting = [
        example
        for example in read_bfcl(categories)
        if len(tokenize(example, tokenizer, unlimited).input_ids) <= settings.max_tokens
    ]
    return split_held_out(fitting, num_held_out=num_held_out, seed=seed, shared_functions=categories)


def topic_questions() -> dict[str, list[str]]:
    """Topic -> its distinct questions (the first line of each dialogue), lower-case, in the files' order.

    A question that stands under several topics is left out. Raises DataError without the package.
    """
    try:
        package = distribution(CORPUS)
    except PackageNotFoundError:
        raise DataError(
            f"Topics are read from the package {CORPUS}, which is missing. Run: {_INSTALL}"
        ) from None
    topics_of: dict[str, set[str]] = defaultdict(set)
    for topic in TOPICS:
        path = Path(str(package.locate_file(f"chatterbot_corpus/data/english/{topic}.yml")))
        try:
            conversations = yaml.safe_load(path.read_text(encoding="utf-8"))["conversations"]
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
            raise DataError(f"{path}: cannot be read: {error}. Install it anew: {_INSTALL}") from None
        for conversation in conversations:
            topics_of[" ".join(str(conversation[0]).lower().split())].add(topic)
    questions: dict[str, list[str]] = {topic: [] for topic in TOPICS}
    for question, topics in topics_of.items():
        if len(topics) == 1:
            questions[next(iter(topics))].append(question)
    return questions


def topic_examples(questions: Mapping[str, Sequence[str]]) -> list[Example]:
    """One example a question; the answer is the topic's name, and the prompt lists all names."""
    instruction = "Which topic is this from? Reply with one word: " + ", ".join(sorted(questions)) + "."
    return [
        Example(
            id=f"{topic}-{number}",
            messages=(
                Message(role="system", content=instruction),
                Message(role="user", content=question),
                Message(role="assistant", content=topic),
            ),
            category=topic,
            provenance=Provenance(source=CORPUS, session=f"{topic}-{number}"),
        )
        for topic in sorted(questions)
        for number, question in enumerate(questions[topic])
    ]


def split_by_class(
    examples: Sequence[Example], *, num_train: Mapping[str, int], max_test: int, seed: int
) -> tuple[list[Example], list[Example]]:
    """Draw ``num_train[class]`` examples of each class, and up to ``max_test`` others to test on.

    Raises DataError if a class has too few for both sides.
    """
    members: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        members[example.category].append(example)
    train: list[Example] = []
    test: list[Example] = []
    for name in sorted(num_train):
        drawn = sorted(members[name], key=lambda example: example.id)
        random.Random(f"{seed} {name}").shuffle(drawn)  # noqa: S311 (a split, not a secret)
        wanted = num_train[name]
        if len(drawn) <= wanted:
            raise DataError(f"class {name!r} has {len(drawn)} examples, {wanted} are for training alone.")
        train += drawn[:wanted]
        test += drawn[wanted : wanted + max_test]
    return train, test
