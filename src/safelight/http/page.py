"""The built page: hashed files for ever, everything else the one document, which is never stale."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

from safelight.errors import NotFound

ROOT: Final = Path(__file__).parent.parent / "page"

# Photos and the live channel may live on other hosts (S3, a page served from elsewhere); scripts may not.
POLICY: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data: http: https:;"
    " connect-src 'self' http: https: ws: wss:; worker-src 'self' blob:; object-src 'none'; base-uri 'none';"
    " frame-ancestors 'none'; form-action 'self'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # Not `no-referrer`: a page that keeps its address to itself sends "Origin: null" with SockJS's form (jsonp).
    "referrer-policy": "same-origin",
}
NOT_BUILT: Final = (
    "<!doctype html><title>Safelight</title><h1>The page is not built</h1>"
    "<p>This checkout has no built page. Run <code>make run</code>, or install the wheel.</p>"
)

router = APIRouter(include_in_schema=False)


@router.get("/assets/{name:path}")
async def asset(name: str) -> Response:
    """A file whose name carries the hash of its content."""
    file = (ROOT / "assets" / name).resolve()
    if not file.is_relative_to(ROOT / "assets") or not file.is_file():
        raise NotFound
    return FileResponse(file, headers={**HEADERS, "cache-control": "public, max-age=31536000, immutable"})


@router.get("/{path:path}")
async def page(path: str) -> Response:
    """The page, for every address that it may show; a file at the root (icon, manifest) as itself."""
    if path.startswith(("api/", "commands/", "queries/", "health/", "storage/", "ws")):
        raise NotFound
    file = (ROOT / path).resolve()
    if path and file.is_relative_to(ROOT) and file.is_file():
        return FileResponse(file, headers={**HEADERS, "cache-control": "no-cache"})
    index = ROOT / "index.html"
    if not index.is_file():
        return HTMLResponse(NOT_BUILT, status_code=503)
    return FileResponse(index, headers={**HEADERS, "cache-control": "no-cache"})
