"""Asks Tessera with Authlib. One question as JSON on standard input, the answer as JSON on standard output."""

import json
import sys

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2 import OAuth2Error, ResourceProtector
from authlib.oauth2.rfc7662 import IntrospectTokenValidator

question = json.load(sys.stdin)
url = question["url"]


def session(method="client_secret_basic"):
    return OAuth2Session(question["id"], question["secret"], token_endpoint_auth_method=method)


def introspect():
    answer = session().introspect_token(f"{url}/oauth2/introspect", token=question["token"])
    return {"status": answer.status_code, "body": answer.json()}


class Tessera(IntrospectTokenValidator):
    def introspect_token(self, token_string):
        auth = (question["id"], question["secret"])
        answer = requests.post(f"{url}/oauth2/introspect", data={"token": token_string}, auth=auth, timeout=20)
        answer.raise_for_status()
        return answer.json()


class Request:
    """As much of a request as the protector of resources looks at."""

    def __init__(self, headers):
        self.headers = headers


def protect():
    protector = ResourceProtector()
    protector.register_token_validator(Tessera())
    headers = {"Authorization": question["authorization"]} if question.get("authorization") else {}
    try:
        token = protector.validate_request(question["scopes"], Request(headers))
        return {"status": 200, "body": token}
    except OAuth2Error as error:
        return {"status": error.status_code, "error": error.error, "headers": dict(error.get_headers())}


def client_credentials():
    more = {"scope": question["scope"]} if question.get("scope") else {}
    try:
        token = session(question.get("method", "client_secret_basic")).fetch_token(
            f"{url}/oauth2/token", grant_type="client_credentials", **more
        )
        return {"token": token}
    except OAuthError as error:
        return {"error": error.error, "description": error.description}


def call():
    """Fetches a token by itself, and calls the JSON API with it."""
    at = {"token_endpoint": f"{url}/oauth2/token", "grant_type": "client_credentials"}
    mine = OAuth2Session(question["id"], question["secret"], **at)
    mine.fetch_token()
    answer = mine.get(f"{url}/api/v1/whoami")
    return {"status": answer.status_code, "body": answer.json()}


def revoke():
    answer = session().revoke_token(f"{url}/oauth2/revoke", token=question["token"])
    return {"status": answer.status_code}


questions = {it.__name__: it for it in (introspect, protect, client_credentials, call, revoke)}
json.dump(questions[question["do"]](), sys.stdout)
