"""The commands of the terminal; each says in one line what came of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from safelight import log
from safelight.app import openapi
from safelight.app.opening import open_ports
from safelight.cli import doctor, serving, sweeping
from safelight.commands import identity
from safelight.domain.identity import User
from safelight.errors import NotFound, SafelightError
from safelight.ports import Ports
from safelight.settings import Settings

T = TypeVar("T")

terminal = typer.Typer(
    name="safelight",
    help="Photo ingest that keeps its promise.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
users = typer.Typer(help="Accounts of this server.", no_args_is_help=True)
tokens = typer.Typer(help="Long-lived tokens for scripts.", no_args_is_help=True)
terminal.add_typer(users, name="user")
terminal.add_typer(tokens, name="token")

Host = Annotated[str | None, typer.Option(help="Address to listen on (SAFELIGHT_HOST).")]
Port = Annotated[int | None, typer.Option(help="Port to listen on (SAFELIGHT_PORT).")]
Email = Annotated[str, typer.Argument(help="The account's e-mail address.")]


@terminal.command()
def serve(
    host: Host = None,
    port: Port = None,
    worker: Annotated[
        bool, typer.Option(help="Process photos too, or leave them to `safelight worker` elsewhere.")
    ] = True,
) -> None:
    """Serve the page and the API, and process photos, all from this process."""
    serving.serve(_settings(**_given(host=host, port=port)), work=worker)


@terminal.command()
def worker(
    host: Host = None,
    port: Annotated[int, typer.Option(help="Port that answers for its health; 0 takes any free one.")] = 0,
    concurrency: Annotated[int | None, typer.Option(help="Decoding processes (SAFELIGHT_WORKERS).")] = None,
) -> None:
    """Process photos that servers elsewhere took in: with PostgreSQL, NATS and S3."""
    serving.work(_settings(**_given(host=host, port=port, workers=concurrency)))


@terminal.command()
def reconcile(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and change nothing.")] = False,
) -> None:
    """Find what was lost on the way and set it right, once: servers do this all the time."""
    log.configure("error")
    settings = _settings()
    try:
        whole = sweeping.reconcile(settings, act=not dry_run)
    except SafelightError as error:
        _fail(error.message)
    except (RuntimeError, ValueError) as error:
        _fail(str(error))
    if not whole:
        raise typer.Exit(1)


@terminal.command("doctor")
def examine(fix: doctor.Fix = False, url: doctor.Url = None, as_json: doctor.AsJson = False) -> None:
    """Try every part of the installation as it will be used, and print the exact fix for what is wrong."""
    try:
        settings, refusal = Settings(), ""
    except ValidationError as error:
        settings, refusal = Settings.model_construct(), _refusal(error)
    if not doctor.examine_all(settings, refusal=refusal, fix=fix, url=url, as_json=as_json):
        raise typer.Exit(1)


@terminal.command("openapi")
def openapi_document() -> None:
    """Print the OpenAPI document."""
    typer.echo(json.dumps(openapi(), indent=2, ensure_ascii=False))


@users.command("add")
def add_user(
    email: Email,
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, envvar="SAFELIGHT_PASSWORD")
    ],
) -> None:
    """Make an account."""
    if len(password) < 8:
        _fail("A password has at least 8 characters.")
    user = _with_ports(lambda ports: identity.add_user(ports, email, password))
    typer.echo(f"{user.email} may sign in now.")


@users.command("list")
def list_users() -> None:
    """List the accounts."""

    async def work(ports: Ports) -> list[User]:
        return await ports.db.read(lambda tx: tx.users())

    for user in _with_ports(work):
        typer.echo(f"{user.email}\t{user.id}")


@users.command("link")
def link(email: Annotated[str, typer.Argument()] = identity.LOCAL_OWNER) -> None:
    """Print a link that signs this account in once, within a day."""
    settings = _settings()

    async def work(ports: Ports) -> str:
        user = await identity.local_owner(ports) if email == identity.LOCAL_OWNER else await _user(ports, email)
        return await identity.make_link(ports, user)

    code = _with_ports(work)
    typer.echo(serving.sign_in_link(settings.public_url or serving.address(settings, settings.port), code))


@tokens.command("add")
def add_token(
    name: Annotated[str, typer.Argument(help="What the token is for.")],
    email: Annotated[str, typer.Option(help="Whose token it is.")] = identity.LOCAL_OWNER,
) -> None:
    """Make a token for scripts and print it, this once."""

    async def work(ports: Ports) -> str:
        user = await identity.local_owner(ports) if email == identity.LOCAL_OWNER else await _user(ports, email)
        return (await identity.make_api_token(ports, user, name))[1]

    typer.echo(_with_ports(work))


@tokens.command("list")
def list_tokens(email: Annotated[str, typer.Option()] = identity.LOCAL_OWNER) -> None:
    """List the tokens of an account."""

    async def work(ports: Ports) -> list[tuple[str, str]]:
        user = await _user(ports, email)
        return [(t.id, t.name) for t in await ports.db.read(lambda tx: tx.api_tokens(user.id))]

    for token_id, name in _with_ports(work):
        typer.echo(f"{token_id}\t{name}")


@tokens.command("revoke")
def revoke_token(
    token_id: Annotated[str, typer.Argument()], email: Annotated[str, typer.Option()] = identity.LOCAL_OWNER
) -> None:
    """Revoke a token: it opens nothing from now on."""

    async def work(ports: Ports) -> bool:
        user = await _user(ports, email)
        return await ports.db.write(lambda tx: tx.revoke_api_token(token_id, user.id))

    if not _with_ports(work):
        _fail(f"{email} has no token {token_id}. `safelight token list` shows them.")
    typer.echo(f"{token_id} is revoked.")


async def _user(ports: Ports, email: str) -> User:
    user = await ports.db.read(lambda tx: tx.user_of_email(email.strip().lower()))
    if user is None:
        raise NotFound(f"There is no account {email}. `safelight user list` shows them.")
    return user


def _with_ports(work: Callable[[Ports], Awaitable[T]]) -> T:
    async def run() -> T:
        ports = open_ports(settings)
        try:
            await ports.db.migrate()
            return await work(ports)
        finally:
            await ports.db.close()

    settings = _settings()
    log.configure("warning")
    try:
        return asyncio.run(run())
    except SafelightError as error:
        _fail(error.message)


def _given(**options: object) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}


def _settings(**given: object) -> Settings:
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        _fail(_refusal(error))


def _refusal(error: ValidationError) -> str:
    return "\n".join(_told(each) for each in error.errors())


def _told(problem: ErrorDetails) -> str:
    """What is wrong with one setting, or (then the message names them) with several together."""
    if not problem["loc"]:
        return problem["msg"].removeprefix("Value error, ")
    return f"SAFELIGHT_{str(problem['loc'][0]).upper()}: {problem['msg']} (it is {problem['input']!r})."


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
