#!/usr/bin/env python3
"""Asks how a task stands and fetches its pictures once it is completed. See SKILL.md beside this folder."""

import argparse
import os
import sys
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from playground.command_line import connect, finish, parser, run  # noqa: E402
from playground.pictures import Destination  # noqa: E402


def main(argv):
    flags = parser(__doc__)
    flags.add_argument("--task-id", required=True, type=_task_id, help="as create_image_task.py gave it")
    flags.add_argument("--download-path", required=True, metavar="PATH", help="a folder or a file for the pictures")
    args = flags.parse_args(argv)
    destination = Destination(args.download_path)
    destination.prepare()
    return finish(connect(args), args, args.task_id, destination)


def _task_id(text):
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise argparse.ArgumentTypeError("must be the id of a task") from None


if __name__ == "__main__":
    run(main)
