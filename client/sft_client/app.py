"""The ClientApp: Flower messages in and out of a `Node`. The same one in deployment and in simulation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flwr.app import Array, ArrayRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from sft_client.config import ClientConfig
from sft_client.node import Node, Refusal, open_node
from sft_shared.config import load_yaml
from sft_shared.errors import ConfigError

RECORD = "sft"
STYPE = "fedsft.bytes"

# Ray keeps its actor processes: a client that comes round again finds its node, and the node its base model.
_nodes: dict[Path, Node] = {}


def make_client_app(node_for: Callable[[Context], Node]) -> ClientApp:
    """A ClientApp that hands each order to the node which ``node_for`` names."""

    def train(message: Message, context: Context) -> Message:
        record = message.content.array_records.get(RECORD, ArrayRecord())
        if "order" not in record or "adapter" not in record:
            reply = {"refusal": Refusal("undecodable", "the message holds no order").to_json()}
        else:
            answer = node_for(context).handle(record["order"].data, record["adapter"].data)
            reply = {"refusal": answer.to_json()} if isinstance(answer, Refusal) else {"update": answer}
        arrays = {name: _array(data) for name, data in reply.items()}
        return Message(RecordDict({RECORD: ArrayRecord(arrays)}), reply_to=message)

    app = ClientApp()
    app.train()(train)
    return app


def simulated_client_app(home: str) -> ClientApp:
    """The ClientApp of a simulation: partition ``i`` is the client of ``home/client-<i>/client.yaml``."""

    def node_for(context: Context) -> Node:
        return _cached_node(Path(home) / f"client-{context.node_config['partition-id']}" / "client.yaml")

    return make_client_app(node_for)


def _cached_node(path: Path) -> Node:
    if path not in _nodes:
        if not path.is_file():
            raise ConfigError(f"{path}: no such file. A simulation has one client.yaml a partition.")
        _nodes[path] = open_node(load_yaml(path, ClientConfig))
    return _nodes[path]


def _array(data: bytes) -> Array:
    return Array(dtype="uint8", shape=(len(data),), stype=STYPE, data=data)
