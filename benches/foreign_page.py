"""A page of another origin than the server's, with @stomp/stompjs and sockjs-client as npm has them."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

_MODULES: Final = Path(__file__).parents[1] / "web" / "node_modules"
_PAGE: Final = b"""<!doctype html>
<meta charset="utf-8">
<title>Another origin</title>
<body>
<script src="/stomp.js"></script>
<script src="/sockjs.js"></script>
<script>
window.delivered = [];

/** Watch a job by one transport; resolves to the transport that was taken, once the subscription has its place. */
window.watch = ([server, transport, token, jobId, after]) =>
  new Promise((placed) => {
    let last = after;
    let socket;
    const client = new StompJs.Client({
      connectHeaders: { Authorization: `Bearer ${token}` },
      reconnectDelay: 200,
      webSocketFactory: () => {
        const name = transport.replace('sockjs-', '');
        socket =
          transport === 'websocket'
            ? new WebSocket(`${server.replace('http', 'ws')}/ws`, ['v12.stomp'])
            : new SockJS(`${server}/ws`, null, { transports: [name] });
        return socket;
      },
      onConnect: () => {
        client.watchForReceipt('placed', () => placed(socket.transport ?? 'websocket'));
        client.subscribe(
          `/topic/job/${jobId}`,
          ({ body }) => {
            const event = JSON.parse(body);
            window.delivered.push(event);
            last = event.seq ?? last;
          },
          { after: String(last), receipt: 'placed' },
        );
      },
    });
    client.activate();
  });
</script>
"""
_FILES: Final = {
    "/stomp.js": _MODULES / "@stomp" / "stompjs" / "bundles" / "stomp.umd.min.js",
    "/sockjs.js": _MODULES / "sockjs-client" / "dist" / "sockjs.min.js",
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        file = _FILES.get(self.path)
        if file is None and self.path != "/":
            self.send_error(404)
            return
        body = _PAGE if file is None else file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if file is None else "text/javascript")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


class ForeignPage:
    """Serves the page on a free port, for as long as the context lasts. `watch` is its function."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
