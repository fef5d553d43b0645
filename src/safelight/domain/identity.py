"""Who uses Safelight: users, their sign-ins, and the tokens of their scripts. Times are Unix milliseconds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """`password_hash` is None for the owner of a laptop, who signs in by one-time link."""

    id: str
    email: str
    password_hash: str | None
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One sign-in. Access tokens name it; ending it ends them. The cookie's secret is kept as a SHA-256."""

    id: str
    user_id: str
    cookie_hash: str
    created_at: int
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInLink:
    """A link that signs in once; its code is kept as a SHA-256."""

    code_hash: str
    user_id: str
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A long-lived token for scripts; kept as a SHA-256."""

    id: str
    user_id: str
    name: str
    token_hash: str
    created_at: int
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking, and until when that is known."""

    user_id: str
    email: str
    expires_at: int | None
    session_id: str | None


def credential_of(identity: Identity, token: str) -> str:
    """What an identity rests on: the id of the sign-in, or the SHA-256 of an API token."""
    return identity.session_id or hashlib.sha256(token.encode()).hexdigest()
