"""The demo end to end with real processes: a made-up BFCL, a tiny real model, real Flower, TLS."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from sft_server.demo.processes import MARK
from sft_shared.models.tiny import make_tiny_model

SFT_SERVER = str(Path(sys.executable).with_name("sft-server"))
REQUIRED = {
    "model", "num_clients", "num_cycles", "transport", "held_out_examples", "base_accuracy",
    "base_few_shot_accuracy", "local_accuracies", "federated_accuracy", "federated_ci95", "update_bytes",
    "update_bytes_fp32", "wall_s",
}  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path, small_bfcl: Path) -> Path:
    recipe = {
        "model": {"name": str(make_tiny_model(tmp_path / "model")), "dtype": "fp32"},
        "tuning": {"kind": "lora", "rank": 4, "alpha": 8},
        "data": {"max_tokens": 600},
        "training": {
            "steps": 2,
            "batch_size": 2,
            "learning_rate": 1e-3,
            "schedule": {"kind": "cosine", "span_cycles": 2},
            "threads": 1,
        },
        "evaluation": {"max_new_tokens": 4},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    demo = {
        "out": "out",
        "recipe": "recipe.yaml",
        "clients": {"edge-1": ["simple_python", "multiple"], "edge-2": ["live_simple"]},
        "held_out": {"num_examples": 9},
        "num_cycles": 2,
        "shots": ["simple_python_0", "multiple_3"],
    }
    path = tmp_path / "demo.yaml"
    path.write_text(yaml.safe_dump(demo))
    return path


@pytest.fixture
def start(settings: Path, small_bfcl: Path, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start the demo as a person would, its output in demo.log."""
    started: list[subprocess.Popen[str]] = []

    def start_demo() -> subprocess.Popen[str]:
        with (tmp_path / "demo.log").open("w") as log:
            environment = {**os.environ, "PYTHONPATH": str(small_bfcl), "OMP_NUM_THREADS": "1"}
            demo = subprocess.Popen(
                [SFT_SERVER, "demo", str(settings)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                text=True,
                start_new_session=True,
            )
        started.append(demo)
        return demo

    yield start_demo
    for demo in started:
        if demo.poll() is None:
            demo.kill()
            demo.wait()


def of_this_demo(out: Path) -> dict[int, str]:
    """Process id -> command line of every living process that any part of the demo started."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        marked = any(entry.startswith(f"{MARK}=".encode()) for entry in environment)
        if marked and (str(out) in command or str(out).encode() in b"".join(environment)):
            found[int(folder.name)] = command
    return found


def wait_for(condition: Callable[[], bool], demo: subprocess.Popen[str], log: Path) -> None:
    for _ in range(1200):
        if condition():
            return
        assert demo.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(f"waited in vain\n{log.read_text()}")


def events(path: Path) -> list[str]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["event"] for line in lines]


def test_the_whole_road(start: Callable[[], subprocess.Popen[str]], tmp_path: Path) -> None:
    """Exit code 0, every promised number in result.json, a report, and nothing left running."""
    demo, out, log = start(), tmp_path / "out", tmp_path / "demo.log"
    assert demo.wait(240) == 0, log.read_text()
    result = json.loads((out / "result.json").read_text())
    assert result.keys() >= REQUIRED
    assert (result["num_clients"], result["num_cycles"], result["transport"]) == (2, 2, "grpc+tls")
    assert (result["held_out_examples"], result["train_examples"], result["num_shots"]) == (9, 27, 2)
    assert result["num_updates"] == 4
    assert set(result["local_accuracies"]) == {"edge-1", "edge-2"}
    sizes = [path.stat().st_size for path in (out / "server" / "updates").glob("*.bin")]
    assert result["update_bytes"] == round(sum(sizes) / 4)
    assert result["update_bytes_fp32"] > 3 * result["update_bytes"]
    for client in result["clients"].values():
        assert client["federated_steps"] == client["local_steps"] == 4
    assert [cycle["accuracy"] is not None for cycle in result["cycles"]] == [True, True]
    report = (out / "report.html").read_text()
    assert "grpc+tls" in report
    assert "http://" not in report
    shown = log.read_text()
    for phase in ("preparing", "federation", "alone", "measuring", "report"):
        assert phase in shown
    assert "Right tool calls on 9 held-out questions" in shown
    assert of_this_demo(out) == {}


def test_ctrl_c_leaves_no_process(start: Callable[[], subprocess.Popen[str]], tmp_path: Path) -> None:
    """In the middle of a cycle: server, SuperLink, clients, SuperNodes and measuring are all gone."""
    demo, out, log = start(), tmp_path / "out", tmp_path / "demo.log"
    wait_for(lambda: "asked" in events(out / "server" / "run.jsonl"), demo, log)
    before = of_this_demo(out)
    assert len(before) >= 6, before  # server, SuperLink, two clients, two SuperNodes
    demo.send_signal(signal.SIGINT)
    assert demo.wait(60) == 130
    assert "stopped by SIGINT; no process is left running" in log.read_text()
    assert [pid for pid in before if Path(f"/proc/{pid}/cmdline").exists() and alive(pid)] == []
    assert of_this_demo(out) == {}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""  # a zombie has none
    except OSError:
        return False


def test_a_client_that_dies_ends_the_demo(start: Callable[[], subprocess.Popen[str]], tmp_path: Path) -> None:
    """Exit code 2, one line that names the client, how it ended and its log; nothing left running."""
    demo, out, log = start(), tmp_path / "out", tmp_path / "demo.log"
    wait_for(lambda: "start" in events(out / "clients" / "edge-2" / "run.jsonl"), demo, log)
    (client,) = [
        pid
        for pid, command in of_this_demo(out).items()
        if "sft-client start" in command and "edge-2" in command
    ]
    os.kill(client, signal.SIGKILL)
    assert demo.wait(60) == 2
    last = log.read_text().splitlines()[-1]
    assert last.startswith("error: edge-2 ended too early, killed by SIGKILL: ")
    assert last.endswith(f"The whole log: {out / 'logs' / 'edge-2.log'}")
    assert of_this_demo(out) == {}
