"""``sft-server demo``: the whole road on this machine, with the same commands that a person would type."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from sft_server.demo.assemble import assemble, final_table, num_updates_of
from sft_server.demo.config import DemoConfig
from sft_server.demo.measure import PROGRESS, Job, Plan
from sft_server.demo.prepare import DemoData, free_ports, own_folder, prepare_data, write_settings
from sft_server.demo.processes import Child, Processes, command, raise_on_stop_signals
from sft_server.demo.progress import Board, FederationWatch, Tail
from sft_server.demo.report import find_flips, write_report
from sft_server.demo.result import BASE, FEDERATED, FEW_SHOT, DemoResult, local_name
from sft_server.demo.transport import probe_transport
from sft_server.layout import Layout as ServerLayout
from sft_server.store import Store
from sft_shared.config import load_yaml
from sft_shared.errors import FedsftError
from sft_shared.evaluation.results import System, read_system
from sft_shared.files import write_atomic
from sft_shared.models.load import load_base
from sft_shared.recipe import Recipe
from sft_shared.wire.cards import FederationCard, read_card

POLL_S = 0.25
MEASURING_PROCESSES = 2
BASELINES = (Job(name=BASE), Job(name=FEW_SHOT, with_shots=True))


def run_demo(config: DemoConfig, *, console: Console) -> DemoResult:
    """Run the demo to its end and write result.json and report.html; no process is left, however it ends.

    Raises ConfigError, DataError or ModelError for what is missing or wrong, FedsftError if one of the
    processes fails (with the path of its log), Interrupted on Ctrl-C.
    """
    raise_on_stop_signals()
    recipe = load_yaml(config.recipe, Recipe)
    with own_folder(config.layout), Board(console) as board, Processes(config.layout.logs) as processes:
        return _Run(config, recipe=recipe, board=board, processes=processes).whole()


class _Run:
    def __init__(self, config: DemoConfig, *, recipe: Recipe, board: Board, processes: Processes) -> None:
        self._config, self._layout, self._recipe = config, config.layout, recipe
        self._board, self._processes = board, processes
        self._server_layout = ServerLayout(config.layout.server)
        self._phases_s: dict[str, float] = {}
        self._transport = ""
        self._of_server = ("--config", str(config.layout.server_config))

    def whole(self) -> DemoResult:
        """All phases, one after the other."""
        started = time.monotonic()
        with self._phase("preparing data and keys", "preparing"):
            data = self._prepare()
            self._register_nodes()
        with self._phase(
            f"federation: {len(data.train)} clients, {self._config.num_cycles} cycles", "federation"
        ):
            baselines = self._start_measuring("baselines", BASELINES, niceness=19)
            self._federate(baselines)
        with self._phase("each client alone, with as many steps", "training alone"):
            self._train_alone()
        with self._phase(f"measuring on {len(data.held_out)} held-out questions", "measuring"):
            systems = self._measure(data, baselines)
        with self._phase("report", "report"):
            result = self._report(data, systems, started=started)
        self._board.console.print(final_table(result))
        for path in (self._layout.report, self._layout.result, self._layout.logs):
            self._board.console.print(f"{path}", highlight=False, soft_wrap=True)
        return result

    @contextmanager
    def _phase(self, title: str, name: str) -> Iterator[None]:
        started = time.monotonic()
        self._board.begin(title)
        yield
        self._phases_s[name] = time.monotonic() - started

    def _prepare(self) -> DemoData:
        """Data, while the documented first step, making keys, runs in processes of its own."""
        write_settings(self._config, recipe=self._recipe, ports=free_ports(2))
        inits = [self._sft_server("keys-init", "keys", "init", *self._of_server)]
        for client in self._config.clients:
            arguments = ["--config", str(self._layout.client_config(client))]
            inits.append(self._sft_client(f"{client}.keys-init", "keys", "init", *arguments))
        self._board.show("model", done=0, total=0, says=f"loading {self._recipe.model.name}")
        base = load_base(self._recipe.model)
        data = prepare_data(self._config, tokenizer=base.tokenizer, settings=self._recipe.data)
        for client, examples in data.train.items():
            categories = ", ".join(self._config.clients[client])
            self._board.say(f"  {client}: {len(examples)} examples ({categories})")
        self._board.say(f"  held out: {len(data.held_out)} examples that no client sees")
        self._wait_for_success(inits)
        return data

    def _register_nodes(self) -> None:
        """Bring the nodes' cards to the server."""
        cards = {client: self._layout.client(client) / "node.json" for client in self._config.clients}
        self._wait_for_success(
            [
                self._sft_server(f"{client}.nodes-add", "nodes", "add", str(card), *self._of_server)
                for client, card in cards.items()
            ]
        )
        self._board.say(f"  keys made, {len(cards)} nodes registered")

    def _federate(self, baselines: Child) -> None:
        """Start server and clients, watch until all cycles are closed, stop the clients."""
        config, layout = self._config, self._layout
        watch = FederationWatch(
            self._board,
            server=self._server_layout.run_log,
            clients={client: layout.client(client) / "run.jsonl" for client in config.clients},
            num_cycles=config.num_cycles,
        )
        server = self._sft_server("server", "start", *self._of_server)
        clients = [
            self._sft_client(client, "start", "--config", str(layout.client_config(client)))
            for client in config.clients
        ]
        start_by = time.monotonic() + config.start_timeout_s
        while not server.ended:
            watch.look()
            for client in clients:
                client.require_running()
            if baselines.ended:
                baselines.require_success()
            if watch.trouble is not None:
                break
            if watch.ready and not self._transport:
                self._transport = self._probe_transport()
            if len(watch.asked) < len(clients) and time.monotonic() > start_by:
                raise FedsftError(
                    f"{len(watch.asked)} of {len(clients)} clients joined in {config.start_timeout_s:.0f} s. "
                    f"See the logs in {layout.logs}, or raise start_timeout_s."
                )
            time.sleep(POLL_S)
        watch.look()
        if watch.trouble is not None:
            raise FedsftError(f"the federation failed: {watch.trouble} See the logs in {layout.logs}.")
        server.require_success()
        self._processes.stop(clients, grace_s=30.0)

    def _probe_transport(self) -> str:
        """What the running server speaks, asked of the server itself."""
        card = read_card(self._server_layout.federation_card, FederationCard)
        return probe_transport(card.address, ca_cert=card.ca_cert)

    def _train_alone(self) -> None:
        """``sft-client train`` for each client at once, for as many cycles as it took part in."""
        children, tails = [], {}
        for client in self._config.clients:
            out = self._layout.alone(client)
            cycles = num_updates_of(client, database=self._server_layout.database)
            arguments = ["--config", str(self._layout.client_config(client)), "--out", str(out)]
            children.append(self._sft_client(f"{client}.train", "train", *arguments, "--cycles", str(cycles)))
            tails[client] = Tail(out / "run.jsonl")

        def look() -> None:
            for client, tail in tails.items():
                for event in tail.new():
                    if event["event"] == "step":
                        says = f"cycle {event['cycle']}, loss {event['loss']:.3f}"
                        self._board.show(client, done=event["step"], total=event["steps"], says=says)

        self._wait_for_success(children, look=look)

    def _start_measuring(self, name: str, jobs: Sequence[Job], *, niceness: int = 0) -> Child:
        plan = Plan(
            recipe=self._layout.recipe.resolve(),
            held_out=self._layout.held_out.resolve(),
            shots=self._layout.shots.resolve(),
            folder=self._layout.measurements.resolve(),
            jobs=tuple(jobs),
        )
        path = plan.write(self._layout.measurements / f"{name}.plan.json")
        arguments = [sys.executable, "-m", "sft_server.demo.measure", str(path)]
        return self._processes.start(f"measure-{name}", arguments, niceness=niceness)

    def _measure(self, data: DemoData, baselines: Child) -> dict[str, System]:
        """Measure what the baselines' process has not claimed yet, and wait for all of it."""
        adapters = {local_name(client): self._layout.alone(client) for client in data.train}
        store = Store(self._server_layout.database)
        adapters[FEDERATED] = self._server_layout.adapter(str(store.promoted_adapter()))
        store.close()
        trained = [Job(name=name, adapter=folder.resolve()) for name, folder in adapters.items()]
        jobs = [*BASELINES, *trained]
        children = [
            self._start_measuring(f"models-{number}", jobs) for number in range(1, MEASURING_PROCESSES + 1)
        ]
        tail = Tail(self._layout.measurements / PROGRESS)

        def look() -> None:
            for event in tail.new():
                if event["event"] == "measuring":
                    self._board.show(event["name"], done=event["done"], total=event["total"], says="")
                else:
                    self._board.say(
                        f"  {event['name']}: {event['accuracy']:.1%} right ({event['seconds']:.0f} s)"
                    )

        self._wait_for_success([baselines, *children], look=look)
        return {job.name: read_system(self._layout.measurements / job.name) for job in jobs}

    def _report(self, data: DemoData, systems: dict[str, System], *, started: float) -> DemoResult:
        self._board.show("report", done=0, total=0, says="comparing and drawing")
        result = assemble(
            self._config,
            recipe=self._recipe,
            data=data,
            systems=systems,
            transport=self._transport,
            phases_s=self._phases_s,
            started=started,
        )
        flips = find_flips(data.held_out, before=systems[FEW_SHOT], after=systems[FEDERATED])
        write_report(result, flips=flips, folder=self._layout.out)
        write_atomic(self._layout.result, (result.model_dump_json(indent=2) + "\n").encode())
        return result

    def _sft_server(self, name: str, *arguments: str) -> Child:
        return self._processes.start(name, [command("sft-server"), *arguments])

    def _sft_client(self, name: str, *arguments: str) -> Child:
        return self._processes.start(name, [command("sft-client"), *arguments])

    def _wait_for_success(
        self, children: Sequence[Child], *, look: Callable[[], None] = lambda: None
    ) -> None:
        """Wait for all; the first that fails ends the demo."""
        waiting = list(children)
        while waiting:
            look()
            for child in [child for child in waiting if child.ended]:
                child.require_success()
                waiting.remove(child)
            time.sleep(POLL_S if waiting else 0)
        look()
