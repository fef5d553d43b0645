"""SockJS 0.3.3 as an ASGI application: `SockJS(handler, prefix="/echo")`.

The protocol is in frames, transports, routes, answers, state and deadlines (and hixie, for WebSocket's drafts): no
input or output there, no loop, no clock. Around it: session (what handlers hold), delivery and websocket (what
carries it), exchange, registry and app. `server` is for uvicorn, relay for many processes.
"""

from safelight.realtime.sockjs.app import SockJS
from safelight.realtime.sockjs.options import AllowList, AnyOrigin, Options, OriginPolicy
from safelight.realtime.sockjs.relay import HomeLost, MemoryRelay, Relay
from safelight.realtime.sockjs.session import Handler, SessionEnded, SockJSSession

__all__ = [
    "AllowList",
    "AnyOrigin",
    "Handler",
    "HomeLost",
    "MemoryRelay",
    "Options",
    "OriginPolicy",
    "Relay",
    "SessionEnded",
    "SockJS",
    "SockJSSession",
]
