"""What mends what is wrong, in words to be followed as they are. Indented lines are to be typed or pasted.

docs/doctor.md shows each of them, and a test compares.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, Final

import httpx

from safelight.ports.upkeep import Bucket, Rules

_CONTINUED: Final = " \\\n"

SETTINGS: Final = "Correct it in the environment or in .env; docs/settings.md lists every setting."

MIGRATE: Final = """\
Back the database up. The next start of this Safelight brings it up to date by itself:
    safelight serve"""

NEAR_DATABASE: Final = """\
Run the servers in the same region and network as the database. What the way alone takes:
    ping -c 10 DATABASE-HOST"""

CLOCK: Final = """\
Set the clocks of both machines by NTP:
    timedatectl set-ntp true
    chronyc tracking"""

BROKER: Final = """\
See that NATS runs, that addresses and password in SAFELIGHT_BROKER_URL are right, and that no firewall stands between:
    nats server ping
    SAFELIGHT_BROKER_URL=nats://USER:PASSWORD@HOST-A,HOST-B,HOST-C"""

NO_FAN_OUT: Final = """\
Check that the account may publish and subscribe to every subject, and that the nodes are connected to each other:
    nats server report connections
    nats server list"""

NEW_NATS: Final = "Install nats-server 2.12 or newer: https://github.com/nats-io/nats-server/releases"

JETSTREAM: Final = """\
Give each node of NATS a folder, in its nats-server.conf, and reload it:
    jetstream { store_dir: "/var/lib/nats" }"""

STRONG: Final = """\
Use a store that shows what was written at once, as AWS S3, R2, MinIO and SeaweedFS do; where a cache or a replica
answers for the store, let SAFELIGHT_STORAGE_URL name the store itself:
    SAFELIGHT_STORAGE_URL=s3://BUCKET?endpoint=https://STORE"""

GET: Final = (
    "Grant the access key s3:GetObject on the bucket, and let no proxy before the store change the query of a URL."
)

RANGES: Final = "Let the proxy or cache before the store pass the headers Range and Content-Range."

ETAG: Final = (
    "Let the proxy before the store pass the header ETag; nginx removes it where it changes the body (sub_filter)."
)

SIGNED_SIZE: Final = """\
The store does not check the Content-Length that is part of the signature. Where a proxy signs anew for it, let it pass
the query and the header Content-Length as they are. Else this store cannot hold clients to what they declared, and
Safelight finds out only when it finalizes."""

MULTIPART: Final = """\
The store does not keep to the multipart calls of S3. Grant the access key all of these on the bucket, and if that is
done choose another store:
    s3:PutObject s3:AbortMultipartUpload s3:ListMultipartUploadParts s3:ListBucketMultipartUploads"""

CHECKSUMS: Final = """\
Buckets with a default retention (Object Lock) demand a checksum with each PUT, which browsers do not send. Use a bucket
without one:
    aws s3api get-object-lock-configuration --bucket BUCKET"""

DATE: Final = "Let the proxy before the store pass the header Date; without it nobody sees whose clock is wrong."

NOT_READY: Final = """\
Look at the server's log, and examine from the machine where it runs, with its settings:
    safelight doctor"""

BODY_CAP: Final = """\
nginx, within http, server or location:
    client_max_body_size 32m;
    proxy_request_buffering off;
Caddy has no limit unless you set one:
    request_body {
        max_size 32MB
    }"""

BUFFERING: Final = """\
nginx, in the location of Safelight:
    proxy_http_version 1.1;
    proxy_buffering off;
    gzip off;
Caddy:
    reverse_proxy 127.0.0.1:8080 {
        flush_interval -1
    }"""

UPGRADE: Final = """\
nginx, within http:
    map $http_upgrade $connection_upgrade {
        default upgrade;
        ''      close;
    }
and in the location of Safelight:
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_read_timeout 75s;
Caddy passes WebSockets by itself; remove a header_up that changes Connection or Upgrade:
    reverse_proxy 127.0.0.1:8080"""

OTHER_SERVER: Final = """\
The doctor must know what the server knows. Run it on the server's machine, in its folder, with its environment: the
same SAFELIGHT_SECRET, SAFELIGHT_DATA_DIR and SAFELIGHT_STORAGE_URL; and see that both clocks are right."""

LIVE_PATHS: Final = """\
Let the proxy pass every method and every path under /ws, whatever it does with others; nginx:
    location /ws { proxy_pass http://127.0.0.1:8080; }
Caddy:
    reverse_proxy /ws* 127.0.0.1:8080"""

HTTP2: Final = "nginx: `http2 on;` in the server block."


def secret(characters: int) -> str:
    return (
        f"Make one of {characters} characters or more, the same for every process; who is signed in will have to sign"
        " in again:\n    echo SAFELIGHT_SECRET=$(openssl rand -base64 48) >> .env"
    )


def private(file: Path) -> str:
    return f"Make it yours alone:\n    chmod 600 {shlex.quote(str(file))}"


def public_url(address: str) -> str:
    return f"Write the address as it stands in the browser, without a path:\n    SAFELIGHT_PUBLIC_URL={address}"


def folder(path: Path) -> str:
    quoted = shlex.quote(str(path))
    return (
        "Make it, and give it to the account that runs Safelight; or choose another by SAFELIGHT_DATA_DIR:\n"
        f"    mkdir -p {quoted} && chown -R safelight {quoted}"
    )


