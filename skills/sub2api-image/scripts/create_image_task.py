#!/usr/bin/env python3
"""Asks a Sub2API Image Playground for pictures. See SKILL.md beside this folder."""

import argparse
import os
import re
import sys
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from playground.command_line import connect, finish, parser, run  # noqa: E402
from playground.errors import PlaygroundError  # noqa: E402
from playground.pictures import MOST_REFERENCES, Destination, read_references  # noqa: E402


def main(argv):
    args = read_flags(argv)
    destination = Destination(args.output) if args.output else None
    payload = {
        "prompt": args.prompt,
        "model": args.model,
        "size": args.size,
        "quality": args.quality,
        "n": args.n,
        "mode": "edit" if args.reference else "generate",
        "source": "skill",
    }
    output_format = args.format or (destination and destination.format)
    if output_format:
        payload["output_format"] = output_format
    if args.reference:
        pictures = read_references(args.reference + ([args.mask] if args.mask else []))
        payload["images"] = pictures[: len(args.reference)]
        if args.mask:
            payload["mask"] = pictures[-1]
    if destination:
        destination.prepare()
        args.wait = True

    playground = connect(args)
    created = playground.create_task(payload, args.idempotency_key)
    task_id = created.get("task_id")
    if not isinstance(task_id, str):
        raise PlaygroundError("The server accepted the task but did not name it")
    # What the key that pays has not done lately of what is asked for; older servers do not tell.
    warned = {"warnings": created["warnings"]} if created.get("warnings") else {}
    if args.wait:
        return {**finish(playground, args, task_id, destination), **warned}
    return {"task_id": task_id, "status": created.get("status"), "message": created.get("message"), **warned}


def read_flags(argv):
    flags = parser(__doc__)
    flags.add_argument("--prompt", required=True, type=_prompt, help="what to paint, or how to change the references")
    flags.add_argument(
        "--reference",
        action="extend",
        nargs="+",
        default=[],
        metavar="PATH",
        help="a PNG, JPEG or WebP picture to start from, at most 20 MiB; up to 16",
    )
    flags.add_argument(
        "--mask", metavar="PATH", help="a PNG whose transparent parts may change, of the size of the first reference"
    )
    flags.add_argument("--quality", default="high", help="low, medium, high (default) or auto")
    flags.add_argument("--model", default="image2", help="the image model (image2, which is gpt-image-2)")
    flags.add_argument("--size", default="1024x1024", help="WIDTHxHEIGHT or auto (1024x1024)")
    flags.add_argument("--n", type=int, choices=range(1, 11), default=1, metavar="1-10", help="how many pictures (1)")
    flags.add_argument(
        "--format", choices=("png", "jpeg", "webp"), help="of the pictures; else as --output ends, else png"
    )
    flags.add_argument("--output", metavar="PATH", help="a folder or a file for the pictures; waits for them")
    flags.add_argument(
        "--idempotency-key",
        type=_idempotency_key,
        default=str(uuid.uuid4()),
        metavar="KEY",
        help="a command repeated with the same key makes, and pays, one task only (new each time)",
    )
    args = flags.parse_args(argv)
    if len(args.reference) > MOST_REFERENCES:
        flags.error("argument --reference: at most %d" % MOST_REFERENCES)
    if args.mask and not args.reference:
        flags.error("argument --mask: needs a --reference")
    return args


def _prompt(text):
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("must be UTF-8") from None
    if not text.strip() or len(text) > 32000:
        raise argparse.ArgumentTypeError("must have 1 to 32,000 characters")
    return text


def _idempotency_key(text):
    if not re.fullmatch(r"[\x21-\x7e]{1,128}", text):
        raise argparse.ArgumentTypeError("must be 1 to 128 printable ASCII characters")
    return text


if __name__ == "__main__":
    run(main)
