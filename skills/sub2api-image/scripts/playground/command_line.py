"""Flags, the one line of JSON that a script ends with, and its exit status."""

import argparse
import json
import os
import re
import sys
import urllib.parse
import uuid

from .client import Playground
from .errors import PlaygroundError
from .transport import Transport

DEFAULT_URL = "http://127.0.0.1:8081"
DEFAULT_USER_AGENT = "sub2api-image-skill/1.0"
DEFAULT_TIMEOUT = 900
OK, FAILED, BAD_FLAGS = 0, 1, 2


class Parser(argparse.ArgumentParser):
    """Complains in the same one line as everything else."""

    def error(self, message):
        _print(sys.stderr, {"ok": False, "error": message})
        sys.exit(BAD_FLAGS)


def parser(description):
    flags = Parser(description=description, allow_abbrev=False)
    standard_flags(flags)
    flags.add_argument("--wait", action="store_true", help="wait until the task is over")
    flags.add_argument(
        "--timeout",
        type=_seconds,
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help="how long to wait at most (%d); the task goes on afterwards" % DEFAULT_TIMEOUT,
    )
    return flags


def standard_flags(flags):
    """Where the playground is, and who asks."""
    flags.add_argument(
        "--playground-url",
        type=_url,
        default=os.environ.get("SUB2API_PLAYGROUND_URL") or DEFAULT_URL,
        metavar="URL",
        help="the playground (SUB2API_PLAYGROUND_URL, else %s)" % DEFAULT_URL,
    )
    flags.add_argument(
        "--ssh-key",
        default=os.environ.get("SUB2API_SSH_KEY") or None,
        metavar="PATH",
        help="the key that signs in (SUB2API_SSH_KEY, else ~/.ssh/id_ed25519, id_ecdsa, id_rsa, then ssh-agent)",
    )
    flags.add_argument(
        "--user-agent",
        type=_header,
        default=os.environ.get("SUB2API_USER_AGENT") or DEFAULT_USER_AGENT,
        help="how to introduce itself (SUB2API_USER_AGENT)",
    )
    flags.add_argument("--json", action="store_true", help="answer in JSON (always so)")
    flags.add_argument("--quiet", action="store_true", help="no progress on stderr while waiting")


def picture_id(text):
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise argparse.ArgumentTypeError("must be an id") from None


def run(main):
    """Runs `main`, which returns the fields of the answer, and ends the process."""
    try:
        answer = main(sys.argv[1:])
        _print(sys.stdout, {"ok": True, **answer})
        sys.exit(OK)
    except PlaygroundError as error:
        failure = {"error": str(error), **error.details}
    except KeyboardInterrupt:
        failure = {"error": "Interrupted"}
    except BrokenPipeError:
        # Nobody reads any more; and nothing may be printed when the interpreter flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except Exception as error:  # A traceback helps no agent, and could show what it should not.
        place = error.__traceback__
        while place.tb_next:
            place = place.tb_next
        where = "%s:%d" % (os.path.basename(place.tb_frame.f_code.co_filename), place.tb_lineno)
        failure = {"error": "A mistake in this script: %s at %s" % (type(error).__name__, where)}
    _print(sys.stderr, {"ok": False, **failure})
    sys.exit(FAILED)


def connect(args):
    return Playground(Transport(args.playground_url, args.user_agent), args.ssh_key)


def finish(playground, args, task_id, destination):
    """Waits if asked to and keeps the pictures of a completed task; the fields of the answer."""

    def tell(line):
        if not args.quiet:
            print(line, file=sys.stderr, flush=True)

    try:
        task = playground.wait_for(task_id, args.timeout if args.wait else 0, tell)
        status = task.get("status")
        if status == "failed":
            facts = {"reason": task.get("failure"), "charged": task.get("charged")}
            known = {name: value for name, value in facts.items() if isinstance(value, (str, bool))}
            raise PlaygroundError(str(task.get("error") or "The task failed"), **known)
        if status != "completed":
            message = "Not finished yet: ask again with download_image_task.py --wait"
            return {"task_id": task_id, "status": status, "message": message}
        pictures = (task.get("result") or {}).get("images") or []
        answer = {"task_id": task_id, "status": status, "message": "Made: %d" % len(pictures)}
        verdict = (task.get("receipt") or {}).get("verdict")
        if verdict not in (None, "as_asked", "not_settled"):
            answer["verdict"] = str(verdict)
        if task.get("error"):
            answer["error"] = str(task["error"])
        if destination is not None:
            answer["files"] = [
                playground.download(
                    task_id, index, lambda chunks, index=index: destination.save(chunks, task_id, index, len(pictures))
                )
                for index in (_index_of(picture, place) for place, picture in enumerate(pictures))
            ]
        return answer
    except PlaygroundError as error:
        error.details["task_id"] = task_id
        raise
    except KeyboardInterrupt:
        raise PlaygroundError("Interrupted; the task goes on", task_id=task_id) from None


def _index_of(picture, place):
    """The number of a picture among those that were made: one in the trash keeps its own."""
    index = picture.get("index") if isinstance(picture, dict) else None
    return index if isinstance(index, int) else place


def _print(stream, content):
    # Whatever was quoted by a server or a tool: what looks like a bearer token does not leave.
    line = re.sub(r"\bssh_[A-Za-z0-9_-]{16,}", "ssh_[hidden]", json.dumps(content))
    print(line, file=stream, flush=True)


def _url(text):
    try:
        parts = urllib.parse.urlsplit(text.strip())
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        valid = False
    if not valid or parts.username or parts.query or parts.fragment or re.search(r"[\s\x00-\x1f]", text.strip()):
        raise argparse.ArgumentTypeError("must be an http:// or https:// address")
    return text.strip().rstrip("/")


def _header(text):
    if not re.fullmatch(r"[\x20-\x7e]{1,256}", text):
        raise argparse.ArgumentTypeError("must be 1 to 256 printable ASCII characters")
    return text


def _seconds(text):
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise argparse.ArgumentTypeError("must be a whole number of seconds")
    return int(text)
