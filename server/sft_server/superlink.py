"""Flower's private side, all of it: Control and Runtime API of the SuperLink (flwr 1.39).

Our process takes the ServerApp task itself, so the model stays in memory from cycle to cycle and nothing
is imported from an app bundle.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key
from flwr.common.constant import SubStatus
from flwr.common.serde import context_from_proto, run_from_proto
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    RegisterNodeRequest,
    StartRunRequest,
    StopRunRequest,
    StreamLogsRequest,
    UnregisterNodeRequest,
)
from flwr.proto.fab_pb2 import Fab
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    PullTaskInputRequest,
    PushTaskOutputRequest,
    SendTaskHeartbeatRequest,
)
from flwr.serverapp import ServerApp
from flwr.supercore.constant import NodeStatus, TaskType
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.heartbeat import HeartbeatSender
from flwr.supercore.interceptors import (
    RuntimeTokenHttpInterceptor,
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.protobuf.client import ProtobufClientInterceptor
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.cli.flower_superlink import flower_superlink
from flwr.superlink.grid import HttpGrid

from sft_shared.errors import TransportError

_ACQUIRE = "/flwr.proto.Runtime/AcquireTask"
_PYPROJECT = b"""\
[project]
name = "fedsft-cycle"
version = "1.0.0"
[tool.flwr.app]
publisher = "fedsft"
[tool.flwr.app.components]
serverapp = "sft_server.app:never_imported"
clientapp = "sft_client.app:never_imported"
[tool.flwr.app.config]
"""


def run_superlink() -> None:
    """Flower's ``flower-superlink`` command, with this process's arguments."""
    flower_superlink()


def _one_try(client: Any) -> Any:
    """Make a client speak to the SuperLink once, and say plainly when that fails.

    Flower's own retrying would wait for ever on a dead SuperLink, and interrupt this process on a 401.
    """
    send = client._unary_unary

    def unary_unary(*, rpc_method: str, **request: Any) -> Any:
        try:
            return send(rpc_method=rpc_method, **request)
        except httpx.HTTPStatusError as error:
            answer = error.response.text.strip()[:200] or "no reason given"
            raise TransportError(
                f"the SuperLink answered {error.response.status_code} to {rpc_method}: {answer}"
            ) from None
        except (httpx.HTTPError, RuntimeError, ValueError) as error:
            raise TransportError(f"the SuperLink does not answer {rpc_method}: {error}") from None

    client._unary_unary = unary_unary
    return client


@dataclass(frozen=True)
class LinkNode:
    """A node as the SuperLink has it."""

    node_id: int
    status: str


class SuperLink:
    """A running SuperLink, over HTTPS on loopback. All methods raise TransportError if it does not answer."""

    def __init__(self, address: str, *, ca_cert: bytes, secret: bytes) -> None:
        """``secret`` is what authorises taking tasks; the SuperLink reads it from its file."""
        self._address, self._ca_cert = address, ca_cert
        self._control = _one_try(
            ControlHttpClient.from_server_address(
                server_address=address, insecure=False, root_certificates=ca_cert, interceptors=[]
            )
        )
        self._acquirer = self._runtime(
            RuntimeVersionHttpInterceptor(component_name="SuperExec"),
            SuperExecAuthHttpInterceptor(master_secret=secret, protected_methods=[_ACQUIRE]),
        )

    def close(self) -> None:
        """Close the connections."""
        self._control.close()
        self._acquirer.close()

    def ping(self) -> None:
        """Return if the SuperLink answers."""
        self._control.ListNodes(ListNodesRequest())

    def register(self, auth_key: str, *, name: str) -> int:
        """Let the node with this public key (OpenSSH line) in; return its node id."""
        key = load_ssh_public_key(auth_key.encode("ascii"))
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return int(self._control.RegisterNode(RegisterNodeRequest(public_key=pem, name=name)).node_id)

    def unregister(self, node_id: int) -> None:
        """Shut a node out; its next call fails."""
        try:
            self._control.UnregisterNode(UnregisterNodeRequest(node_id=node_id))
        except TransportError:
            # flwr 1.39 shuts a node out and then answers 500 if it was never online.
            status = {node.node_id: node.status for node in self.nodes()}.get(node_id)
            if status != NodeStatus.UNREGISTERED:
                raise

    def nodes(self) -> Sequence[LinkNode]:
        """All nodes that were ever let in since the SuperLink started."""
        infos = self._control.ListNodes(ListNodesRequest()).nodes_info
        return [LinkNode(node_id=info.node_id, status=info.status) for info in infos]

    def run(self, app: ServerApp) -> None:
        """Start a Flower run and be its ServerApp: call ``app`` here, in this process, until it returns."""
        bundle = _bundle()
        request = StartRunRequest(fab=Fab(hash_str=hashlib.sha256(bundle).hexdigest(), content=bundle))
        run_id = self._control.StartRun(request).run_id
        if not run_id:
            raise TransportError("the SuperLink refused to start a run; its log says why")
        try:
            self._execute(app, run_id=run_id)
        except BaseException:
            self._stop(run_id)
            raise
        # Reading the log of a finished run is what makes flwr 1.39 forget the run's messages and objects.
        for _ in self._control.StreamLogs(StreamLogsRequest(run_id=run_id)):
            pass

    def _execute(self, app: ServerApp, *, run_id: int) -> None:
        task = self._acquirer.AcquireTask(AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP]))
        if not task.token:
            raise TransportError(f"the SuperLink has no task for run {run_id}")
        grid = HttpGrid(self._address, root_certificates=self._ca_cert, token=task.token)
        client = self._runtime(
            RuntimeVersionHttpInterceptor(component_name="flwr-serverapp"),
            RuntimeTokenHttpInterceptor(task.token),
        )
        grid._client = client
        heartbeat = HeartbeatSender(lambda: _beat(client))
        heartbeat.start()
        try:
            given = client.PullTaskInput(PullTaskInputRequest())
            context, run = context_from_proto(given.context), run_from_proto(given.run)
            TaskIdentity.task_id, TaskIdentity.run_id = given.task_id, run.run_id
            TaskIdentity.node_id = context.node_id
            grid.set_run(run)
            app(grid, context)
            client.PushTaskOutput(PushTaskOutputRequest(sub_status=SubStatus.COMPLETED))
        finally:
            heartbeat.stop()
            grid.close()

    def _stop(self, run_id: int) -> None:
        try:
            self._control.StopRun(StopRunRequest(run_id=run_id))
        except TransportError:
            return

    def _runtime(self, *interceptors: ProtobufClientInterceptor) -> Any:
        return _one_try(
            RuntimeHttpClient.from_server_address(
                server_address=self._address,
                insecure=False,
                root_certificates=self._ca_cert,
                interceptors=interceptors,
            )
        )


def _beat(client: Any) -> bool:
    try:
        client.SendTaskHeartbeat(SendTaskHeartbeatRequest())
    except TransportError:
        return False
    return True


def _bundle() -> bytes:
    """The app bundle that StartRun asks for: names and no code, the same bytes every time."""
    digest = hashlib.sha256(_PYPROJECT).hexdigest()
    files: Mapping[str, bytes] = {
        "pyproject.toml": _PYPROJECT,
        ".info/CONTENT": f"pyproject.toml,{digest},{len(_PYPROJECT) * 8}".encode(),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()
