"""GET /docs and /openapi.json: the API's reference, made from the same document, without scripts or foreign hosts."""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import Response

from api.openapi import openapi_of, rendered

router = APIRouter(include_in_schema=False)

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1.5rem;color:#1c2430;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.5rem;border-bottom:1px solid #d5dbe3}
details{border:1px solid #d5dbe3;border-radius:.4rem;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer}code,pre{font:14px/1.45 ui-monospace,monospace}
pre{background:#f3f5f8;padding:.8rem;border-radius:.4rem;overflow-x:auto}
b{display:inline-block;min-width:4.2rem}th,td{text-align:left;padding:.15rem 1rem .15rem 0;vertical-align:top}
@media(prefers-color-scheme:dark){body{color:#e4e9f0;background:#12161c}pre{background:#1c222b}details,h2{border-color:#38414d}}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'"


@router.get("/openapi.json")
async def document(request: Request) -> Response:
    return Response(_once(request.app, "openapi_text", rendered), media_type="application/json")


@router.get("/docs")
async def page(request: Request) -> Response:
    text = _once(request.app, "reference_text", lambda app: reference_page(openapi_of(app)))
    return Response(text, media_type="text/html", headers={"Content-Security-Policy": POLICY})


def _once(app: FastAPI, name: str, make: Any) -> str:
    """Made at the first request and kept: it does not change while the process lives."""
    if not hasattr(app.state, name):
        setattr(app.state, name, make(app))
    kept: str = getattr(app.state, name)
    return kept


def reference_page(document: dict[str, Any]) -> str:
    """One page for the whole document, a section for each tag."""
    sections: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = str((operation.get("tags") or ["Other"])[0]).capitalize()
            sections.setdefault(tag, []).append(_operation(path, method, operation))
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(parts)}" for tag, parts in sections.items())
    intro = "".join(f"<p>{escape(line)}</p>" for line in document["info"]["description"].splitlines() if line)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Payment gateway API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f'<body><h1>Payment gateway API</h1>{intro}<p><a href="/openapi.json">openapi.json</a></p>{body}</body></html>'
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    head = f"<b>{method.upper()}</b> <code>{escape(path)}</code> — {escape(operation.get('summary', ''))}"
    return (
        f"<details><summary>{head}</summary><p>{escape(operation.get('description', ''))}</p>"
        f"{_parameters(operation)}{_request(operation)}{_responses(operation)}</details>"
    )


def _parameters(operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td>"
        f"<td>{escape(one.get('description') or '')}</td></tr>"
        for one in operation.get("parameters", ())
    )
    return f"<table><tr><th>Parameter</th><th>In</th><th></th></tr>{rows}</table>" if rows else ""


def _request(operation: dict[str, Any]) -> str:
    media = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if "example" not in media:
        return ""
    return f"<p>Body</p><pre>{escape(json.dumps(media['example'], indent=2, ensure_ascii=False))}</pre>"


def _responses(operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(status)}</code></td><td>{escape(response['description'])}</td></tr>"
        for status, response in operation["responses"].items()
    )
    return f"<table><tr><th>Answer</th><th></th></tr>{rows}</table>"
