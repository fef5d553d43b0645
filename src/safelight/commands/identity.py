"""Accounts, sign-ins and tokens."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from safelight.domain.identity import ApiToken, Identity, Session, SignInLink, User
from safelight.errors import (
    EmailTaken,
    LinkUsed,
    RegistrationClosed,
    TokenExpired,
    TooManyAttempts,
    Unauthenticated,
    WrongCredentials,
)
from safelight.ids import new_id
from safelight.ports import Ports, ReadTransaction, WriteTransaction

DAY: Final = 24 * 3600 * 1000
LINK_LIFE: Final = DAY
API_TOKEN_PREFIX: Final = "slt_"  # noqa: S105 - how a token is recognised, not one
LOCAL_OWNER: Final = "owner@localhost"
ATTEMPTS: Final = 10
ATTEMPT_WINDOW: Final = 5 * 60 * 1000

_hasher = PasswordHasher()
# Verified against when there is no such account, so that the time an answer takes tells nothing.
_NOBODY: Final = _hasher.hash(secrets.token_urlsafe())


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A fresh access token, and the secret of the session's cookie where a new session began."""

    token: str
    expires_at: int
    user: User
    cookie: str | None


@dataclass(slots=True)
class FailedSignIns:
    """Failed sign-ins by e-mail address, of the last five minutes, in this process."""

    by_email: dict[str, deque[int]] = field(default_factory=dict)

    def check(self, email: str, now: int) -> None:
        """TooManyAttempts where this address has failed ten times in five minutes."""
        failures = self.by_email.get(email)
        while failures and failures[0] <= now - ATTEMPT_WINDOW:
            failures.popleft()
        if failures and len(failures) >= ATTEMPTS:
            raise TooManyAttempts(retry_after=max(1, (failures[0] + ATTEMPT_WINDOW - now) // 1000))

    def note(self, email: str, now: int) -> None:
        """One more failure; addresses without a recent one are forgotten."""
        self.by_email.setdefault(email, deque()).append(now)
        if len(self.by_email) > 10_000:
            self.by_email = {e: f for e, f in self.by_email.items() if f[-1] > now - ATTEMPT_WINDOW}


async def register(ports: Ports, email: str, password: str) -> SignedIn:
    """Make an account, where the server takes them, and sign it in."""
    if ports.settings.registration != "open":
        raise RegistrationClosed
    return await _sign_in(ports, await add_user(ports, email, password))


async def add_user(ports: Ports, email: str, password: str | None) -> User:
    """Make an account; EmailTaken where the address has one."""
    hashed = await asyncio.to_thread(_hasher.hash, password) if password is not None else None
    user = User(id=new_id("usr"), email=email.strip().lower(), password_hash=hashed, created_at=ports.clock())

    def work(tx: WriteTransaction) -> None:
        if tx.user_of_email(user.email):
            raise EmailTaken
        tx.add_user(user)

    await ports.db.write(work)
    return user


async def log_in(ports: Ports, failed: FailedSignIns, email: str, password: str) -> SignedIn:
    """Sign in by password. An unknown address and a wrong password are told alike, and take alike."""
    email = email.strip().lower()
    failed.check(email, ports.clock())
    user = await ports.db.read(lambda tx: tx.user_of_email(email))
    expected = user.password_hash if user and user.password_hash else _NOBODY
    matches = await asyncio.to_thread(_verify, expected, password)
    if user is None or not user.password_hash or not matches:
        failed.note(email, ports.clock())
        raise WrongCredentials
    return await _sign_in(ports, user)


async def make_link(ports: Ports, user: User) -> str:
    """A code that signs this user in once, within a day."""
    code = secrets.token_urlsafe(24)
    link = SignInLink(code_hash=_sha256(code), user_id=user.id, expires_at=ports.clock() + LINK_LIFE)
    await ports.db.write(lambda tx: tx.add_link(link))
    return code


async def local_owner(ports: Ports) -> User:
    """The one who uses Safelight on this machine without an account: made on the first call, of many at once too."""
    owner = User(id=new_id("usr"), email=LOCAL_OWNER, password_hash=None, created_at=ports.clock())

    def work(tx: WriteTransaction) -> User:
        if known := tx.user_of_email(LOCAL_OWNER):
            return known
        tx.add_user(owner)
        return owner

    return await ports.db.write(work)


async def use_link(ports: Ports, code: str) -> SignedIn:
    """Sign in by a one-time link; LinkUsed the second time."""

    def work(tx: WriteTransaction) -> User | None:
        user_id = tx.use_link(_sha256(code), ports.clock())
        return tx.user(user_id) if user_id else None

    user = await ports.db.write(work)
    if user is None:
        raise LinkUsed
    return await _sign_in(ports, user)


async def refresh(ports: Ports, *, token: str | None, cookie: str | None) -> SignedIn:
    """A fresh access token for whoever holds a valid one, or the session's cookie."""
    if cookie:
        session = await ports.db.read(lambda tx: tx.session_of_cookie(_sha256(cookie)))
        if session and session.expires_at > ports.clock():
            return await _renewed(ports, session)
    if not token:
        raise Unauthenticated
    identity = await authenticate(ports, token)
    session_id = identity.session_id
    session = await ports.db.read(lambda tx: tx.session(session_id)) if session_id else None
    if session is None:
        raise Unauthenticated("An API token does not expire by use; there is nothing to renew.")
    return await _renewed(ports, session)


async def log_out(ports: Ports, identity: Identity) -> None:
    """End the session: its tokens are worth nothing from now on."""
    session_id = identity.session_id
    if session_id:
        await ports.db.write(lambda tx: tx.end_session(session_id))


async def authenticate(ports: Ports, token: str) -> Identity:
    """Who holds this token. TokenExpired or Unauthenticated where that is nobody."""
    now = ports.clock()
    if token.startswith(API_TOKEN_PREFIX):
        return await ports.db.read(lambda tx: _of_api_token(tx, token, now))
    try:
        claims = jwt.decode(
            token,
            ports.settings.signing_key,
            algorithms=["HS256"],
            options={"require": ["sub", "sid", "exp"], "verify_exp": False},
        )
        subject, session_id, expires_at = str(claims["sub"]), str(claims["sid"]), int(claims["exp"]) * 1000
    except (jwt.InvalidTokenError, ValueError, TypeError) as error:
        raise Unauthenticated from error
    if expires_at <= now:
        raise TokenExpired

    def work(tx: ReadTransaction) -> Identity:
        session, user = tx.session(session_id), tx.user(subject)
        if session is None or user is None or session.user_id != user.id or session.expires_at <= now:
            raise Unauthenticated("This sign-in has ended. Sign in again.")
        return Identity(user.id, user.email, expires_at, session_id)

    return await ports.db.read(work)


async def make_api_token(ports: Ports, user: User, name: str) -> tuple[ApiToken, str]:
    """A token for scripts, and its secret, which is shown once and kept only as a hash."""
    secret = API_TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        id=new_id("tok"),
        user_id=user.id,
        name=name,
        token_hash=_sha256(secret),
        created_at=ports.clock(),
        expires_at=None,
    )
    await ports.db.write(lambda tx: tx.add_api_token(token))
    return token, secret


def _of_api_token(tx: ReadTransaction, token: str, now: int) -> Identity:
    known = tx.api_token(_sha256(token))
    user = tx.user(known.user_id) if known else None
    if known is None or user is None:
        raise Unauthenticated("This API token is not known, or was revoked.")
    if known.expires_at is not None and known.expires_at <= now:
        raise TokenExpired
    return Identity(user.id, user.email, known.expires_at, None)


async def _sign_in(ports: Ports, user: User) -> SignedIn:
    now = ports.clock()
    cookie = secrets.token_urlsafe(32)
    session = Session(
        id=new_id("ses"),
        user_id=user.id,
        cookie_hash=_sha256(cookie),
        created_at=now,
        expires_at=now + ports.settings.session_days * DAY,
    )
    await ports.db.write(lambda tx: tx.add_session(session))
    return _token(ports, user, session, cookie)


async def _renewed(ports: Ports, session: Session) -> SignedIn:
    user = await ports.db.read(lambda tx: tx.user(session.user_id))
    if user is None:
        raise Unauthenticated
    return _token(ports, user, session, None)


def _token(ports: Ports, user: User, session: Session, cookie: str | None) -> SignedIn:
    expires = min(ports.clock() + ports.settings.token_minutes * 60_000, session.expires_at) // 1000
    claims = {"sub": user.id, "sid": session.id, "exp": expires, "jti": secrets.token_hex(4)}
    token = jwt.encode(claims, ports.settings.signing_key, algorithm="HS256")
    return SignedIn(token, expires * 1000, user, cookie)


def _verify(expected: str, password: str) -> bool:
    try:
        return _hasher.verify(expected, password)
    except (VerificationError, InvalidHashError):
        return False


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
