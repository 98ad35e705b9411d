"""Settings from YAML, with ``file:line`` in every complaint."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo

from sft_shared.errors import ConfigError


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown fields, no silent type changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base_dir")
    return path if base is None else Path(os.path.normpath(Path(base) / path))


LocalPath = Annotated[Path, AfterValidator(_beside_the_file)]
"""A path in a YAML file; a relative one counts from the folder of that file."""

SettingsT = TypeVar("SettingsT", bound=Settings)


def load_yaml(path: Path, model: type[SettingsT]) -> SettingsT:
    """Read ``path`` into ``model``.

    Raises ConfigError that names ``file:line``, the field, what was found and what is allowed;
    all wrong fields are named at once, one line each.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file. Give the path of an existing YAML file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}.") from None
    try:
        _refuse_aliases(path, text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem or error.context}.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}:1: not valid YAML: {str(error).splitlines()[0]}.") from None
    except (ValueError, RecursionError) as error:  # a date such as 2020-13-45, or thousands of brackets
        raise ConfigError(f"{path}:1: holds a value that cannot be read: {error}.") from None
    if root is None or not isinstance(values, dict):
        found = "an empty file" if values is None else f"a {type(values).__name__}"
        raise ConfigError(f"{path}:1: found {found}, expected fields such as {_fields(model)}.")
    _refuse_duplicate_keys(path, root)
    try:
        return model.model_validate(values, context={"base_dir": path.resolve().parent})
    except ValidationError as error:
        lines = [_complaint(path, root, problem, model) for problem in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def refuse_twins(field: str, names: Iterable[str]) -> None:
    """Raises ValueError, which names the field, if a name is there twice. For validators of settings."""
    for name, times in Counter(names).items():
        if times > 1:
            raise ValueError(f"{field}: {name!r} is there twice")


def _refuse_aliases(path: Path, text: str) -> None:
    """A setting is written where it counts; an alias could also hold itself, or grow without end."""
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise ConfigError(f"{path}:{line}: *{event.anchor}: aliases are not read. Write the value out.")


def _refuse_duplicate_keys(path: Path, node: yaml.Node | None) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                raise ConfigError(
                    f"{path}:{line}: {key.value}: given twice (first on line {seen[key.value]}). Keep one."
                )
            seen[key.value] = line
            _refuse_duplicate_keys(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_duplicate_keys(path, value)


def _complaint(path: Path, root: yaml.Node, problem: Any, model: type[BaseModel]) -> str:
    loc = tuple(problem["loc"])
    line, fields = _locate(root, loc, absent=problem["type"] in ("missing", "extra_forbidden"))
    name = ".".join(fields)
    found = problem.get("input")
    if not fields:
        message = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
        place = message.partition(":")[0].split(".")
        line, _ = _locate(root, tuple(int(part) if part.isdigit() else part for part in place), absent=True)
        return f"{path}:{line}: {message}."
    if problem["type"] == "extra_forbidden":
        return f"{path}:{line}: {name}: unknown field. Allowed here: {_fields(_model_at(model, loc[:-1]))}."
    if problem["type"] == "missing":
        return f"{path}:{line}: {name}: missing. Add it."
    if problem["type"] == "union_tag_not_found":
        return f"{path}:{line}: {name}.kind: missing. Allowed: {', '.join(_kinds(model, loc))}."
    if problem["type"] == "union_tag_invalid":
        allowed = ", ".join(_kinds(model, loc))
        return f"{path}:{line}: {name}.kind: found {problem['ctx']['tag']!r}. Allowed: {allowed}."
    message = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
    shown = "" if isinstance(found, dict | list) else f"found {found!r}. "
    if shown or problem["type"] != "value_error":  # of several fields, ours begin with a field's name
        message = message[:1].upper() + message[1:]
    return f"{path}:{line}: {name}: {shown}{message}."


def _locate(root: yaml.Node, loc: tuple[Any, ...], *, absent: bool) -> tuple[int, list[str]]:
    """Follow ``loc`` into the YAML tree; parts that are union tags, not keys, are stepped over.

    ``absent``: the last part names a field that may not be there.
    """
    node, line, fields = root, 1, []
    for index, part in enumerate(loc):
        if isinstance(node, yaml.MappingNode):
            match = [(k, v) for k, v in node.value if k.value == str(part)]
            if match:
                key, node = match[0]
                line = key.start_mark.line + 1
                fields.append(str(part))
            elif absent and index == len(loc) - 1:
                fields.append(str(part))
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
            fields.append(str(part))
    return line, fields


def _model_at(model: type[BaseModel], loc: tuple[Any, ...]) -> type[BaseModel] | None:
    """The settings class at ``loc``, whose parts are fields, places in a list, keys and tags of unions."""
    candidates: list[type[BaseModel]] = [model]
    for part in loc:
        if isinstance(part, int):
            continue
        tagged = [each for each in candidates if part in (_tag(each), each.__name__)]
        if tagged:
            candidates = tagged
            continue
        fields = [each.model_fields[part] for each in candidates if part in each.model_fields]
        if not fields:
            continue  # the key of a mapping
        candidates = [each for field in fields for each in _models_in(field.annotation)]
    return candidates[0] if len(candidates) == 1 else None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The settings classes that an annotation is made of: X, X | None, tuple[X, ...], a union of variants."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [each for part in get_args(annotation) for each in _models_in(part)]


def _kinds(model: type[BaseModel], loc: tuple[Any, ...]) -> list[str]:
    """The tags of the union at ``loc``: a field, or an item of a list or mapping of such."""
    owner, field = _model_at(model, loc[:-1]), loc[-1]
    if owner is None or field not in owner.model_fields:
        owner, field = _model_at(model, loc[:-2]), loc[-2]
    assert owner is not None
    return [str(_tag(each)) for each in _models_in(owner.model_fields[field].annotation)]


def _tag(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("kind")
    return None if field is None else field.default


def _fields(model: type[BaseModel] | None) -> str:
    return ", ".join(model.model_fields) if model else "see the documentation of this section"
