#!/usr/bin/env python3
"""A service that takes the tokens of machine accounts, and asks Tessera about each.

Needs: Python 3.9 and requests (pip install requests).

    export TESSERA_SERVICE_ID=svc_... TESSERA_SERVICE_SECRET=tsrr_...
    python3 service.py
    curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:9000/runs

GET /runs takes runs:read on the project payments, POST /runs takes runs:write.
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

TESSERA = os.environ.get("TESSERA_URL", "http://127.0.0.1:8080")
SERVICE = (os.environ["TESSERA_SERVICE_ID"], os.environ["TESSERA_SERVICE_SECRET"])
HOST, PORT = os.environ.get("LISTEN", "127.0.0.1:9000").rsplit(":", 1)
PROJECT = "payments"
SECONDS = 2


class Refused(Exception):
    """What the caller is told instead of an answer."""

    def __init__(self, status, challenge=None):
        super().__init__(status)
        self.status, self.challenge = status, challenge


def ask(path, **question):
    """Asks Tessera. Without a clear answer nobody gets in: 503, never a guess.

    Nothing is remembered between two requests. A token that is revoked, or an
    account that is disabled, is then refused with the very next one.
    """
    try:
        answer = requests.post(TESSERA + path, auth=SERVICE, timeout=SECONDS, allow_redirects=False, **question)
        answer.raise_for_status()  # 401: the secret of this service is wrong.
        found = answer.json()
    except requests.RequestException as error:
        print(f"{path}: {error}", flush=True)
        raise Refused(503) from error
    if answer.status_code != 200 or not isinstance(found, dict):
        raise Refused(503)
    return found


def caller(request):
    """Whose token a request carries."""
    sent = request.headers.get_all("Authorization") or []
    if not sent:
        raise Refused(401, 'Bearer realm="payments"')
    scheme, _, token = sent[0].partition(" ")
    bad = Refused(401, 'Bearer realm="payments", error="invalid_token"')
    if len(sent) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise bad
    about = {"token": token.strip(), "client_address": request.client_address[0]}
    about["on_behalf_of"] = request.headers.get("Tessera-On-Behalf-Of", "")
    found = ask("/oauth2/introspect", data=about)
    if found.get("active") is not True:
        raise bad
    return about["token"], found


def demand(request, token, permission):
    """Goes on only if the token may do this."""
    answer = ask(
        "/access/v1/evaluation",
        json={
            "subject": {"type": "token", "id": token},
            "action": {"name": permission},
            "resource": {"type": "project", "id": PROJECT},
            "context": {"client_address": request.client_address[0]},
        },
    )
    if answer.get("decision") is not True:
        raise Refused(403, f'Bearer realm="payments", error="insufficient_scope", scope="{permission}"')


class Payments(BaseHTTPRequestHandler):
    def do_GET(self):
        self.serve("runs:read")

    def do_POST(self):
        self.serve("runs:write")

    def serve(self, permission):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            token, found = caller(self)
            demand(self, token, permission)
            if self.path != "/runs":
                raise Refused(404)
            self.answer(200, {"subject": found["sub"], "for": found["tessera"]["attributed_to"]})
        except Refused as refused:
            self.answer(refused.status, {"status": refused.status}, refused.challenge)

    def answer(self, status, body, challenge=None):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.end_headers()
        self.wfile.write(text)


if __name__ == "__main__":
    server = ThreadingHTTPServer((HOST, int(PORT)), Payments)
    print(f"Payments listens on http://{HOST}:{server.server_address[1]}", flush=True)
    server.serve_forever()
