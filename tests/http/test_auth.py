"""Accounts, sign-ins, tokens: who gets in, and who does not any more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import jwt
from tests.running import Client, Server


def test_a_one_time_link_signs_in_once(start: Callable[..., Server]) -> None:
    server = start()
    code = server.link.split("#code=")[1]
    first = httpx.post(f"{server.url}/api/auth/link", json={"code": code})
    assert first.status_code == 200
    who = httpx.get(f"{server.url}/api/auth/me", headers={"authorization": f"Bearer {first.json()['token']}"})
    assert who.json()["email"] == "owner@localhost"
    second = httpx.post(f"{server.url}/api/auth/link", json={"code": code})
    assert (second.status_code, second.json()["code"]) == (401, "link-used")


def test_wrong_passwords_are_told_like_unknown_accounts_and_end_in_429(server: Server) -> None:
    with server.client("patient@example.org"):
        answers = []
        for email in ("patient@example.org", "nobody@example.org"):
            body = {"email": email, "password": "not the one"}
            answers.append(httpx.post(f"{server.url}/api/auth/login", json=body))
        assert answers[0].json() == answers[1].json()
        assert answers[0].status_code == 401
        body = {"email": "patient@example.org", "password": "not the one"}
        for _ in range(9):
            httpx.post(f"{server.url}/api/auth/login", json=body)
        locked = httpx.post(f"{server.url}/api/auth/login", json=body)
        assert (locked.status_code, locked.json()["code"]) == (429, "too-many-attempts")
        assert int(locked.headers["retry-after"]) > 0


def test_renewal_by_token_and_by_cookie_and_the_end_at_logout(server: Server, client: Client) -> None:
    renewed = client.post("/api/auth/refresh")
    assert renewed.status_code == 200
    assert renewed.json()["token"] != client.token
    by_cookie = httpx.post(
        f"{server.url}/api/auth/refresh", cookies={"safelight_session": client.cookies["safelight_session"]}
    )
    assert by_cookie.status_code == 200
    assert client.post("/api/auth/logout").status_code == 204
    for token in (client.token, renewed.json()["token"], by_cookie.json()["token"]):
        answer = httpx.get(f"{server.url}/api/auth/me", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401


def test_an_expired_token_is_told_from_a_forged_one(start: Callable[..., Server]) -> None:
    server = start(secret="a test's own secret, of sufficient length")
    with server.client() as client:
        claims = jwt.decode(client.token, options={"verify_signature": False})
        claims["exp"] -= 3600
        old = jwt.encode(claims, "a test's own secret, of sufficient length", algorithm="HS256")
        forged = jwt.encode(claims | {"exp": claims["exp"] + 9999}, "another secret of sufficient length")
        unsigned = jwt.encode(claims | {"exp": claims["exp"] + 9999}, None, algorithm="none")
        codes = [
            client.get("/api/auth/me", headers={"authorization": f"Bearer {token}"}).json()["code"]
            for token in (old, forged, unsigned)
        ]
        assert codes == ["token-expired", "unauthenticated", "unauthenticated"]


def test_registration_may_be_closed_and_an_address_is_taken_once(start: Callable[..., Server], server: Server) -> None:
    closed = start(registration="closed")
    body = {"email": "a@example.org", "password": "long enough"}
    answer = httpx.post(f"{closed.url}/api/auth/register", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "registration-closed")
    with server.client("twice@example.org"):
        body = {"email": "Twice@Example.org", "password": "long enough"}
        answer = httpx.post(f"{server.url}/api/auth/register", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "email-taken")


def test_api_tokens_are_made_in_the_terminal_and_can_be_revoked(start: Callable[..., Server]) -> None:
    server = start()

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "safelight.cli", *words]
        environment = {"SAFELIGHT_DATA_DIR": str(server.folder / "data"), "PATH": "/usr/bin:/bin"}
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    token = run("token", "add", "my script")
    headers = {"authorization": f"Bearer {token}"}
    assert httpx.get(f"{server.url}/api/auth/me", headers=headers).json()["email"] == "owner@localhost"
    token_id = run("token", "list").split("\t")[0]
    run("token", "revoke", token_id)
    assert httpx.get(f"{server.url}/api/auth/me", headers=headers).status_code == 401


def test_bound_elsewhere_it_refuses_to_start_without_an_account_or_a_word(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "safelight.cli", "serve", "--host", "0.0.0.0", "--port", "0"]  # noqa: S104

    environment = {"SAFELIGHT_DATA_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "safelight user add" in done.stderr
    assert "SAFELIGHT_REGISTRATION" in done.stderr
