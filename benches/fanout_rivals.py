"""The servers that fan-out is measured beside, each as its own documentation has it broadcast.

Each reads events from its standard input, a line each, and sends every one to all its clients. None of them has a
subscription's place, a sequence or conflation; python-socketio has rooms, and clients are in one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benches.readers import Speech
from benches.rivals import bench_python, cache

WS = "ws@8.23.0"
_LINES = """
import asyncio, sys

async def lines(publish):
    reader = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        await publish(line.decode().strip())
"""
_SOCKETIO = """
import asyncio, json
import socketio, uvicorn
from lines import lines

sio = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")

@sio.event
async def connect(sid, environ, auth):
    await sio.enter_room(sid, "job_bench")

async def publish(line):
    await sio.emit("event", json.loads(line), room="job_bench")

async def started():
    asyncio.get_running_loop().feeding = asyncio.create_task(lines(publish))

app = socketio.ASGIApp(sio, on_startup=started)
"""
# https://fastapi.tiangolo.com/advanced/websockets/#handling-disconnections-and-multiple-clients
_FASTAPI = """
import asyncio
from contextlib import asynccontextmanager
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from lines import lines

class ConnectionManager:
    def __init__(self):
        self.active_connections: list[WebSocket] = []

    async def connect(self, websocket: WebSocket):
        await websocket.accept()
        self.active_connections.append(websocket)

    def disconnect(self, websocket: WebSocket):
        self.active_connections.remove(websocket)

    async def broadcast(self, message: str):
        for connection in self.active_connections:
            await connection.send_text(message)

manager = ConnectionManager()

@asynccontextmanager
async def lifespan(app):
    feeding = asyncio.create_task(lines(manager.broadcast))
    yield
    feeding.cancel()

app = FastAPI(lifespan=lifespan)

@app.websocket("/ws")
async def endpoint(websocket: WebSocket):
    await manager.connect(websocket)
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        manager.disconnect(websocket)
"""
# https://websockets.readthedocs.io/en/stable/topics/broadcast.html; under uvloop it is no faster.
_WEBSOCKETS = """
import asyncio, sys
from websockets.asyncio.server import broadcast, serve
from lines import lines

CONNECTIONS = set()

async def register(websocket):
    CONNECTIONS.add(websocket)
    try:
        await websocket.wait_closed()
    finally:
        CONNECTIONS.remove(websocket)

async def publish(line):
    broadcast(CONNECTIONS, line)

async def main():
    async with serve(register, "127.0.0.1", int(sys.argv[1]), backlog=1024):
        await lines(publish)

if __name__ == "__main__":
    asyncio.run(main())
"""
# https://github.com/websockets/ws#server-broadcast
_WS = """
const { WebSocketServer, WebSocket } = require("ws");
const wss = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 1024 });
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  wss.clients.forEach((client) => {
    if (client.readyState === WebSocket.OPEN) client.send(line);
  });
});
"""
_UVICORN = ["-m", "uvicorn", "--log-level", "warning", "--backlog", "1024", "--port"]


def commands(folder: Path, ports: dict[str, int]) -> dict[str, tuple[list[str], Speech]]:
    """How each rival in `ports` is started on its port, and how a client of it begins. `folder` takes their sources."""
    for name, source in (
        ("lines.py", _LINES),
        ("socketio_app.py", _SOCKETIO),
        ("fastapi_app.py", _FASTAPI),
        ("websockets_app.py", _WEBSOCKETS),
        ("ws_app.js", _WS),
    ):
        (folder / name).write_text(source)
    python = str(bench_python())
    socketio = Speech("/socket.io/?EIO=4&transport=websocket", (("", "0{"), ("40", '40{"sid"')))
    plain = Speech("/ws")
    port = {name: str(number) for name, number in ports.items()}
    return {
        "python_socketio": ([python, *_UVICORN, port["python_socketio"], "socketio_app:app"], socketio),
        "fastapi_tutorial": ([python, *_UVICORN, port["fastapi_tutorial"], "fastapi_app:app"], plain),
        "websockets_broadcast": ([python, "websockets_app.py", port["websockets_broadcast"]], plain),
        "node_ws": (["node", "ws_app.js", port["node_ws"]], plain),
    }


def environment() -> dict[str, str]:
    """Of a rival's process: none of our modules, and Node's packages from the bench's own folder."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**variables, "NODE_PATH": str(_node_modules())}


def _node_modules() -> Path:
    home = cache() / "node"
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "node_modules" / "ws").exists():
        command = ["npm", "install", "--prefix", str(home), "--no-audit", "--no-fund", WS]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return home / "node_modules"
