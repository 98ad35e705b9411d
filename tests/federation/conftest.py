"""A federation of real processes on loopback: server, clients, TLS, a tiny model, all made in the test."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from sft_server.records import Cycle, Rejection, Update
from sft_server.store import Store
from sft_shared.models.tiny import make_tiny_model
from sft_shared.runlog import read_run_log

RECIPE: Mapping[str, Any] = {
    "model": {"dtype": "fp32", "device": "cpu"},
    "tuning": {"kind": "lora", "rank": 4, "alpha": 8},
    "training": {
        "steps": 3,
        "batch_size": 2,
        "learning_rate": 0.01,
        "schedule": {"kind": "constant"},
        "threads": 1,
    },
    "evaluation": {"max_new_tokens": 8},
}
LAST_WORDS = 3000


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Llama with a tokenizer of its own."""
    return make_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def federation(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, request: pytest.FixtureRequest
) -> Iterator[Federation]:
    """An empty federation in a folder of its own; whatever it starts has ended when the module has."""
    folder = tmp_path_factory.mktemp("federation")
    with Federation(folder, model=tiny_model) as made:
        yield made


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, look: Callable[[], Any], *, within_s: float, alive: Process | None = None) -> Any:
    """Return the first true value of ``look``; fail with the process's last words if it does not come."""
    give_up = time.monotonic() + within_s
    while not (value := look()):
        if alive is not None and alive.process.poll() is not None:
            pytest.fail(f"waiting for {what}: {alive.name} ended\n{alive.output()[-LAST_WORDS:]}")
        if time.monotonic() > give_up:
            words = alive.output()[-LAST_WORDS:] if alive else ""
            pytest.fail(f"{what}: not within {within_s:.0f} s\n{words}")
        time.sleep(0.2)
    return value


class Process:
    """A started command and its output."""

    def __init__(self, name: str, command: list[str], *, log: Path) -> None:
        self.name, self.log = name, log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )

    def output(self) -> str:
        """Everything it has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """``kill -9`` of this one process, without a chance to clean up."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ask it to end, and end it and what it started if it does not."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Federation:
    """The folder, the settings and the processes of one federation."""

    def __init__(self, folder: Path, *, model: Path) -> None:
        self.folder, self.model = folder, model
        self.port, self.control_port = free_port(), free_port()
        self.state = folder / "server"
        self.server_yaml = folder / "server.yaml"
        self.recipe = folder / "recipe.yaml"
        self._running = ExitStack()

    def __enter__(self) -> Federation:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def configure(self, *, training: Mapping[str, Any] | None = None, **server: Any) -> None:
        """Write recipe.yaml and server.yaml."""
        recipe = {**RECIPE, "model": {**RECIPE["model"], "name": str(self.model)}}
        recipe["training"] = {**RECIPE["training"], **(training or {})}
        self.recipe.write_text(yaml.safe_dump(recipe), encoding="utf-8")
        settings = {
            "federation": "test",
            "state": str(self.state),
            "listen": f"127.0.0.1:{self.port}",
            "control_port": self.control_port,
            "recipe": str(self.recipe),
            "encoding": "fp32",
            **server,
        }
        self.server_yaml.write_text(yaml.safe_dump(settings), encoding="utf-8")

    def run(self, program: str, *arguments: str, succeeds: bool = True) -> str:
        """Run a command of the product to its end and return what it printed."""
        done = subprocess.run(
            [str(Path(sys.executable).with_name(program)), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
        )
        output = done.stdout + done.stderr
        if succeeds:
            assert done.returncode == 0, output
        return output

    def server(self, *arguments: str, succeeds: bool = True) -> str:
        """Run ``sft-server ... --config server.yaml`` to its end."""
        return self.run("sft-server", *arguments, "--config", str(self.server_yaml), succeeds=succeeds)

    def add_client(self, name: str, *, num_examples: int = 6, register: bool = True, offset: int = 0) -> Path:
        """Make a client's settings, data and keys; return its client.yaml."""
        home = self.folder / name
        data = self.folder / f"{name}.jsonl"
        with data.open("w", encoding="utf-8") as file:
            for index in range(offset, offset + num_examples):
                file.write(json.dumps(example(f"{name}-{index}", index)) + "\n")
        settings = self.folder / f"{name}.yaml"
        values = {
            "name": name,
            "state": str(home),
            "federation": str(self.state / "federation.json"),
            "train": str(data),
            "recipe": str(self.recipe),
        }
        settings.write_text(yaml.safe_dump(values), encoding="utf-8")
        self.run("sft-client", "keys", "init", "--config", str(settings))
        if register:
            self.server("nodes", "add", str(home / "node.json"))
        return settings

    def start(self, name: str, *command: str) -> Process:
        """Start a command in the background."""
        program = Path(sys.executable).parent / command[0]
        process = Process(name, [str(program), *command[1:]], log=self.folder / f"{name}.log")
        self._running.callback(process.stop)
        return process

    def start_server(self) -> Process:
        """``sft-server start``, waited for until it takes nodes."""
        before = len(self.events("superlink-ready"))
        process = self.start("server", "sft-server", "start", "--config", str(self.server_yaml))
        wait_for(
            "the server", lambda: len(self.events("superlink-ready")) > before, within_s=120, alive=process
        )
        return process

    def start_client(self, name: str) -> Process:
        """``sft-client start``."""
        return self.start(name, "sft-client", "start", "--config", str(self.folder / f"{name}.yaml"))

    def events(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """The server's log entries of this kind."""
        return _matching(self.state / "run.jsonl", event, fields)

    def client_events(self, name: str, event: str, **fields: Any) -> list[dict[str, Any]]:
        """A client's log entries of this kind."""
        return _matching(self.folder / name / "run.jsonl", event, fields)

    def wait(
        self, event: str, *, within_s: float, alive: Process | None = None, **fields: Any
    ) -> dict[str, Any]:
        """The first log entry of the server of this kind."""
        found = wait_for(
            f"{event} {fields}", lambda: self.events(event, **fields), within_s=within_s, alive=alive
        )
        return dict(found[0])

    def cycles(self) -> list[Cycle]:
        """What the store knows of the cycles."""
        with closing_store(self.state) as store:
            return store.cycles()

    def updates(self, cycle: int) -> list[Update]:
        """The accepted updates of a cycle."""
        with closing_store(self.state) as store:
            return list(store.updates(cycle))

    def rejections(self, cycle: int) -> list[Rejection]:
        """What was turned away in a cycle."""
        with closing_store(self.state) as store:
            return list(store.rejections(cycle))


class closing_store:  # noqa: N801 (a context manager reads like a verb)
    """The server's store, for a look."""

    def __init__(self, state: Path) -> None:
        self._store = Store(state / "store.sqlite")

    def __enter__(self) -> Store:
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()


def example(example_id: str, index: int) -> dict[str, Any]:
    """One dialogue to learn from."""
    words = ("red", "blue", "green", "one", "two", "three", "four")
    answer = " ".join(words[(index + step) % len(words)] for step in range(4))
    return {
        "id": example_id,
        "messages": [
            {"role": "user", "content": f"say {index} {words[index % len(words)]}"},
            {"role": "assistant", "content": answer},
        ],
        "provenance": {"source": "test", "session": example_id},
    }


def _matching(path: Path, event: str, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        entry
        for entry in read_run_log(path)
        if entry["event"] == event and all(entry.get(key) == value for key, value in fields.items())
    ]
