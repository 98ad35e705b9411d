"""lm-evaluation-harness and the model that we give it: what it is told is what transformers computes."""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

pytest.importorskip(
    "lm_eval",
    reason="the extra judge is not installed (lm-evaluation-harness). Run: pip install 'fedsft[judge]'",
)

from sft_shared.errors import ConfigError, DataError, ModelError
from sft_shared.models.adapters import save_adapter
from sft_shared.models.generate import generate
from sft_shared.models.load import Base
from sft_shared.models.tuned import AdapterState
from sft_shared.models.tuning import LoraSettings, PrefixSettings, TuningSettings, attached

with warnings.catch_warnings():  # lm_eval's imports, not ours
    warnings.simplefilter("ignore")
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    from sft_shared.evaluation.harness import FedsftModel

PAIRS = [
    ("What is the weather like in London", " tomorrow?"),
    ("What is the weather like in London", " 2024"),
    ("Convert an amount of money. ", "EUR"),  # the space goes to the continuation, as in lm_eval
    ("请用中文回答", "好的"),
    ("", "Paris"),
]
LORA, PREFIX = LoraSettings(rank=4), PrefixSettings(num_virtual_tokens=5)


def request(*args: Any) -> Any:
    """All that a model reads of lm_eval's Instance."""
    return SimpleNamespace(args=args)


def noisy(base: Base, tuning: TuningSettings) -> AdapterState:
    """An adapter that changes every answer."""
    generator = torch.Generator().manual_seed(3)
    return {
        name: tensor + 0.2 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in tuning.initial(base, seed=0).items()
    }


@pytest.fixture(params=["base", "lora", "prefix"])
def worn(request: pytest.FixtureRequest, tiny: Base, tmp_path: Path) -> dict[str, Any]:
    """model_args of the tiny model: alone, or with an adapter of one of two kinds."""
    arguments: dict[str, Any] = {"base": tiny.name, "dtype": "fp32", "device": "cpu", "batch_size": 3}
    if request.param != "base":
        tuning = LORA if request.param == "lora" else PREFIX
        save_adapter(tmp_path / "adapter", noisy(tiny, tuning), settings=tuning, base=tiny)
        arguments["adapter"] = tmp_path / "adapter"
    return arguments


@pytest.fixture
def plain(tiny: Base, worn: dict[str, Any]) -> Callable[[list[int], list[int]], float]:
    """A function: the log-likelihood of tokens after others, by transformers' and PEFT's own forward."""

    def compute(model: Any, context: list[int], wanted: list[int]) -> float:
        logits = model(input_ids=torch.tensor([context + wanted])).logits[0].double()
        chances = torch.log_softmax(logits[len(context) - 1 : -1], -1)
        return float(sum(chances[place, token] for place, token in enumerate(wanted)))

    def plain(context: list[int], wanted: list[int]) -> float:
        with torch.no_grad():
            if "adapter" not in worn:
                return compute(tiny.model, context, wanted)
            from peft import PeftModel
            from transformers import AutoModelForCausalLM

            fresh = AutoModelForCausalLM.from_pretrained(tiny.name, dtype=torch.float32)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return compute(PeftModel.from_pretrained(fresh, worn["adapter"]).eval(), context, wanted)

    return plain


def test_likelihoods_are_those_of_transformers_and_peft(
    tiny: Base, worn: dict[str, Any], plain: Callable[[list[int], list[int]], float]
) -> None:
    """To 1e-4 nats, with no adapter, LoRA and prefix; the adapter's folder is read by PEFT itself."""
    found = FedsftModel(**worn).loglikelihood([request(*pair) for pair in PAIRS], disable_tqdm=True)
    encode = tiny.tokenizer.encode
    expected = []
    for context, wanted in PAIRS:
        shown = encode(context.rstrip()) if context else [tiny.tokenizer.bos_token_id]
        whole = encode(context + wanted) if context else shown + encode(wanted)
        expected.append(plain(shown, whole[len(shown) :]))
    assert [value for value, _ in found] == pytest.approx(expected, abs=1e-4)


