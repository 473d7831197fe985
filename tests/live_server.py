"""A real ASGI server on 127.0.0.1 in a thread, which can be stopped and started again."""

from __future__ import annotations

import socket
import threading
from types import TracebackType

import uvicorn

from tests.waiting import wait_for


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LiveServer:
    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> LiveServer:
        self.start()
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        from qa_portal.asgi import application

        config = uvicorn.Config(
            application, "127.0.0.1", self.port, log_level="warning", lifespan="off",
            timeout_graceful_shutdown=1, ws="websockets-sansio",
        )  # fmt: skip
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, name="live-server", daemon=True)
        self.thread.start()
        wait_for(lambda: self.server.started, what="the server")

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(15)
        assert not self.thread.is_alive(), "the server did not stop"
