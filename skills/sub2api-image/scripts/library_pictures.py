#!/usr/bin/env python3
"""Finds pictures of the library, files and tags them, and fetches them. See SKILL.md beside this folder."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from playground.command_line import connect, picture_id, run, standard_flags, Parser  # noqa: E402
from playground.pictures import Destination  # noqa: E402

CHANGES = ("favourite", "unfavourite", "move", "tag", "untag", "delete", "restore")
FILTERS = (
    ("--folder", "its id, or none: in no folder"),
    ("--kind", "pictures (all but uploads), made, composed, uploaded or all"),
    ("--model", None),
    ("--size", "as it is, e.g. 1024x1024"),
    ("--quality", None),
    ("--from", "the first day, e.g. 2026-11-01"),
    ("--until", "the last day"),
    ("--cost-from", "US dollars"),
    ("--cost-until", "US dollars"),
    ("--time-zone", "whose days are meant, e.g. Europe/Berlin; else UTC"),
    ("--sort", "newest, oldest, largest or costliest"),
    ("--limit", "how many, at most 100"),
    ("--cursor", "next_cursor of the page before"),
)


def main(argv):
    args = _flags().parse_args(argv)
    return args.do(connect(args), args)


def _flags():
    flags = Parser(description=__doc__, allow_abbrev=False)
    acts = flags.add_subparsers(dest="act", required=True, parser_class=Parser, metavar="ACT")

    find = _act(acts, "find", _find, "pictures that match")
    find.add_argument("--query", metavar="WORDS", help="each in the prompt, the revised prompt, a tag or the folder")
    find.add_argument("--tag", action="append", default=[], help="again for each: a picture has all of them")
    find.add_argument("--favourite", action="store_true")
    for name, words in FILTERS:
        find.add_argument(name, help=words)

    _act(acts, "trash", _trash, "what was deleted within 30 days").add_argument("--cursor")
    _act(acts, "names", _names, "folders and tags")
    _act(acts, "show", _show, "all that is known of a picture").add_argument("id", type=picture_id)

    download = _act(acts, "download", _download, "the file of a picture")
    download.add_argument("id", type=picture_id)
    download.add_argument("--download-path", required=True, metavar="PATH", help="a folder or a file for the picture")
    download.add_argument("--format", choices=("png", "jpeg", "webp"), help="a copy in another format than its own")

    for did in CHANGES:
        change = _act(acts, did, _change, "do so with these pictures, all or none")
        change.add_argument("id", nargs="+", type=picture_id)
        if did == "move":
            change.add_argument("--folder", required=True, help="its name; it is made if there is none. Empty: no folder")
        if did in ("tag", "untag"):
            change.add_argument("--tag", action="append", required=True)
    _act(acts, "undo", _undo, "put back what a change changed").add_argument("id", type=picture_id, metavar="CHANGE_ID")
    return flags


def _act(acts, name, do, words):
    act = acts.add_parser(name, help=words, allow_abbrev=False)
    standard_flags(act)
    act.set_defaults(do=do)
    return act


def _find(playground, args):
    filters = [(name[2:].replace("-", "_"), getattr(args, name[2:].replace("-", "_"))) for name, _ in FILTERS]
    filters += [("q", args.query), ("favourite", "on" if args.favourite else None)]
    filters += [("tag", tag) for tag in args.tag]
    return playground.library([(name, value) for name, value in filters if value is not None])


def _trash(playground, args):
    return playground.library([("cursor", args.cursor)] if args.cursor else [], "/trash")


def _names(playground, _):
    return playground.library([], "/names")


def _show(playground, args):
    return {"picture": playground.library([], "/" + args.id)}


def _download(playground, args):
    destination = Destination(args.download_path)
    destination.prepare()
    wanted = args.format or destination.format
    return {"file": playground.download_picture(args.id, wanted, lambda chunks: destination.save(chunks, args.id, 0, 1))}


def _change(playground, args):
    change = {"did": args.act, "ids": args.id}
    if args.act == "move":
        change["folder"] = args.folder
    if args.act in ("tag", "untag"):
        change["tags"] = args.tag
    return playground.change_pictures(change)


def _undo(playground, args):
    return playground.undo_change(args.id)


if __name__ == "__main__":
    run(main)
