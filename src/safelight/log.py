"""Logs: JSON lines where a machine reads, plain lines where a person does."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog

Form = Literal["auto", "console", "json"]


def configure(level: str, form: Form = "auto") -> None:
    """Send structlog's and the standard library's records to standard error in one form; `auto` is `console` on a
    terminal, else `json`. What was bound (connection, user, job) is a field of every record.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    person = form == "console" or (form == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if person else structlog.processors.JSONRenderer()
    )
    last = [renderer] if person else [structlog.processors.format_exc_info, renderer]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # uvicorn.error, in spite of its name, has a line for each WebSocket; ours have the connection's id and its user.
    for chatty in ("alembic", "asyncio", "botocore", "aiobotocore", "PIL", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
