"""The warm executor against the SuperNode's own Runtime API, served over HTTP from a node state made here."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from flwr.app import Array, ArrayRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.constant import SubStatus
from flwr.supercore.constant import TaskType
from flwr.supercore.fab import Fab
from flwr.supercore.object_store import ObjectStoreFactory
from flwr.supercore.run import Run
from flwr.supernode.main import create_app
from flwr.supernode.nodestate import NodeState, NodeStateFactory
from flwr.supernode.start_client_internal import _insert_message

from sft_client.executor import WarmExecutor
from sft_client.node import Stopped
from sft_client.supernode import Endpoint

pytestmark = pytest.mark.usefixtures("flower_identity")

RUN, NODE, SERVER = 7, 11, 1
SECRET = b"s" * 32
# A bundle that would write a file if anybody imported what is in it.
HOSTILE_FAB = b"import pathlib; pathlib.Path('imported').touch()"
FAB_SHA256 = hashlib.sha256(HOSTILE_FAB).hexdigest()


@pytest.fixture(autouse=True)
def _flower_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLWR_HOME", str(tmp_path / "flwr"))
    monkeypatch.chdir(tmp_path)


@dataclass
class SuperNodeApi:
    """A SuperNode's Runtime API on loopback, and the state behind it."""

    state: NodeState
    endpoint: Endpoint

    def deliver(self, data: bytes) -> int:
        """Hand in a message as if the server had sent it; return its task."""
        message = Message(
            RecordDict({"sft": ArrayRecord({"order": _array(data)})}), dst_node_id=NODE, message_type="train"
        )
        metadata = message.metadata.__dict__
        metadata["_run_id"], metadata["_src_node_id"] = RUN, SERVER
        task = self.state.create_task(task_type=TaskType.CLIENT_APP, run_id=RUN, fab_hash=FAB_SHA256)
        assert task is not None
        _insert_message(message, self.state, self.state.object_store)
        return task

    def replies(self) -> list[Message]:
        """What the executor pushed, without its content."""
        return list(self.state.get_messages(is_reply=True))


