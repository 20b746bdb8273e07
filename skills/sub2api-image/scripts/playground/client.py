"""Sign in, make a task, wait for it, fetch its pictures."""

import time
import urllib.parse

from . import token_cache
from .errors import PlaygroundError, Refused, Unreachable
from .ssh_keys import find_keys
from .transport import retrying

NAMESPACE = "sub2api-playground"
OVER = ("completed", "failed")


class Playground:
    """`named_key` is the path of the SSH key to use; None: whichever of the usual ones is registered."""

    def __init__(self, transport, named_key):
        self._transport = transport
        self._named_key = named_key
        self._key = None
        self._token = None

    def create_task(self, payload, idempotency_key):
        """Asks for pictures. May be repeated: the server knows the idempotency key, and pays once."""
        unclear = False

        def ask(token):
            nonlocal unclear
            try:
                return self._transport.json("POST", "/tasks", token, payload, {"Idempotency-Key": idempotency_key})
            except Unreachable as error:
                unclear = unclear or error.arrived
                raise
            except Refused as refused:
                unclear = unclear or refused.status in (500, 502, 504)
                raise
            except KeyboardInterrupt:
                unclear = True
                raise PlaygroundError("Interrupted") from None

        try:
            return self._signed_in(ask)
        except PlaygroundError as error:
            if not unclear:
                raise
            hint = "%s. The task may have been made: to be sure without paying twice, repeat with --idempotency-key %s"
            raise PlaygroundError(hint % (str(error).rstrip("."), idempotency_key), **error.details) from None

    def find_task(self, task_id):
        return self._signed_in(lambda token: self._transport.json("GET", _path_of(task_id), token))

    def download(self, task_id, index, take):
        """Gives the chunks of picture `index` to `take`; from the start again when the connection breaks."""

        def fetch(token):
            path = "%s/download?index=%d" % (_path_of(task_id), index)
            with self._transport.open("GET", path, token, headers={"Accept": "image/*, application/json"}) as answer:
                return take(self._transport.chunks(answer))

        return self._signed_in(fetch)

    def library(self, query, place=""):
        """What the library answers at this place: pictures that match, its trash, names, or one picture."""
        path = "/library" + place + ("?" + urllib.parse.urlencode(query) if query else "")
        return self._signed_in(lambda token: self._transport.json("GET", path, token))

    def change_pictures(self, change):
        """May be repeated: what is so already stays so."""
        return self._signed_in(lambda token: self._transport.json("POST", "/library/changes", token, change))

    def undo_change(self, change_id):
        path = "/library/changes/%s/undo" % urllib.parse.quote(change_id, safe="")
        return self._signed_in(lambda token: self._transport.json("POST", path, token, {}))

    def download_picture(self, picture_id, wanted, take):
        """Gives the chunks of a picture of the library to `take`, of a copy where it is of another format than `wanted`."""

        def fetch(token):
            path = "/library/%s/download%s" % (picture_id, "?format=" + wanted if wanted else "")
            with self._transport.open("GET", path, token, headers={"Accept": "image/*, application/json"}) as answer:
                return take(self._transport.chunks(answer))

        return self._signed_in(fetch)

    def wait_for(self, task_id, seconds, tell):
        """The task when it is over, or as it stands after so many seconds. A server that restarts is waited for."""
        started = time.monotonic()
        deadline = started + seconds
        told = None
        pause = 1.0
        while True:
            try:
                task = self.find_task(task_id)
            except (Unreachable, Refused) as error:
                passing = error.passing if isinstance(error, Unreachable) else error.status in (429, 502, 503, 504)
                if not passing or time.monotonic() >= deadline:
                    raise
                task = {"status": "unreachable"}
            status = task.get("status")
            if status in OVER or time.monotonic() >= deadline:
                return task
            if status != told:
                tell("%s: %s after %d s" % (task_id, status, time.monotonic() - started))
                told = status
            time.sleep(max(0.0, min(pause, deadline - time.monotonic())))
            pause = min(pause * 1.3, 5.0)

    def _signed_in(self, call):
        """With a token from an earlier run when there is one; a token that the server no longer knows is dropped."""
        token = self._token or self._kept_token()
        if token is not None:
            try:
                return retrying(lambda: call(token))
            except Refused as refused:
                if refused.status != 401:
                    raise
                token_cache.drop(self._transport.url, self._key.fingerprint)
        self._token = self._sign_in()
        return retrying(lambda: call(self._token))

    def _kept_token(self):
        for key in find_keys(self._named_key):
            token = token_cache.load(self._transport.url, key.fingerprint)
            if token is not None:
                self._key, self._token = key, token
                return token
        return None

    def _sign_in(self):
        """A fresh token by the first key that the server knows."""
        keys = find_keys(self._named_key)
        troubles = []
        for key in keys:
            try:
                # As a whole: a challenge can be answered once only.
                session = retrying(lambda: self._prove(key))
            except Refused as refused:
                # Of a kind that the server does not take, or unknown to it: the next key may do.
                if refused.status == 400:
                    troubles.append(refused)
                elif refused.status != 404:
                    raise
                continue
            except Unreachable:
                raise
            except PlaygroundError as trouble:
                troubles.append(trouble)
                continue
            token, expires_in = session
            self._key = key
            token_cache.keep(self._transport.url, key.fingerprint, token, expires_in)
            return token
        if troubles:
            raise troubles[0]
        tried = ", ".join("%s (%s)" % (key.path or "in ssh-agent", key.fingerprint) for key in keys)
        where = self._transport.url + "/agents"
        raise PlaygroundError("No SSH key is registered with the playground: tried %s. Bind one on %s" % (tried, where))

    def _prove(self, key):
        challenge = self._transport.json("POST", "/challenge", body={"public_key": key.public_key})
        challenge_id = challenge.get("challenge_id")
        signature = key.sign(NAMESPACE, _text_to_sign(challenge, challenge_id, key))
        answer = {"public_key": key.public_key, "challenge_id": challenge_id, "signature": signature}
        session = self._transport.json("POST", "/login", body=answer)
        try:
            return token_cache.checked(session.get("access_token")), float(session.get("expires_in", 0))
        except (TypeError, ValueError):
            raise PlaygroundError("The server accepted the SSH key but gave no usable token") from None


def _text_to_sign(challenge, challenge_id, key):
    """What the server wants signed, if it is a sign-in of this key and nothing else: a key may open other doors too."""
    text = challenge.get("message")
    lines = text.split("\n") if isinstance(text, str) else []
    expected = ["sub2api-playground ssh login", "challenge=%s" % challenge_id, "fingerprint=" + key.fingerprint]
    if challenge.get("namespace") != NAMESPACE or lines[:3] != expected or len(lines) != 5 or lines[4] != "":
        raise PlaygroundError("The server asks for a signature that is not a sign-in; nothing was signed")
    return text


def _path_of(task_id):
    return "/tasks/" + urllib.parse.quote(task_id, safe="")