def test_rolling_likelihoods_count_every_token_once(
    tiny: Base,
    worn: dict[str, Any],
    plain: Callable[[list[int], list[int]], float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A text in one window, and a longer one in windows of 11 tokens that see as much as they can."""
    text = "get_weather(city: str, days: int = 1) - Return the weather of a city 请用中文回答"
    ids = [tiny.tokenizer.bos_token_id, *tiny.tokenizer.encode(text)]
    model = FedsftModel(**worn)
    whole = model.loglikelihood_rolling([request(text), request("0")], disable_tqdm=True)
    assert whole[0] == pytest.approx(plain(ids[:1], ids[1:]), abs=1e-3)
    monkeypatch.setattr(FedsftModel, "max_length", 12)
    size, expected, done = 11, 0.0, 1
    while done < len(ids):
        end = min(done + size, len(ids))
        start = max(0, end - size - 1) if done > 1 else 0
        expected += plain(ids[start:done], ids[done:end])
        done = end
    assert len(ids) > 3 * size
    assert model.loglikelihood_rolling([request(text)], disable_tqdm=True) == pytest.approx(
        [expected], abs=1e-3
    )


def test_answers_are_those_of_generate_cut_at_the_stop(tiny: Base, worn: dict[str, Any]) -> None:
    """Greedy, of different lengths, in the order of the requests."""
    prompts = ["What is the weather", "0 1 2 3 4 5", "Convert an amount", "请用中文", "true false"]
    model = FedsftModel(**worn)
    ids = [tiny.tokenizer.encode(prompt) for prompt in prompts]
    if model.state is None:
        free = generate(tiny, ids, max_new_tokens=12, batch_size=2)
    else:
        assert model.tuning is not None
        with attached(tiny, model.tuning, model.state) as tuned:
            free = generate(tiny, ids, prefix=tuned.prefix, max_new_tokens=12, batch_size=2)
    stop = next(text[3:5] for text in free if len(text) > 6)
    asked = [request(prompt, {"until": [stop, "never"], "max_gen_toks": 12}) for prompt in prompts]
    asked.append(request(prompts[0], {"max_gen_toks": 3}))
    found = model.generate_until(asked, disable_tqdm=True)
    assert found[:-1] == [text.split(stop)[0] for text in free]
    assert found[:-1] != free
    assert free[0].startswith(found[-1])


def test_their_own_models_stay_known() -> None:
    """In a process of its own, where nothing else has registered them; a merged adapter is judged by hf."""
    code = (
        "import sft_shared.evaluation.harness; from lm_eval.api.registry import get_model; "
        "print(get_model('fedsft').__name__, get_model('hf').__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "FedsftModel HFLM", done.stderr


def test_an_adapter_brings_its_own_base(tiny: Base, tmp_path: Path) -> None:
    """And is refused on another; the results name both by their hash."""
    save_adapter(tmp_path / "a", noisy(tiny, LORA), settings=LORA, base=tiny)
    model = FedsftModel(adapter=tmp_path / "a", dtype="fp32", batch_size="2", device="cuda:0")
    assert model.base.fingerprint == tiny.fingerprint
    info = model.get_model_info()
    assert info["base_sha256"] == tiny.fingerprint
    assert len(info["adapter_sha256"]) == 64
    assert tiny.fingerprint[:16] in model.tokenizer_name
    facts = json.loads((tmp_path / "a" / "fedsft.json").read_text())
    (tmp_path / "a" / "fedsft.json").write_text(json.dumps({**facts, "base_fingerprint": "0" * 64}))
    with pytest.raises(ModelError, match="made for a base with fingerprint"):
        FedsftModel(adapter=tmp_path / "a")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "neither base nor adapter"),
        ({"base": "tiny", "batch_size": "auto"}, "batch_size: .*found 'auto'"),
        ({"base": "tiny", "max_batch_size": 64}, "does not search a batch size"),
        ({"base": "tiny", "parallelize": True}, "parallelize: .*Known are base, adapter"),
        ({"base": "tiny", "device": "cuda:1"}, "device: .*found 'cuda:1'"),
    ],
)
def test_an_argument_that_means_nothing_is_refused(arguments: dict[str, Any], complaint: str) -> None:
    """Other models of lm_eval take settings that ours has no use for."""
    with pytest.raises(ConfigError, match=complaint):
        FedsftModel(**arguments)


def test_nothing_is_cut_unasked(tiny: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prompt that is too long is an error, and with ``truncate`` keeps its end."""
    monkeypatch.setattr(FedsftModel, "max_length", 8)
    arguments = {"base": tiny.name, "dtype": "fp32", "device": "cpu"}
    long = request("0 1 2 3 4 5 6 7 8 9 10 20 30", {"max_gen_toks": 2})
    with pytest.raises(DataError, match=r"longer than the model's 8.*truncate=true"):
        FedsftModel(**arguments).generate_until([long], disable_tqdm=True)
    with pytest.raises(DataError, match="longer than the model's 8"):
        FedsftModel(**arguments).loglikelihood([request(long.args[0], " 40")], disable_tqdm=True)
    with pytest.raises(DataError, match="smaller max_gen_toks"):
        FedsftModel(**arguments).generate_until([request("0", {"max_gen_toks": 8})], disable_tqdm=True)
    end = tiny.tokenizer.encode(long.args[0])[-6:]
    cut = FedsftModel(**arguments, truncate=True).generate_until([long], disable_tqdm=True)
    assert cut == generate(tiny, [end], max_new_tokens=2, batch_size=1)


def test_an_empty_choice_is_refused(tiny: Base) -> None:
    model = FedsftModel(base=tiny.name, dtype="fp32", device="cpu")
    with pytest.raises(DataError, match="likelihood of an empty text"):
        model.loglikelihood([request("Hi", "")], disable_tqdm=True)


def test_dialogues_are_written_by_the_models_own_template(tiny: Base) -> None:
    """Few-shot turns and all; begun answers are gone on with; a refusing template is an error."""
    model = FedsftModel(base=tiny.name, dtype="fp32", device="cpu")
    turns = [{"role": "user", "content": "1?"}, {"role": "assistant", "content": "one"}]
    asked = [*turns, {"role": "user", "content": "2?"}]
    text = model.apply_chat_template(asked)
    assert text == tiny.tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    assert model.apply_chat_template(turns, add_generation_prompt=False).endswith("one")
    assert model.tok_encode(text) == tiny.tokenizer.encode(text, add_special_tokens=False)
    assert model.chat_template(True) == tiny.tokenizer.chat_template
    strict = SimpleNamespace(apply_chat_template=_refuse)
    model.tokenizer = strict
    with pytest.raises(DataError, match="refuses a dialogue of lm_eval: no system"):
        model.apply_chat_template(asked)


def _refuse(*_: Any, **__: Any) -> str:
    from jinja2 import TemplateError

    raise TemplateError("no system")


TASKS = {
    "capitals": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_target": "answer",
        "doc_to_choice": "{{choices}}",
        "target_delimiter": "",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    },
    "said": {
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{said}}",
        "generation_kwargs": {"until": ["\n\n"], "max_gen_toks": 6, "do_sample": False},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    },
}


