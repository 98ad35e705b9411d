"""Kills a cycle with -9 at its N-th step and lets another process go on, for N = 1, 2, ... (test_crash.py).

    python crash_points.py FOLDER plain|passed|held

Without a suite, with one whose gates let every adapter pass, or with one that holds every adapter.
One interpreter loads the model; every try is a forked child of it. Prints one JSON line a try.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sft_server import cycle as cycle_module
from sft_server import evaluation as evaluation_module
from sft_server.config import ServerConfig
from sft_server.layout import Layout
from sft_server.records import ENDS
from sft_server.store import Store
from sft_shared.config import load_yaml
from sft_shared.models.load import load_base
from sft_shared.models.tiny import make_tiny_model
from sft_shared.recipe import Recipe
from sft_shared.wire.sign import SigningKey

spec = importlib.util.spec_from_file_location("by_hand", Path(__file__).with_name("conftest.py"))
assert spec is not None
assert spec.loader is not None
by_hand = importlib.util.module_from_spec(spec)
sys.modules["by_hand"] = by_hand
spec.loader.exec_module(by_hand)


SUITE_POINTS = 34
"""Steps before this one are the same without a suite; with one they are not tried again."""


GATES = {"held": "at_least", "passed": "at_most"}  # 0.5, where no answer is JSON


class Bomb:
    """Counts steps and ends the process at the one it was set to."""

    def __init__(self, fuse: int) -> None:
        self.fuse = fuse

    def step(self) -> None:
        """One more step; the last one never returns."""
        self.fuse -= 1
        if self.fuse == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class MinedStore(Store):
    """A store that counts before and after every commit."""

    bomb: Bomb | None = None

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with super()._transaction() as db:
            yield db
            if self.bomb is not None:
                self.bomb.step()
        if self.bomb is not None:
            self.bomb.step()


def mined(function: Callable[..., Any], bomb: Bomb) -> Callable[..., Any]:
    """The function, counted before and after."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        bomb.step()
        result = function(*args, **kwargs)
        bomb.step()
        return result

    return wrapped


def in_child(work: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """What ``work`` returns in a forked child; None if it was killed."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        with os.fdopen(write_end, "w") as pipe:
            json.dump(work(), pipe)
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    if not (os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0):
        sys.exit(f"a child ended with exit code {os.WEXITSTATUS(status)}, as its message says")
    return json.loads(text) if text else None


def run_cycle(state: Path, fuse: int) -> dict[str, Any]:
    """Open or go on with cycle 1 over three nodes, and say what is on the disk then."""
    bomb = Bomb(fuse)
    store = MinedStore(Layout(state).database)
    for node in nodes:
        store.add_node(node.card)
    settings = config.model_copy(update={"state": state})
    bench = by_hand.Bench(settings, store=store, base=base, recipe=recipe, key=key)
    if fuse:
        store.bomb = bomb
        for name in ("write_lasting", "sync_folder"):
            setattr(cycle_module, name, mined(getattr(cycle_module, name), bomb))
        cycle_module.write_card = mined(cycle_module.write_card, bomb)
        evaluation_module.run_suite = mined(evaluation_module.run_suite, bomb)
    fleet = by_hand.FleetByHand(
        nodes,
        {
            node.name: lambda order, node=node, value=value: node.update(order, bench.delta(value))
            for node, value in zip(nodes, (0.001, 0.002, 0.003), strict=True)
        },
    )
    runner = bench.runner()
    last = store.last_cycle()
    cycle = last if last is not None and last.state in ENDS else runner.run(fleet)
    adapter = Layout(state).adapter(cycle.adapter_sha256)
    return {
        "cycles": [(row.cycle, str(row.state)) for row in store.cycles()],
        "parent": cycle.parent_sha256,
        "adapter": cycle.adapter_sha256,
        "on_disk": cycle_module.adapters.sha256_of((adapter / "adapter_model.safetensors").read_bytes()),
        "updates": [(row.node, row.num_examples) for row in store.updates(cycle.cycle)],
        "rejections": len(store.rejections()),
        "reason": cycle.reason,
        "gates": (cycle.evaluation or {}).get("gates"),
        "card": (adapter / cycle_module.CARD).exists(),
        "orders": sorted({order.hex()[-16:] for _, order in fleet.sent}),
    }


root, mode = Path(sys.argv[1]), sys.argv[2]
make_tiny_model(root / "tiny")
(root / "recipe.yaml").write_text(
    "model: {name: tiny, dtype: fp32, device: cpu}\n"
    "tuning: {kind: lora, rank: 2, alpha: 4, targets: [q_proj]}\n"
    "training: {steps: 2, batch_size: 2, learning_rate: 0.01}\n",
    encoding="utf-8",
)
recipe = load_yaml(root / "recipe.yaml", Recipe)
base = load_base(recipe.model)
key = SigningKey.generate()
nodes = [by_hand.NodeByHand(name, num_examples=count) for name, count in (("a", 10), ("b", 20), ("c", 30))]
(root / "pairs.jsonl").write_text('{"prompt": "Question?", "completion": "[]"}\n')
(root / "suite.yaml").write_text(
    "name: s\n"
    "tasks: [{name: json, data: pairs.jsonl, metrics: [{kind: json_valid}]}]\n"
    f"gates: [{{kind: {GATES.get(mode, 'at_most')}, task: json, metric: json_valid, bar: 0.5}}]\n"
    "generation: {max_new_tokens: 2, threads: 1}\n"
    "latency: null\n",
    encoding="utf-8",
)
config = ServerConfig.model_validate(
    {
        "federation": "testers",
        "state": root,
        "recipe": root / "recipe.yaml",
        "cycle": {"interval_s": 0, "num_cycles": 1, "quorum": 3, "deadline_s": 60},
        "evaluation": {} if mode == "plain" else {"suite": root / "suite.yaml"},
    }
)

if __name__ == "__main__":
    fuse, killed = 0, True
    while killed:
        state = root / f"state-{fuse}"
        killed = fuse == 0 or in_child(lambda state=state, fuse=fuse: run_cycle(state, fuse)) is None
        result = in_child(lambda state=state: run_cycle(state, 0))
        print(json.dumps({"fuse": fuse, "killed": killed and fuse > 0, **(result or {})}), flush=True)
        fuse = fuse + 1 if fuse or mode == "plain" else SUITE_POINTS