@contextmanager
def serving(*, secret: bytes | None = SECRET) -> Iterator[SuperNodeApi]:
    """Flower's own Runtime API, as flower-supernode serves it."""
    factory = NodeStateFactory(ObjectStoreFactory())
    state = factory.state()
    state.set_node_id(NODE)
    run = Run.create_empty(RUN)
    run.fab_hash = FAB_SHA256
    state.store_run(run)
    state.store_fab(Fab(FAB_SHA256, HOSTILE_FAB, {}))
    context = Context(run_id=RUN, node_id=NODE, node_config={}, state=RecordDict(), run_config={})
    state.set_run_series_context(run.series_id, context)
    config = uvicorn.Config(
        create_app(factory, superexec_auth_secret=secret),
        host="127.0.0.1", port=0, log_level="error", ws="none",
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield SuperNodeApi(state, Endpoint(f"127.0.0.1:{port}", instance=1))
    finally:
        server.should_exit = True
        thread.join()


@dataclass
class Run_:  # noqa: N801 - Run is Flower's
    """An executor in a thread, and what it reported."""

    api: SuperNodeApi
    answer: Callable[[Message], Message]
    secret: bytes = SECRET
    faults: list[tuple[Endpoint, str]] = field(default_factory=list)
    raised: list[Exception] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Run_:
        app = ClientApp()

        def train(message: Message, context: Context) -> Message:
            assert context.node_id == NODE
            return self.answer(message)

        app.train()(train)
        executor = WarmExecutor(
            app,
            endpoint=lambda: self.api.endpoint,
            secret=self.secret,
            on_fault=lambda endpoint, why: self.faults.append((endpoint, why)),
            on_raise=self.raised.append,
        )
        self.thread = threading.Thread(target=executor.run, args=(self.stop,))
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()

    def wait_for(self, look: Callable[[], Any], *, within_s: float = 20) -> Any:
        """Return the first true value of ``look``."""
        give_up = time.monotonic() + within_s
        while not (value := look()):
            assert time.monotonic() < give_up, (self.faults, self.raised)
            time.sleep(0.02)
        return value


def echo(message: Message) -> Message:
    """A reply with the order's bytes turned round."""
    data = message.content.array_records["sft"]["order"].data[::-1]
    return Message(RecordDict({"sft": ArrayRecord({"update": _array(data)})}), reply_to=message)


def test_a_task_is_answered_by_the_installed_app(tmp_path: Path) -> None:
    """Order in, reply out and the task closed; one process for all, nothing of the shipped bundle opened."""
    with serving() as api, Run_(api, echo) as run:
        for data in (b"first", b"second"):
            task = api.deliver(data)
            (reply,) = run.wait_for(api.replies)
            run.wait_for(lambda task=task: _sub_status(api, task))
            assert reply.metadata.reply_to_message_id
            assert reply.metadata.dst_node_id == SERVER
            assert _sub_status(api, task) == SubStatus.COMPLETED
        assert (run.faults, run.raised) == ([], [])
    assert list(tmp_path.iterdir()) == []


def test_what_the_app_raises_reaches_the_server_by_its_kind_alone() -> None:
    """Its text may hold data: the operator gets it, the server only its type. The next task runs."""

    def fail_once(message: Message) -> Message:
        if message.content.array_records["sft"]["order"].data == b"bad":
            raise RuntimeError("example of patient Meier")
        return echo(message)

    with serving() as api, Run_(api, fail_once) as run:
        api.deliver(b"bad")
        (reply,) = run.wait_for(api.replies)
        assert reply.has_error()
        assert reply.error.reason == "RuntimeError"
        assert [str(error) for error in run.raised] == ["example of patient Meier"]
        api.deliver(b"good")
        (reply,) = run.wait_for(api.replies)
        assert not reply.has_error()
        assert run.faults == []


def test_without_the_secret_nobody_gets_a_task() -> None:
    """Another user of the machine who polls our SuperNode's port is turned away."""
    with serving() as api, Run_(api, echo, secret=b"guessed") as run:
        task = api.deliver(b"order")
        time.sleep(1.5)
        assert _sub_status(api, task) == ""
        assert api.replies() == []
        assert run.faults == []


def test_a_supernode_without_a_secret_serves_anybody() -> None:
    """What the secret guards against: left out, the same wrong caller gets the task."""
    with serving(secret=None) as api, Run_(api, echo, secret=b"guessed") as run:
        api.deliver(b"order")
        run.wait_for(api.replies)


def test_a_task_that_is_gone_is_reported_and_does_not_interrupt_us() -> None:
    """The answer is not taken: the SuperNode is named for a restart, and this process gets no SIGINT."""

    def too_late(message: Message) -> Message:
        for task in api.state.get_tasks():
            api.state.finish_task(task.task_id, SubStatus.FAILED, "expired")
        return echo(message)

    with serving() as api, Run_(api, too_late) as run:
        api.deliver(b"order")
        run.wait_for(lambda: run.faults)
        ((endpoint, why),) = run.faults
        assert endpoint == api.endpoint
        assert "401" in why
        assert run.thread.is_alive()


def test_a_stop_during_training_ends_the_executor() -> None:
    """`Stopped` out of the app ends the loop without an answer."""

    def stop(message: Message) -> Message:
        raise Stopped

    with serving() as api, Run_(api, stop) as run:
        api.deliver(b"order")
        run.thread.join(20)
        assert not run.thread.is_alive()
        assert api.replies() == []
        assert (run.faults, run.raised) == ([], [])


def test_it_waits_for_a_supernode_that_is_not_up() -> None:
    """Polling a closed port is quiet; a SuperNode that comes up elsewhere is found."""
    closed = SuperNodeApi(state=None, endpoint=Endpoint("127.0.0.1:1", instance=0))
    with serving() as api, Run_(closed, echo) as run:
        api.deliver(b"order")
        time.sleep(1)
        closed.endpoint = api.endpoint
        run.wait_for(api.replies)
        assert run.faults == []


def _array(data: bytes) -> Array:
    return Array(dtype="uint8", shape=(len(data),), stype="fedsft.bytes", data=data)


def _sub_status(api: SuperNodeApi, task: int) -> str:
    return str(api.state.get_tasks(task_ids=[task])[0].status.sub_status)
