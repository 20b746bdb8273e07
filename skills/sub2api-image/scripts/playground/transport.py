"""HTTP as the playground speaks it. No redirect is ever followed: the bearer token stays with the server it is for."""

import http.client
import ipaddress
import json
import random
import re
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

from .errors import PlaygroundError, Refused, Unreachable

API = "/api/playground/ssh"
# Seconds without any byte, not for a whole request.
SILENCE = 60
ATTEMPTS = 4
LONGEST_PAUSE = 30
LARGEST_ANSWER = 8 * 1024 * 1024


class Transport:
    def __init__(self, url, user_agent):
        self.url = url
        self._user_agent = user_agent
        handlers = [_NoRedirects()]
        if _is_loopback(urllib.parse.urlsplit(url).hostname or ""):
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    def open(self, method, path, token=None, body=None, headers=None):
        """Sends a request and returns the answer, to be read and closed. Raises Refused, Unreachable."""
        every = {"Accept": "application/json", "Accept-Language": "en", "User-Agent": self._user_agent}
        if body is not None:
            every["Content-Type"] = "application/json"
        if token is not None:
            every["Authorization"] = "Bearer " + token
        every.update(headers or {})
        request = urllib.request.Request(self.url + API + path, data=body, headers=every, method=method)
        with self._connection_errors():
            try:
                return self._opener.open(request, timeout=SILENCE)
            except urllib.error.HTTPError as answer:
                with answer:
                    raise self._refusal(answer) from None

    def json(self, method, path, token=None, body=None, headers=None):
        """The `data` of the answer's envelope, a dict."""
        encoded = None if body is None else json.dumps(body).encode("ascii")
        with self._connection_errors(), self.open(method, path, token, encoded, headers) as answer:
            raw = answer.read(LARGEST_ANSWER)
        content = _parsed(raw)
        data = content.get("data", content) if isinstance(content, dict) else None
        if not isinstance(data, dict):
            raise self._stranger()
        return data

    def chunks(self, answer):
        """The bytes of an answer, all of them or Unreachable."""
        read = 0
        with self._connection_errors():
            for chunk in iter(lambda: answer.read(65536), b""):
                read += len(chunk)
                yield chunk
        if read != int(answer.headers.get("Content-Length") or read):
            raise Unreachable("The connection to %s broke in the middle of a picture" % self.url)

    def _refusal(self, answer):
        """What the server says against it: `message`, else `error`, else the raw body."""
        if 300 <= answer.code < 400:
            place = urllib.parse.urlsplit(answer.headers.get("Location") or "")
            elsewhere = " to %s://%s" % (place.scheme, place.netloc) if place.netloc else ""
            return PlaygroundError("%s redirects%s, which is not followed" % (self.url, elsewhere))
        raw = answer.read(65536)
        content = _parsed(raw)
        if not isinstance(content, dict):
            if answer.code in (404, 405):
                return self._stranger()
            content = {"message": raw.decode("utf-8", "replace")}
        message = re.sub(r"\s+", " ", str(content.get("message") or content.get("error") or "")).strip()[:500]
        retry_after = answer.headers.get("Retry-After", "")
        reason = content.get("reason")
        return Refused(
            answer.code,
            message or "The server answered with status %d" % answer.code,
            int(retry_after) if re.fullmatch(r"[0-9]{1,9}", retry_after) else None,
            reason if isinstance(reason, str) else None,
        )

    def _stranger(self):
        return PlaygroundError("%s does not answer like a playground: is the address right?" % self.url)

    def _connection_errors(self):
        return _ConnectionErrors(self.url)


def retrying(call, attempts=ATTEMPTS):
    """Calls until it succeeds, pausing as long as the server asks. Only for what may be done twice."""
    for attempt in range(1, attempts + 1):
        try:
            return call()
        except (Refused, Unreachable) as error:
            pause = _pause_after(error, attempt)
            if pause is None or attempt == attempts:
                raise
        time.sleep(pause)


def _pause_after(error, attempt):
    """Seconds until the next try, None when another try is no use now."""
    backoff = 0.5 * 2 ** (attempt - 1) * random.uniform(0.8, 1.2)
    if isinstance(error, Unreachable):
        return backoff if error.passing else None
    if error.status not in (429, 502, 503, 504):
        return None
    pause = backoff if error.retry_after is None else error.retry_after
    return pause if pause <= LONGEST_PAUSE else None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class _ConnectionErrors:
    """Turns what the standard library raises for a broken connection into Unreachable."""

    def __init__(self, url):
        self._url = url

    def __enter__(self):
        return self

    def __exit__(self, _, error, __):
        if isinstance(error, PlaygroundError) or error is None:
            return
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise Unreachable("The certificate of %s is not trusted: %s" % (self._url, cause.verify_message), False)
        if isinstance(cause, ConnectionRefusedError):
            raise Unreachable("%s refuses connections: is the playground running there?" % self._url)
        if isinstance(cause, socket.gaierror):
            raise Unreachable("The host name in %s was not found" % self._url, False)
        if isinstance(cause, socket.timeout):
            raise Unreachable("%s did not answer in time" % self._url, arrived=True)
        if isinstance(cause, (OSError, http.client.HTTPException, urllib.error.URLError, str)):
            raise Unreachable("The connection to %s broke (%s)" % (self._url, type(cause).__name__), arrived=True)


def _parsed(raw):
    try:
        return json.loads(raw.decode("utf-8"))
    except ValueError:
        return None


def _is_loopback(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
