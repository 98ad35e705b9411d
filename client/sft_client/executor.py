"""The warm executor: takes tasks from our SuperNode and runs the installed ClientApp in this process.

Flower would start a new interpreter for each message and run code that the server ships. Here the process,
and with it the base model, stays; what the server ships is never installed nor imported.
Written against flwr 1.39's private Runtime API.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import httpx
from flwr.app import Error, Message
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode, SubStatus
from flwr.proto.runtime_pb2 import AcquireTaskRequest, PushTaskOutputRequest, SendTaskHeartbeatRequest
from flwr.supercore.constant import TaskType
from flwr.supercore.heartbeat import HeartbeatSender
from flwr.supercore.interceptors import (
    RuntimeTokenHttpInterceptor,
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.runtime.run_clientapp import pull_task_input, push_message

from sft_client.node import Stopped
from sft_client.supernode import Endpoint

POLL_S = 0.3
_ACQUIRE = "/flwr.proto.Runtime/AcquireTask"


class WarmExecutor:
    """Runs one task after the other until told to stop."""

    def __init__(
        self,
        app: ClientApp,
        *,
        endpoint: Callable[[], Endpoint],
        secret: bytes,
        on_fault: Callable[[Endpoint, str], None],
        on_raise: Callable[[Exception], None],
    ) -> None:
        """``endpoint`` gives the SuperNode's Runtime API, ``secret`` is what opens it.

        ``on_fault`` is told when a task could not be taken over or answered, so that the SuperNode must be
        started again: it would wait for the answer for ever. ``on_raise`` is told what the ClientApp raised.
        """
        self._app = app
        self._endpoint = endpoint
        self._secret = secret
        self._on_fault = on_fault
        self._on_raise = on_raise

    def run(self, stop: threading.Event) -> None:
        """Poll and work until ``stop`` is set."""
        while not stop.is_set():
            endpoint = self._endpoint()
            client = self._acquiring_client(endpoint)
            try:
                while endpoint == self._endpoint() and not stop.wait(POLL_S):
                    token = _acquire(client)
                    if token is not None:
                        self._execute(endpoint, token)
            except Stopped:
                return
            finally:
                client.close()

    def _acquiring_client(self, endpoint: Endpoint) -> RuntimeHttpClient:
        signer = SuperExecAuthHttpInterceptor(master_secret=self._secret, protected_methods={_ACQUIRE})
        return _client(endpoint, RuntimeVersionHttpInterceptor(component_name="SuperExec"), signer)

    def _execute(self, endpoint: Endpoint, token: str) -> None:
        client = _client(
            endpoint,
            RuntimeVersionHttpInterceptor(component_name="flwr-clientapp"),
            RuntimeTokenHttpInterceptor(token),
        )
        heartbeat = HeartbeatSender(lambda: _beat(client))
        heartbeat.start()
        try:
            message, context, _, _ = pull_task_input(client)
            status, details = SubStatus.COMPLETED, ""
            try:
                reply = self._app(message=message, context=context)
            except Stopped:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the server must hear of it
                self._on_raise(error)
                # Only its kind leaves the node: its text may hold data.
                status, details = SubStatus.FAILED, type(error).__name__
                reply = Message(Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, details), reply_to=message)
            push_message(client, reply, context)
            client.PushTaskOutput(PushTaskOutputRequest(sub_status=status, details=details))
        except Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - flwr names no root of its errors here
            self._on_fault(endpoint, f"{type(error).__name__}: {error}")
        finally:
            if heartbeat.is_running:
                heartbeat.stop()
            client.close()


def _client(endpoint: Endpoint, *interceptors: object) -> RuntimeHttpClient:
    # Without flwr's retry invoker: it retries for ever, and on HTTP 401 it sends SIGINT to this process.
    return RuntimeHttpClient.from_server_address(
        server_address=endpoint.address, insecure=True, root_certificates=None, interceptors=interceptors
    )


def _acquire(client: RuntimeHttpClient) -> str | None:
    try:
        answer = client.AcquireTask(AcquireTaskRequest(supported_task_types=[TaskType.CLIENT_APP]))
    except httpx.HTTPError:
        return None  # the SuperNode is not up; the supervisor sees to it
    return answer.token if answer.HasField("task") and answer.token else None


def _beat(client: RuntimeHttpClient) -> bool:
    """One heartbeat; False has it tried again. flwr's own sends SIGINT to this process on a lost task."""
    try:
        client.SendTaskHeartbeat(SendTaskHeartbeatRequest())
    except httpx.TransportError:
        return False
    except httpx.HTTPStatusError:
        return True  # the task is gone; its answer will fail, and be in the outbox
    return True
