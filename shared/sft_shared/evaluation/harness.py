"""A model for lm-evaluation-harness, so that outsiders score an adapter with their own tool and tasks.

Imported only where the extra ``judge`` is installed; importing it makes ``--model fedsft`` known to lm_eval.
What is tokenised how, and what an empty context or a long text means, is as in lm_eval's own ``hf`` model,
so that numbers compare. https://github.com/EleutherAI/lm-evaluation-harness
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lm_eval.models  # noqa: F401 (makes its own models known too; it leaves them out once one is registered)
import torch
from jinja2 import TemplateError
from lm_eval.api.model import TemplateLM
from lm_eval.api.registry import register_model
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window, simple_parse_args_string
from pydantic import ValidationError
from tqdm import tqdm

from sft_shared.data.chat import IGNORED, Row
from sft_shared.errors import ConfigError, DataError
from sft_shared.evaluation.answering import answering
from sft_shared.evaluation.harness_requests import GenerationRequest, cut_at_stops, read_generation_request
from sft_shared.evaluation.judged import JudgedModel
from sft_shared.evaluation.likelihood import Likelihood, likelihoods
from sft_shared.models.adapters import sha256_of, to_bytes
from sft_shared.models.generate import Continuation, continuations
from sft_shared.models.packed import packed, require_packable
from sft_shared.models.threads import cpu_threads

DEFAULT_WINDOW = 2048  # tokens; of models that do not say how long a text may be
THEIR_DEVICE = "cuda:0"  # lm_eval says so where nobody chose a device, on machines without CUDA too


@register_model("fedsft")
class FedsftModel(TemplateLM):  # type: ignore[misc]  # lm_eval ships no types
    """A base, with or without an adapter, as lm_eval asks for it: greedy, and on one device."""

    def __init__(self, *, max_batch_size: int | None = None, **arguments: Any) -> None:
        """``arguments`` are those of `JudgedModel`. Raises ConfigError or ModelError."""
        super().__init__()
        if max_batch_size is not None:
            raise ConfigError("max_batch_size: fedsft does not search a batch size. Give --batch_size N.")
        if arguments.get("device") == THEIR_DEVICE:
            arguments["device"] = "auto"
        try:
            self.settings = JudgedModel.model_validate(arguments)
        except ValidationError as error:
            first = error.errors()[0]
            raise ConfigError(
                f"model_args: {'.'.join(map(str, first['loc']))}: {first['msg']}, found {first['input']!r}. "
                f"Known are {', '.join(JudgedModel.model_fields)}."
            ) from None
        self.base, self.state, self.tuning = self.settings.load()
        require_packable(self.base)
        self.tokenizer = self.base.tokenizer
        self._device = self.base.device
        self.batch_size = self.settings.batch_size

    @classmethod
    def create_from_arg_obj(
        cls, arg_dict: Mapping[str, Any], additional_config: Mapping[str, Any] | None = None
    ) -> FedsftModel:
        """From model_args and lm_eval's own options, some of which it sets unasked: model_args win."""
        options = {name: value for name, value in (additional_config or {}).items() if value is not None}
        return cls(**{**options, **arg_dict})

    @classmethod
    def create_from_arg_string(
        cls, arg_string: str, additional_config: Mapping[str, Any] | None = None
    ) -> FedsftModel:
        """The same, from ``base=NAME,adapter=FOLDER``."""
        return cls.create_from_arg_obj(simple_parse_args_string(arg_string), additional_config)

    @property
    def eot_token_id(self) -> int:
        """What ends an answer."""
        return int(self.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        """What the first token of a text is predicted from."""
        begin = self.tokenizer.bos_token_id
        return self.eot_token_id if begin is None else int(begin)

    @property
    def max_length(self) -> int:
        """Tokens of a text with its continuation; a learned prefix takes its places from them."""
        window = self.base.max_positions or DEFAULT_WINDOW
        return window - int(getattr(self.tuning, "num_virtual_tokens", 0))

    @property
    def tokenizer_name(self) -> str:
        """Lies in the names of lm_eval's caches of prompts, so it names the tokenizer's content too."""
        return f"{Path(self.base.name).name}-{self.base.fingerprint[:16]}"

    def get_model_info(self) -> dict[str, Any]:
        """Joins the settings in lm_eval's results: which weights were judged."""
        return {
            "model_num_parameters": self.base.num_parameters,
            "model_dtype": str(self.base.dtype),
            "base_sha256": self.base.fingerprint,
            "adapter_sha256": None if self.state is None else sha256_of(to_bytes(self.state)),
        }

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """The text that the model's own template makes of a dialogue.

        Raises DataError if the template refuses it; no turn is left out to make it fit.
        """
        try:
            text = self.tokenizer.apply_chat_template(
                chat_history,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=not add_generation_prompt,
            )
        except TemplateError as error:
            raise DataError(
                f"the model's chat template refuses a dialogue of lm_eval: {error}. Leave out "
                "--system_instruction, or give --fewshot_as_multiturn false."
            ) from None
        return str(text)

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Tokens; with the tokenizer's own begin token unless the text has it or it is not wanted."""
        if add_special_tokens is None:
            begins = string.startswith(self.tokenizer.decode([self.prefix_token_id]))
            add_special_tokens = not begins
        return list(self.tokenizer.encode(string, add_special_tokens=add_special_tokens))

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """Log-likelihood of whole texts; long ones in windows, each token predicted once."""
        texts = [request.args[0] for request in requests]
        windows: list[tuple[int, list[int], list[int]]] = []
        for place, text in enumerate(texts):
            for pair in get_rolling_token_windows(
                token_list=self.tok_encode(text),
                prefix_token=self.prefix_token_id,
                max_seq_len=self.max_length - 1,
                context_len=1,
            ):
                windows.append((place, *make_disjoint_window(pair)))
        found = self._likelihoods([_row(*window[1:]) for window in windows], quiet=disable_tqdm)
        totals = [0.0] * len(texts)
        for (place, _, _), each in zip(windows, found, strict=True):
            totals[place] -= each.nll
        for text, total in zip(texts, totals, strict=True):
            self.cache_hook.add_partial("loglikelihood_rolling", (text,), total)
        return totals

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """Greedy answers, cut before the first stop string.

        Raises ConfigError for what this generation cannot do, such as sampling.
        """
        read = [
            read_generation_request(*request.args, default_max_tokens=self.settings.max_gen_toks)
            for request in requests
        ]
        answers = [""] * len(read)
        groups: dict[int, list[int]] = {}
        for place, request in enumerate(read):
            groups.setdefault(request.max_tokens, []).append(place)
        with tqdm(total=len(read), disable=disable_tqdm, desc="fedsft: answers") as bar:
            for places in groups.values():
                self._generate([read[place] for place in places], places, answers, bar=bar)
        return answers

    def _generate(
        self, requests: Sequence[GenerationRequest], places: Sequence[int], answers: list[str], *, bar: Any
    ) -> None:
        """Answer requests of one length into ``answers[places[i]]``; lm_eval's cache is told each batch."""
        room = requests[0].max_tokens
        prompts = [self._fitting(self.tok_encode(each.context), room=room) for each in requests]

        def keep(batch: Mapping[int, Continuation]) -> None:
            for number, written in batch.items():
                request = requests[number]
                text = cut_at_stops(written.text, request.stops)
                answers[places[number]] = text
                self.cache_hook.add_partial("generate_until", (request.context, request.given), text)
            bar.update(len(batch))

        settings = self.settings
        with cpu_threads(settings.threads), answering(self.base, self.state, self.tuning) as prefix:
            continuations(
                self.base,
                prompts,
                prefix=prefix,
                max_new_tokens=room,
                batch_size=settings.batch_size,
                on_batch=keep,
            )

    def _loglikelihood_tokens(
        self,
        requests: Sequence[tuple[tuple[str, str], list[int], list[int]]],
        disable_tqdm: bool = False,
        **_: Any,
    ) -> list[tuple[float, bool]]:
        rows = []
        for _texts, context, wanted in requests:
            if not wanted:
                raise DataError("a task asks for the likelihood of an empty text. Mend its doc_to_choice.")
            rows.append(_row(self._fitting(context, room=len(wanted)), wanted))
        found = self._likelihoods(rows, quiet=disable_tqdm)
        results = [(-each.nll, each.greedy) for each in found]
        for (texts, _context, _wanted), result in zip(requests, results, strict=True):
            self.cache_hook.add_partial("loglikelihood", texts, result)
        return results

    def _likelihoods(self, rows: Sequence[Row], *, quiet: bool) -> list[Likelihood]:
        """One a row. Rows of one context are computed together, so that it is read once."""
        order = sorted(range(len(rows)), key=lambda place: rows[place].input_ids)
        found: dict[int, Likelihood] = {}
        with (
            tqdm(total=len(rows), disable=quiet, desc="fedsft: likelihoods") as bar,
            cpu_threads(self.settings.threads),
            torch.no_grad(),
            answering(self.base, self.state, self.tuning) as prefix,
            packed(self.base.model, prefix=prefix) as network,
        ):
            for start in range(0, len(order), self.settings.batch_size):
                places = order[start : start + self.settings.batch_size]
                batch = likelihoods(network, [rows[place] for place in places], self.base.device)
                found.update(zip(places, batch, strict=True))
                bar.update(len(places))
        return [found[place] for place in range(len(rows))]

    def _fitting(self, context: list[int], *, room: int) -> list[int]:
        """``context`` with ``room`` tokens free behind it. Raises DataError if it is to be cut unasked."""
        limit = self.max_length - room
        if limit < 1:
            raise DataError(
                f"{room} tokens are to follow a text, but the model holds {self.max_length} in all. "
                "Give a smaller max_gen_toks."
            )
        if len(context) > limit and not self.settings.truncate:
            raise DataError(
                f"a text of {len(context)} tokens with {room} to follow is longer than the model's "
                f"{self.max_length}. Give fewer examples (--num_fewshot), or truncate=true in model_args."
            )
        return context[-limit:]


def _row(context: Sequence[int], wanted: Sequence[int]) -> Row:
    return Row(
        input_ids=(*context, *wanted), labels=(*[IGNORED] * len(context), *wanted), example_id="lm_eval"
    )
