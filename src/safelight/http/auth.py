"""Accounts and sign-ins. The session's cookie is for renewal alone: it opens nothing else."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Cookie, Request, Response

from safelight.commands import identity
from safelight.commands.identity import FailedSignIns, SignedIn
from safelight.domain.events import iso
from safelight.http.edge import Caller, Credentials, TheirPorts, callers_of, problems
from safelight.http.models import CredentialsIn, LinkIn, LogInIn, MeOut, OptionsOut, SignedInOut
from safelight.ports import Ports
from safelight.realtime import revocation

router = APIRouter(prefix="/api/auth", tags=["identity"], responses=problems(422, 503))
COOKIE = "safelight_session"


@router.get("/options")
async def sign_in_options(ports: TheirPorts) -> OptionsOut:
    """How one may sign in here."""
    return OptionsOut(registration=ports.settings.registration)


@router.post("/register", status_code=201, responses=problems(403, 409))
async def register(request: Request, response: Response, ports: TheirPorts, body: CredentialsIn) -> SignedInOut:
    """Make an account, where the server takes them."""
    return _answer(request, response, ports, await identity.register(ports, body.email, body.password))


@router.post("/login", responses=problems(401, 429))
async def log_in(request: Request, response: Response, ports: TheirPorts, body: LogInIn) -> SignedInOut:
    """Sign in by e-mail address and password."""
    failed: FailedSignIns = request.app.state.failed_sign_ins
    return _answer(request, response, ports, await identity.log_in(ports, failed, body.email, body.password))


@router.post("/link", responses=problems(401))
async def use_link(request: Request, response: Response, ports: TheirPorts, body: LinkIn) -> SignedInOut:
    """Sign in by the one-time link that the server printed."""
    return _answer(request, response, ports, await identity.use_link(ports, body.code))


@router.post("/refresh", responses=problems(401))
async def refresh(
    request: Request,
    response: Response,
    ports: TheirPorts,
    credentials: Credentials,
    safelight_session: Annotated[str | None, Cookie(max_length=128)] = None,
) -> SignedInOut:
    """A fresh access token for the holder of a valid one, or of the session's cookie."""
    token = credentials.credentials if credentials else None
    renewed = await identity.refresh(ports, token=token, cookie=safelight_session)
    return _answer(request, response, ports, renewed)


@router.post("/logout", status_code=204, responses=problems(401))
async def log_out(request: Request, response: Response, ports: TheirPorts, caller: Caller) -> None:
    """End this sign-in: its tokens are worth nothing from now on, and its live connections end."""
    await identity.log_out(ports, caller)
    if caller.session_id:
        callers_of(request).forget(caller.session_id)
        await ports.broker.publish(revocation.TOPIC, caller.session_id.encode())
    response.delete_cookie(COOKIE, path="/api/auth")


@router.get("/me", responses=problems(401))
async def me(caller: Caller) -> MeOut:
    """Who the caller is."""
    return MeOut(user_id=caller.user_id, email=caller.email)


def _answer(request: Request, response: Response, ports: Ports, signed_in: SignedIn) -> SignedInOut:
    if signed_in.cookie:
        response.set_cookie(
            COOKIE,
            signed_in.cookie,
            max_age=ports.settings.session_days * 24 * 3600,
            path="/api/auth",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
    response.headers["cache-control"] = "no-store"
    return SignedInOut(
        token=signed_in.token,
        user_id=signed_in.user.id,
        email=signed_in.user.email,
        expires_at=iso(signed_in.expires_at),
    )