@pytest.fixture
def tasks(tmp_path: Path, tiny: Base, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two local tasks over one local JSONL; of four questions three answers are as wanted."""
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)  # else each load is counted on the hub
    questions = ["What is the weather in", "Convert an amount of", "true false", "请用中文"]
    answers = generate(
        tiny, [tiny.tokenizer.encode(each) for each in questions], max_new_tokens=6, batch_size=1
    )
    rows = [
        {"question": asked, "choices": [" Paris", " 2024"], "answer": place % 2, "said": said}
        for place, (asked, said) in enumerate(zip(questions, answers, strict=True))
    ]
    rows[2]["said"] = "something else"
    data = tmp_path / "questions.jsonl"
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    for name, task in TASKS.items():
        shared = {"task": name, "dataset_path": "json", "test_split": "test"}
        files = {"dataset_kwargs": {"data_files": {"test": str(data)}, "cache_dir": str(tmp_path / "cache")}}
        (tmp_path / f"{name}.yaml").write_text(json.dumps({**shared, **files, **task}))  # JSON is YAML
    return tmp_path


@pytest.mark.filterwarnings("ignore")  # datasets' and lm_eval's own
def test_a_local_task_is_judged_from_end_to_end(tiny: Base, tasks: Path) -> None:
    """Offline, by lm_eval's own runner: accuracies are those that a hand computes from plain forwards."""
    logging.disable(logging.WARNING)
    try:
        results = simple_evaluate(
            model="fedsft",
            model_args=f"base={tiny.name},dtype=fp32,device=cpu",
            tasks=list(TASKS),
            task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
            batch_size=2,
            bootstrap_iters=0,
        )
    finally:
        logging.disable(logging.NOTSET)
    right = 0
    for line in (tasks / "questions.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        scores = []
        for choice in row["choices"]:
            shown = tiny.tokenizer.encode(row["question"])
            whole = tiny.tokenizer.encode(row["question"] + choice)
            with torch.no_grad():
                chances = torch.log_softmax(tiny.model(torch.tensor([whole])).logits[0].double(), -1)
            scores.append(
                sum(chances[place - 1, whole[place]].item() for place in range(len(shown), len(whole)))
            )
        right += scores.index(max(scores)) == row["answer"]
    assert results is not None
    assert results["results"]["capitals"]["acc,none"] == right / 4
    assert results["results"]["said"]["exact_match,none"] == 3 / 4
    assert results["config"]["base_sha256"] == tiny.fingerprint
    assert math.isfinite(results["config"]["model_num_parameters"])
