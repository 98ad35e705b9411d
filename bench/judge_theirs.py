"""BFCL's own AST checker, run as it lies in the installed package bfcl-eval, on Python's categories.

Only here is code of that package run; the product reads its JSON files alone. Its checker imports a table of
every model on the leaderboard, and with it the clients of a dozen providers, whose pins (numpy 1.26.4,
networkx 3.3, filelock 3.20.0) do not fit ours. The table has one use: whether a model writes ``_`` for ``.``
in names. In its place stands one that says no, as for all models that are prompted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from sft_shared.data.bfcl import BfclCategory
from sft_shared.errors import DataError

PACKAGE = "bfcl-eval"
INSTALL = f"pip install --no-deps {PACKAGE}==2026.3.23"
_TABLE = "bfcl_eval.constants.model_config"
_MODEL = "prompted"


class TheirChecker:
    """The checker with the questions and ground truths of one category."""

    def __init__(self, category: BfclCategory) -> None:
        """Raises DataError if the package is missing or its checker cannot be imported."""
        self.category = category
        self._check, self._python = _load()
        self._questions = _records(f"BFCL_v4_{category}.json")
        self._answers = _records(f"possible_answer/BFCL_v4_{category}.json")

    def accepts(self, identity: str, calls: Sequence[dict[str, Any]]) -> bool:
        """Whether ``calls`` answer the question ``identity``."""
        functions = self._questions[identity]["function"]
        return self._valid(functions, calls, self._answers[identity]["ground_truth"], str(self.category))

    def accepts_call(self, identity: str, call: dict[str, Any], *, place: int) -> bool:
        """Whether ``call`` alone is what the ground truth wants at ``place``."""
        truth = self._answers[identity]["ground_truth"][place]
        return self._valid([self._function(identity, truth)], [call], [truth], "simple")

    def accepts_value(self, identity: str, name: str, value: Any, *, place: int) -> bool:
        """Whether ``value`` is right for the argument ``name`` of the call at ``place``, the others aside."""
        truth = self._answers[identity]["ground_truth"][place]
        function = self._function(identity, truth)
        parameters = function["parameters"]
        only = {"properties": {name: parameters["properties"][name]}, "required": []}
        ((called, arguments),) = truth.items()
        return self._valid(
            [{**function, "parameters": {**parameters, **only}}],
            [{"name": called, "arguments": {name: value}}],
            [{called: {name: arguments[name]}}],
            "simple",
        )

    def declared(self, identity: str, name: str, *, place: int) -> str:
        """The type that the function declares for an argument, in BFCL's words."""
        function = self._function(identity, self._answers[identity]["ground_truth"][place])
        return str(function["parameters"]["properties"][name]["type"])

    def _function(self, identity: str, truth: dict[str, Any]) -> dict[str, Any]:
        (called,) = truth
        found: dict[str, Any] = next(
            function for function in self._questions[identity]["function"] if function["name"] == called
        )
        return found

    def _valid(
        self,
        functions: list[dict[str, Any]],
        calls: Sequence[dict[str, Any]],
        truth: list[dict[str, Any]],
        category: str,
    ) -> bool:
        decoded = [{call["name"]: call["arguments"]} for call in calls]
        return bool(self._check(functions, decoded, truth, self._python, category, _MODEL)["valid"])


class _NoUnderscores(dict[str, Any]):
    def __missing__(self, model: str) -> Any:
        return SimpleNamespace(underscore_to_dot=False)


def _load() -> tuple[Any, Any]:
    """Their function and their name for Python."""
    table = ModuleType(_TABLE)
    table.__dict__["MODEL_CONFIG_MAPPING"] = _NoUnderscores()
    before = sys.modules.get(_TABLE)
    sys.modules[_TABLE] = table
    try:
        from bfcl_eval.constants.enums import Language
        from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker
    except ImportError as error:
        raise DataError(f"the checker of {PACKAGE} cannot be imported: {error}. Run: {INSTALL}") from None
    finally:
        del sys.modules[_TABLE]
        if before is not None:
            sys.modules[_TABLE] = before
    return ast_checker, Language.PYTHON


def _records(name: str) -> dict[str, dict[str, Any]]:
    try:
        path = Path(str(distribution(PACKAGE).locate_file(f"bfcl_eval/data/{name}")))
    except PackageNotFoundError:
        raise DataError(f"the package {PACKAGE} is missing. Run: {INSTALL}") from None
    with path.open(encoding="utf-8") as file:
        return {record["id"]: record for record in map(json.loads, filter(str.strip, file))}
