"""Bearer tokens between two runs: a file per server and key, readable by its owner only."""

import hashlib
import json
import os
import re
import secrets
import stat
import sys
import time

# A token about to expire is as good as none.
MARGIN = 60


def load(server, fingerprint):
    """The token kept for this server and key, or None. A file that others could have written or read is ignored."""
    try:
        descriptor = os.open(_path(server, fingerprint), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, encoding="ascii") as file:
            facts = os.fstat(file.fileno())
            if hasattr(os, "getuid") and (facts.st_uid != os.getuid() or stat.S_IMODE(facts.st_mode) & 0o077):
                return None
            kept = json.loads(file.read(4096))
        if kept["server"] != server or kept["fingerprint"] != fingerprint or kept["expires_at"] < time.time() + MARGIN:
            return None
        return checked(kept["access_token"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(server, fingerprint, token, expires_in):
    """Where nothing can be written, nothing is kept: the next run signs in again."""
    path = _path(server, fingerprint)
    kept = {"server": server, "fingerprint": fingerprint, "access_token": token, "expires_at": time.time() + expires_in}
    draft = "%s.%s" % (path, secrets.token_hex(6))
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            json.dump(kept, file)
        os.replace(draft, path)
    except OSError:
        _remove(draft)


def drop(server, fingerprint):
    _remove(_path(server, fingerprint))


def checked(token):
    """The token, if it can stand in a header; a ValueError without it otherwise."""
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]{16,1024}", token):
        raise ValueError("not a bearer token")
    return token


def _path(server, fingerprint):
    name = hashlib.sha256((server + "\n" + fingerprint).encode("utf-8")).hexdigest()[:32]
    return os.path.join(_cache_directory(), "sub2api-image", name + ".json")


def _cache_directory():
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        return os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Caches")
    given = os.environ.get("XDG_CACHE_HOME", "")
    return given if os.path.isabs(given) else os.path.join(home, ".cache")


def _remove(path):
    try:
        os.unlink(path)
    except OSError:
        pass
