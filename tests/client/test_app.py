"""The ClientApp between Flower's messages and a real node."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict

from sft_client.app import make_client_app, simulated_client_app
from sft_shared.errors import ConfigError

pytestmark = pytest.mark.usefixtures("flower_identity")


def message_with(**values: bytes) -> Message:
    """A message of the server's layout."""
    arrays = {
        name: Array(dtype="uint8", shape=(len(data),), stype="fedsft.bytes", data=data)
        for name, data in values.items()
    }
    return Message(RecordDict({"sft": ArrayRecord(arrays)}), dst_node_id=3, message_type="train")


def context_of(**node_config: Any) -> Context:
    """What Flower hands to the app beside the message."""
    return Context(run_id=1, node_id=3, node_config=node_config, state=RecordDict(), run_config={})


def test_an_order_gives_the_nodes_update(home: Any) -> None:
    """The reply holds, under the agreed keys, exactly the bytes that the node answers."""
    node = home.open()
    order, parent = home.order(), home.parent()
    reply = make_client_app(lambda context: node)(message_with(order=order, adapter=parent), context_of())
    record = reply.content.array_records["sft"]
    assert list(record) == ["update"]
    assert record["update"].data == node.handle(order, parent)


def test_a_refusal_is_json(home: Any) -> None:
    """Reason and message, where the update would be."""
    app = make_client_app(lambda context: home.open())
    reply = app(message_with(order=b"junk", adapter=b""), context_of())
    refusal = json.loads(reply.content.array_records["sft"]["refusal"].data)
    assert refusal["reason"] == "undecodable"
    assert set(refusal) == {"reason", "message"}


@pytest.mark.parametrize(
    "content",
    [
        RecordDict(),
        RecordDict({"sft": ConfigRecord({"order": b"x", "adapter": b"x"})}),
        RecordDict({"sft": ArrayRecord({})}),
    ],
)
def test_a_message_without_an_order_is_refused(home: Any, content: RecordDict) -> None:
    """Whatever a server puts into a message, it gets an answer."""
    app = make_client_app(lambda context: home.open())
    reply = app(Message(content, dst_node_id=3, message_type="train"), context_of())
    assert json.loads(reply.content.array_records["sft"]["refusal"].data)["reason"] == "undecodable"


def test_a_simulated_client_is_the_node_of_its_partition(
    tmp_path: Path, make_home: Callable[[Path], Any]
) -> None:
    """Partition 1 answers as the node in client-1, whose outbox then holds the update."""
    homes = []
    for partition in range(2):
        (tmp_path / f"client-{partition}").mkdir()
        homes.append(make_home(tmp_path / f"client-{partition}"))
    order, parent = homes[1].order(), homes[1].parent()
    message = message_with(order=order, adapter=parent)
    reply = simulated_client_app(str(tmp_path))(message, context_of(**{"partition-id": 1}))
    (kept,) = homes[1].config.layout.outbox.iterdir()
    assert reply.content.array_records["sft"]["update"].data == kept.read_bytes()
    assert not homes[0].config.layout.outbox.exists()


def test_a_missing_partition_is_named(tmp_path: Path) -> None:
    """More partitions than homes is a mistake in the simulation's settings."""
    with pytest.raises(ConfigError, match=r"client-5/client\.yaml: no such file"):
        simulated_client_app(str(tmp_path))(
            message_with(order=b"", adapter=b""), context_of(**{"partition-id": 5})
        )


def test_ray_can_ship_the_app_to_an_actor(tmp_path: Path) -> None:
    """The app is serialised as Ray does it and comes to life in a process that has imported nothing."""
    code = (
        "import sys, ray.cloudpickle as pickle\n"
        "from sft_client.app import simulated_client_app\n"
        "sys.stdout.buffer.write(pickle.dumps(simulated_client_app(sys.argv[1])))\n"
    )
    shipped = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=True
    ).stdout
    code = (
        "import sys, ray.cloudpickle as pickle\nprint(type(pickle.loads(sys.stdin.buffer.read())).__name__)\n"
    )
    came = subprocess.run([sys.executable, "-c", code], input=shipped, capture_output=True, check=True)
    assert came.stdout.decode().strip() == "ClientApp"
