"""``sft-client start``: one process with a SuperNode below it and the base model in its memory."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator

from sft_client.config import ClientConfig
from sft_client.node import Node, Stopped, open_node
from sft_client.orders import Order
from sft_client.screen import Screen
from sft_client.supernode import Endpoint, SuperNode
from sft_shared.config import load_yaml
from sft_shared.errors import FedsftError
from sft_shared.files import held_folder
from sft_shared.recipe import Recipe
from sft_shared.training.records import StepRecord

STOP_S = 20.0
"""How long a training step or the loading of a model may hold up the end of the process."""


def start(config: ClientConfig, *, screen: Screen) -> None:
    """Serve the federation until SIGINT, SIGTERM or SIGHUP; no process is left behind.

    Raises a FedsftError for what cannot mend itself: keys, cards, dataset, recipe, base model or port are
    wrong, or another client holds the state folder. A server that cannot be reached is waited for.
    """
    recipe = None if config.recipe is None else load_yaml(config.recipe, Recipe)
    with held_folder(config.state, holder="client"):
        stop = threading.Event()
        node = open_node(config, say=screen.say, on_step=_on_step(stop, screen))
        _introduce(node, screen)
        supernode = SuperNode(config, node.federation, say=screen.say, log=node.log)
        worker = Worker(node, supernode, recipe=recipe, screen=screen, stop=stop)
        node.log.write("start", name=config.name, federation=node.federation.name)
        with _signals_set(stop):
            worker.start()
            try:
                supernode.run(stop)
            finally:
                stop.set()
                worker.join(STOP_S)
                screen.clear()
        node.log.write("stop")
        if worker.fault is not None:
            raise worker.fault
        screen.say("stopped")
        if worker.is_alive():
            # Inside a long native call, such as the reading of a model: it cannot be asked to stop.
            sys.stdout.flush()
            os._exit(0)


class Worker(threading.Thread):
    """Loads the base model, then runs orders. ``fault`` is what made it end the process, if anything did."""

    def __init__(
        self,
        node: Node,
        supernode: SuperNode,
        *,
        recipe: Recipe | None,
        screen: Screen,
        stop: threading.Event,
    ) -> None:
        super().__init__(name="worker", daemon=True)
        self.fault: BaseException | None = None
        self._node = node
        self._supernode = supernode
        self._recipe = recipe
        self._screen = screen
        self._stop_asked = stop

    def run(self) -> None:
        """See `Thread.run`. A fault ends the process: a client that cannot train must not look alive."""
        try:
            self._prepare()
            # flwr takes a second to import; the SuperNode connects meanwhile.
            from sft_client.app import make_client_app
            from sft_client.executor import WarmExecutor

            WarmExecutor(
                make_client_app(lambda context: self._node),
                endpoint=lambda: self._supernode.endpoint,
                secret=self._supernode.secret,
                on_fault=self._lost,
                on_raise=self._raised,
            ).run(self._stop_asked)
        except BaseException as error:  # noqa: BLE001 - handed to the main thread, which raises it
            self.fault = error
        finally:
            self._stop_asked.set()

    def _prepare(self) -> None:
        if self._recipe is not None:
            self._node.prepare(self._recipe)
            return
        last = self._node.last_recipe()
        if last is not None:
            try:
                self._node.prepare(last)
            except FedsftError as error:
                self._screen.say(f"not prepared for the recipe of the last order: {error}")

    def _lost(self, endpoint: Endpoint, why: str) -> None:
        self._screen.clear()
        self._screen.say(
            "the SuperNode did not take an answer. If an update was made it is in the outbox and is sent "
            f"when the server asks again ({why})"
        )
        self._supernode.restart(endpoint, why)

    def _raised(self, error: Exception) -> None:
        self._screen.clear()
        self._node.log.write(
            "raised", error=repr(error), traceback="".join(traceback.format_exception(error))
        )
        self._screen.say(
            f"the order could not be followed: {type(error).__name__}: {error} "
            f"(a fault of this program or machine; details in {self._node.layout.run_log})"
        )


def _introduce(node: Node, screen: Screen) -> None:
    snapshot = node.library.own.read()
    apart = f", {len(snapshot.held_out)} more are held out and left alone" if len(snapshot.held_out) else ""
    screen.say(
        f"node {node.name} of federation {node.federation.name}: {len(snapshot.examples)} examples in "
        f"{node.library.own.path}{apart}"
    )
    if snapshot.doubts:
        screen.say(snapshot.doubts)


def _on_step(stop: threading.Event, screen: Screen) -> Callable[[Order, StepRecord], None]:
    def on_step(order: Order, record: StepRecord) -> None:
        if stop.is_set():
            raise Stopped
        screen.step(f"cycle {order.cycle}", record)

    return on_step


@contextlib.contextmanager
def _signals_set(stop: threading.Event) -> Iterator[None]:
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup ignores it, and means it
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
