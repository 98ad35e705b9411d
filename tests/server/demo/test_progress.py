"""Progress is read from the run logs that server and clients write."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from sft_server.demo.progress import Board, FederationWatch, Tail
from sft_shared.runlog import RunLog


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=120, force_terminal=False)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_tail_gives_each_whole_line_once(tmp_path: Path) -> None:
    """A line that is still being written waits for its end; a missing file is no error."""
    path = tmp_path / "run.jsonl"
    tail = Tail(path)
    assert list(tail.new()) == []
    RunLog(path).write("first")
    with path.open("a") as file:
        file.write('{"event": "sec')
    assert [event["event"] for event in tail.new()] == ["first"]
    with path.open("a") as file:
        file.write('ond"}\n')
    assert [event["event"] for event in tail.new()] == ["second"]
    assert list(tail.new()) == []


def test_phase_cycle_step_and_loss_are_shown(tmp_path: Path, console: Console) -> None:
    """On a terminal every client has its line with cycle, step and loss."""
    clients = {name: tmp_path / f"{name}.jsonl" for name in ("edge-1", "edge-2")}
    server = RunLog(tmp_path / "server.jsonl")
    with Board(console) as board:
        board.begin("federation")
        watch = FederationWatch(board, server=server.path, clients=clients, num_cycles=3)
        server.write("superlink-ready", address="127.0.0.1:1", num_nodes=2)
        for name in clients:
            server.write("asked", cycle=1, node=name)
        RunLog(clients["edge-1"]).write("step", cycle=2, step=7, steps=28, loss=0.4321)
        watch.look()
        assert watch.ready
        assert watch.asked == {"edge-1", "edge-2"}
        assert watch.trouble is None
        console.print(board.render())
    for text in ("federation ...", "edge-1", "7/28", "cycle 2, loss 0.432", "listens on 127.0.0.1:1 (TLS)"):
        assert text in shown(console)


@pytest.mark.parametrize("event", ["node-refused", "update-rejected", "cycle-abandoned"])
def test_what_stops_the_federation_is_kept(tmp_path: Path, console: Console, event: str) -> None:
    """Without this the demo would wait for the cycle's deadline."""
    server = RunLog(tmp_path / "server.jsonl")
    watch = FederationWatch(Board(console), server=server.path, clients={}, num_cycles=3)
    server.write(event, cycle=1, node="edge-2", reason="data", message="the node cannot follow the order")
    watch.look()
    assert watch.trouble == f"{event}: edge-2: the node cannot follow the order"


def test_without_a_terminal_there_are_lines_now_and_then(console: Console) -> None:
    """The first word about a task at once, the next not before some seconds."""
    with Board(console) as board:
        for step in range(1, 50):
            board.show("edge-1", done=step, total=50, says="loss 0.5")
    assert shown(console).splitlines() == [" 0:00    edge-1: 1/50 loss 0.5"]


def test_what_a_log_says_is_not_taken_as_markup(tmp_path: Path, console: Console) -> None:
    """A message with brackets is shown as it is, and cannot break the display."""
    server = RunLog(tmp_path / "server.jsonl")
    watch = FederationWatch(Board(console), server=server.path, clients={}, num_cycles=1)
    server.write("superlink-lost", detail="closed [/bold] and [red]")
    watch.look()
    assert "closed [/bold] and [red]" in shown(console)
