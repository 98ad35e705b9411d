"""``sft-server start``: one process that keeps the SuperLink up, the registry true and the cycles going."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from sft_server.app import make_server_app
from sft_server.config import ServerConfig
from sft_server.console import Display, cycle_table, log_to_file, make_emit
from sft_server.cycle import CycleRunner
from sft_server.keys import ServerKeys, load_keys, write_federation_card
from sft_server.layout import Layout
from sft_server.signals import stop_on_signals
from sft_server.store import Store
from sft_server.superlink import SuperLink
from sft_server.supervisor import CONTROL_HOST, SuperLinkProcess, require_free_port
from sft_shared.config import load_yaml
from sft_shared.dialogue import Example, read_examples
from sft_shared.errors import DataError, StoreError, TransportError
from sft_shared.files import held_folder, write_secret
from sft_shared.models.load import load_base
from sft_shared.recipe import Recipe
from sft_shared.runlog import RunLog

REGISTRY_S = 2.0
"""How often the running server looks for nodes added or revoked by another process."""

_READY_S = 60.0
_TICK_S = 1.0
_MAX_BACKOFF_S = 30.0
_MAX_FAILED_RUNS = 3


def serve(config: ServerConfig, *, console: Console) -> None:
    """Run cycles until ``num_cycles`` are closed or a signal says stop; leave no process behind.

    Raises KeysError, StoreError, TransportError, ConfigError, ModelError or DataError for what a user can
    mend, before anything is started where that can be seen beforehand.
    """
    layout = Layout(config.state)
    keys = load_keys(config)
    recipe = load_yaml(config.recipe, Recipe)
    held_out = read_held_out(config.held_out)
    with held_folder(layout.state, holder="server"):
        require_free_port(config.listen, setting="listen")
        require_free_port(f"{CONTROL_HOST}:{config.control_port}", setting="control_port")
        log_to_file(layout.logs / "flwr.log", "flwr", "httpx")
        store = Store(layout.database)
        with Display(console, quorum=config.cycle.quorum) as display:
            emit = make_emit(RunLog(layout.run_log), display)
            display.doing(f"loading {recipe.model.name}")
            base = load_base(recipe.model)
            with stop_on_signals(display.doing) as stop:
                runner = CycleRunner(
                    config,
                    store=store,
                    base=base,
                    recipe=recipe,
                    key=keys.order_key,
                    held_out=held_out,
                    emit=emit,
                    stop=stop,
                )
                write_federation_card(config)  # now that the state is known to be this federation's
                emit("server-started", federation=config.federation, recipe=recipe.sha256(), pid=os.getpid())
                if not runner.finished:
                    _Service(config, keys=keys, runner=runner, emit=emit, stop=stop).run()
                emit("server-stopped", signalled=stop.is_set())
        console.print(cycle_table(store.cycles(), store.updates))
        store.close()


def read_held_out(path: Path | None) -> Sequence[Example]:
    """The held-out examples, each with the calls to judge an answer by. Raises DataError."""
    examples = [] if path is None else list(read_examples(path))
    for example in examples:
        if not example.expected_calls:
            raise DataError(
                f"{path}: example {example.id!r} has no expected_calls to judge an answer by. Add them, or "
                "leave the example out."
            )
    return examples


class _Registry:
    """Which nodes the SuperLink lets in: those of the store, always."""

    def __init__(self, database: Path, emit: Callable[..., None]) -> None:
        self._store, self._emit = Store(database), emit
        self._lock = threading.Lock()
        self._ids: dict[str, tuple[int, str]] = {}  # auth key -> (node id, name)

    def members(self) -> Mapping[int, str]:
        """Node id -> name."""
        with self._lock:
            return dict(self._ids.values())

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def sync(self, link: SuperLink, *, fresh: bool = False) -> None:
        """Register and shut out until both agree; ``fresh`` says that the SuperLink knows nobody yet."""
        with self._lock:
            wanted = {node.auth_key: node.name for node in self._store.registered().values()}
            if fresh:
                self._ids.clear()
            for auth_key, name in wanted.items():
                if auth_key not in self._ids:
                    self._ids[auth_key] = (link.register(auth_key, name=name), name)
                    self._emit("node-registered", node=name, node_id=self._ids[auth_key][0])
            for auth_key in [auth_key for auth_key in self._ids if auth_key not in wanted]:
                node_id, name = self._ids[auth_key]
                link.unregister(node_id)
                del self._ids[auth_key]
                self._emit("node-revoked", node=name, node_id=node_id)


class _Service:
    def __init__(
        self,
        config: ServerConfig,
        *,
        keys: ServerKeys,
        runner: CycleRunner,
        emit: Callable[..., None],
        stop: threading.Event,
    ) -> None:
        self._config, self._runner, self._emit, self._stop = config, runner, emit, stop
        layout = Layout(config.state)
        self._secret = secrets.token_bytes(32)
        secret_file = layout.flwr_home / "superexec_secret"
        secret_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        secret_file.unlink(missing_ok=True)
        write_secret(secret_file, self._secret)
        self._process = SuperLinkProcess(config, secret_file=secret_file)
        self._link = SuperLink(
            f"{CONTROL_HOST}:{config.control_port}", ca_cert=keys.ca_cert, secret=self._secret
        )
        self._registry = _Registry(layout.database, emit)

    def run(self) -> None:
        """Keep everything going until stopped or finished."""
        app = make_server_app(self._runner, num_cycles=1, members=self._registry.members)
        closing = threading.Event()
        watcher = threading.Thread(target=self._watch_registry, args=(closing,), daemon=True)
        failed_runs = 0
        try:
            self._start_superlink()
            watcher.start()
            while not self._stop.is_set() and not self._runner.finished:
                if not self._process.alive or failed_runs >= _MAX_FAILED_RUNS:
                    self._restart_superlink()
                    failed_runs = 0
                elif (wait_s := self._runner.starts_in_s()) > 0:
                    self._stop.wait(min(wait_s, _TICK_S))
                else:
                    try:
                        self._link.run(app)
                        failed_runs = 0
                    except TransportError as error:
                        failed_runs += 1
                        self._emit("superlink-lost", detail=str(error))
                        self._stop.wait(_TICK_S)
        finally:
            closing.set()
            if watcher.is_alive():
                watcher.join()
            self._registry.close()
            self._link.close()  # first: the SuperLink waits for its connections to end
            self._process.stop()

    def _start_superlink(self) -> None:
        """Start it, wait until it answers, let the nodes in. Raises TransportError with its last words."""
        self._process.start()
        give_up = time.monotonic() + _READY_S
        while not self._stop.is_set():
            if not self._process.alive:
                raise TransportError(
                    f"the SuperLink does not come up: {self._process.how_it_ended}. "
                    f"See {Layout(self._config.state).logs / 'superlink.log'}."
                )
            try:
                self._link.ping()
                break
            except TransportError as error:
                if time.monotonic() > give_up:
                    raise TransportError(f"the SuperLink does not come up: {error}") from None
                self._stop.wait(0.2)
        else:
            return
        self._registry.sync(self._link, fresh=True)
        self._emit(
            "superlink-ready",
            address=self._config.listen,
            num_nodes=len(self._registry.members()),
            pid=self._process.pid,
        )

    def _restart_superlink(self) -> None:
        backoff_s = 1.0
        while not self._stop.is_set():
            self._emit("superlink-lost", detail=self._process.how_it_ended)
            self._process.stop()
            try:
                self._start_superlink()
            except TransportError as error:
                self._emit("superlink-lost", detail=str(error))
                self._stop.wait(backoff_s)
                backoff_s = min(2 * backoff_s, _MAX_BACKOFF_S)
            else:
                return

    def _watch_registry(self, closing: threading.Event) -> None:
        while not closing.wait(REGISTRY_S):
            try:
                self._registry.sync(self._link)
            except TransportError:
                continue  # the main thread sees it too, and restarts the SuperLink
            except StoreError as error:
                self._emit("registry-failed", detail=str(error))