def space(wanted_mb: int, possible_mb: int) -> str:
    return (
        f"Make room for {wanted_mb:,} MiB, or let SAFELIGHT_DATA_DIR lead to a larger disk, or accept smaller files:\n"
        f"    SAFELIGHT_MAX_FILE_MB={possible_mb}"
    )


def replicas(streams: list[str]) -> str:
    lines = "\n".join(f"    nats stream edit {name} --replicas 3" for name in streams)
    return f"Keep them on three nodes:\n{lines}"


def put_refused(answer: httpx.Response) -> str:
    """After what a PUT was answered with."""
    if answer.status_code == 413:
        return f"What stands before the store allows no body of this size.\n{BODY_CAP}"
    if "InvalidRequest" in answer.text or "Content-MD5" in answer.text:
        return CHECKSUMS
    return (
        "See that the access key may do s3:PutObject on the bucket, that both clocks are right, and that clients use"
        " the address that is signed:\n"
        "    SAFELIGHT_STORAGE_URL=s3://BUCKET?endpoint=https://…&public_endpoint=https://…"
    )


def cors(bucket: Bucket, rules: Rules, refusal: str = "") -> str:
    """The command that sets these rules by hand; `refusal` is why the doctor may not."""
    return (
        f"{_by_whom(refusal)}\n    aws s3api put-bucket-cors {_where(bucket)}"
        f"      --cors-configuration '{{\"CORSRules\": {_document(rules)}}}'"
    )


def cors_elsewhere(origins: list[str]) -> str:
    """For stores that know no call for it."""
    return (
        "The store offers no call for it: set CORS where the store itself is set up, for PUT and the header ETag.\n"
        f"    MinIO: MINIO_API_CORS_ALLOW_ORIGIN={','.join(origins)}\n"
        f"    SeaweedFS: weed s3 -allowedOrigins={','.join(origins)}"
    )


def lifecycle(bucket: Bucket, rules: Rules, refusal: str = "") -> str:
    """As `cors`."""
    return (
        f"{_by_whom(refusal)}\n    aws s3api put-bucket-lifecycle-configuration {_where(bucket)}"
        f"      --lifecycle-configuration '{{\"Rules\": {_document(rules)}}}'"
    )


def foreign_rule(days: int) -> str:
    return (
        f"The doctor leaves rules of others alone. Raise their days to {days} or more, or lower SAFELIGHT_UPLOAD_DAYS."
    )


def photos_expire(bucket: Bucket) -> str:
    return (
        "The doctor leaves rules of others alone. Remove it, or limit it to a prefix that is not Safelight's:\n"
        f"    aws s3api get-bucket-lifecycle-configuration {_where(bucket)}".removesuffix(_CONTINUED)
    )


def address(home: str) -> str:
    return (
        "See that its name leads to the proxy, that the certificate is valid, and that Safelight runs:\n"
        f"    curl -i {home}/health/live"
    )


def upstream(home: str) -> str:
    return (
        "See that Safelight runs, and lead the proxy to it.\nnginx:\n"
        f"    location / {{ proxy_pass {home}; }}\nCaddy:\n    reverse_proxy {home.partition('://')[2]}"
    )


def forwarded(url: str) -> str:
    return (
        f"Tell the server its address:\n    SAFELIGHT_PUBLIC_URL={url}\nand let nginx pass on what was asked for:\n"
        "    proxy_set_header Host $http_host;\n    proxy_set_header X-Forwarded-Proto $scheme;\n"
        "Caddy does so by itself; remove a header_up that changes Host."
    )


def cross_origin(origin: str) -> str:
    return (
        "Safelight answers CORS itself: remove from the proxy what answers OPTIONS or hides Access-Control headers, as"
        " nginx's `proxy_hide_header` or `add_header Access-Control-Allow-Origin` do, and start the server with\n"
        f"    SAFELIGHT_ALLOWED_ORIGINS={origin}"
    )


def ahead(seconds: float) -> str:
    """`3 seconds ahead of`, for the middle of a sentence."""
    return f"{abs(seconds):,.0f} seconds {'ahead of' if seconds > 0 else 'behind'}"


def change(what: str, before: Rules, after: Rules) -> str:
    """What `--fix` did."""
    return f"The {what} were:\n    {_document(before)}\nand are now:\n    {_document(after)}"


def _by_whom(refusal: str) -> str:
    if not refusal:
        return "safelight doctor --fix does this, which keeps the other rules:"
    return f"{refusal} Or let somebody who may set it by hand, together with the rules that are there:"


def _where(bucket: Bucket) -> str:
    """The options that name a bucket, to be continued on the next line."""
    endpoint = f"      --endpoint-url {bucket.endpoint}{_CONTINUED}" if bucket.endpoint else ""
    return f"--bucket {bucket.name}{_CONTINUED}{endpoint}"


def _document(rules: Rules) -> str:
    """Rules as JSON, a line for each of their fields, indented as what is to be typed."""
    if not rules:
        return "[]"
    fields = (
        ",\n".join(f"        {json.dumps(key)}: {_value(value)}" for key, value in rule.items()) for rule in rules
    )
    return "[" + ", ".join(f"{{\n{each}\n      }}" for each in fields) + "]"


def _value(value: Any) -> str:
    return json.dumps(value, default=str)
