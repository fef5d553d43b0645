"""Requests between ASGI and the relay: away from the process that got one, and in at the one that holds the session."""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive, Scope, Send

from safelight.realtime.sockjs import answers
from safelight.realtime.sockjs.delivery import body, hung_up, respond, told_of_shutdown
from safelight.realtime.sockjs.relay import Answer, Head, HomeLost, Piece, Relay, Request


async def forward(relay: Relay, request: Request, scope: Scope, receive: Receive, send: Send) -> bool:
    """Have the holder of the session answer. False, and nothing was sent, where nobody holds it.

    The client's hanging up is passed on at once, and so is the end of this process.
    """
    begun = ended = False

    async def answer(part: Head | Piece) -> None:
        nonlocal begun, ended
        if isinstance(part, Head):
            begun = True
            await send({"type": "http.response.start", "status": part.status, "headers": list(part.headers)})
        else:
            ended = not part.more
            await send(body(part.data, more=part.more))

    forwarding = asyncio.create_task(relay.forward(request, answer))
    watch = asyncio.create_task(hung_up(receive))
    try:
        async with told_of_shutdown(scope, watch.cancel):
            await asyncio.wait({forwarding, watch}, return_when=asyncio.FIRST_COMPLETED)
        # The last piece is out, so the server has nothing more to receive: that is no hanging up.
        if ended and not forwarding.done():
            await asyncio.wait({forwarding})
    finally:
        # Whichever is left: what the client does not wait for, or the watch over one that was served.
        forwarding.cancel()
        watch.cancel()
        await asyncio.wait({forwarding, watch})
    try:
        return forwarding.result()
    except (HomeLost, asyncio.CancelledError):
        # The client, if it is still there, asks again and finds its session lost.
        if ended:
            return True
        if begun:
            await send(body(b"", more=False))
        else:
            await respond(send, answers.overloaded())
        return True


def channels(request: Request, answer: Answer) -> tuple[Receive, Send]:
    """ASGI's `receive` and `send` for a request that came by the relay. Hanging up comes as cancellation."""
    unread = True

    async def receive() -> Message:
        nonlocal unread
        if unread:
            unread = False
            return {"type": "http.request", "body": request.body, "more_body": False}
        await asyncio.Event().wait()
        raise AssertionError("an event that nobody sets")

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            await answer(Head(message["status"], tuple(message["headers"])))
        else:
            await answer(Piece(message.get("body", b""), message.get("more_body", False)))

    return receive, send


def scope_of(request: Request) -> Scope:
    """The ASGI scope of a request that came by the relay, as far as this package reads it."""
    return {
        "type": "http",
        "method": request.method,
        "path": request.path,
        "root_path": "",
        "query_string": request.query,
        "headers": list(request.headers),
    }
