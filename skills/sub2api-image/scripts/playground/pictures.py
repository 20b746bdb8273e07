"""Pictures on disk: references that are sent, results that are kept."""

import base64
import os
import secrets

from .errors import PlaygroundError

LARGEST_REFERENCE = 20 * 1024 * 1024
# Base64 and the JSON around it must fit in the 64 MiB that the server reads.
LARGEST_TOGETHER = 47 * 1024 * 1024
MOST_REFERENCES = 16
EXTENSIONS = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}
FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


def read_references(paths):
    """The pictures as the API takes them. Only what begins like a picture leaves this machine."""
    references = [_read_reference(path) for path in paths]
    if sum(len(reference["data_url"]) for reference in references) > LARGEST_TOGETHER * 4 / 3:
        raise PlaygroundError("The references are too large together: at most 47 MiB")
    return references


def _read_reference(path):
    try:
        with open(os.path.expanduser(path), "rb") as file:
            content = file.read(LARGEST_REFERENCE + 1)
    except OSError as error:
        raise PlaygroundError("The reference %s cannot be read: %s" % (path, error.strerror or "no")) from None
    if len(content) > LARGEST_REFERENCE:
        raise PlaygroundError("The reference %s is larger than 20 MiB" % path)
    mime_type = _type_of(content)
    if mime_type is None:
        raise PlaygroundError("The reference %s is not a PNG, JPEG or WebP picture" % path)
    data_url = "data:%s;base64,%s" % (mime_type, base64.b64encode(content).decode("ascii"))
    name = os.path.basename(path).encode("utf-8", "replace").decode("utf-8")
    return {"name": name, "mime_type": mime_type, "data_url": data_url}


class Destination:
    """A folder, or one file when the path ends like a picture; several pictures are then numbered."""

    def __init__(self, path):
        self._path = os.path.abspath(os.path.expanduser(path))
        self._stem, extension = os.path.splitext(self._path)
        is_folder = path.endswith(("/", os.sep)) or os.path.isdir(self._path) or extension.lower() not in FORMATS
        #: `png`, `jpeg`, `webp` as the file's name asks for; None when it asks for none.
        self.format = None if is_folder else FORMATS[extension.lower()]
        self._extension = None if is_folder else extension
        self._folder = self._path if is_folder else os.path.dirname(self._path)

    def prepare(self):
        """Before anything is paid for: the folder is there and takes files."""
        try:
            os.makedirs(self._folder, exist_ok=True)
            probe = os.path.join(self._folder, ".%s.part" % secrets.token_hex(6))
            os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            os.unlink(probe)
        except OSError as error:
            raise PlaygroundError("Nothing can be written to %s: %s" % (self._folder, error.strerror)) from None

    def save(self, chunks, task_id, index, count):
        """Writes a picture, whole or not at all; the path of the file."""
        draft = os.path.join(self._folder, ".%s.part" % secrets.token_hex(6))
        head = b""
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
                for chunk in chunks:
                    head = head or chunk[:16]
                    file.write(chunk)
            mime_type = _type_of(head)
            if mime_type is None:
                raise PlaygroundError("The server sent something that is not a picture")
            path = self._path_for(mime_type, task_id, index, count)
            os.replace(draft, path)
            return path
        except OSError as error:
            raise PlaygroundError("Nothing can be written to %s: %s" % (self._folder, error.strerror)) from None
        finally:
            if os.path.exists(draft):
                os.unlink(draft)

    def _path_for(self, mime_type, task_id, index, count):
        """The extension tells the truth, even when the path asked for another."""
        extension = EXTENSIONS[mime_type]
        if self.format is None:
            return os.path.join(self._folder, "%s-%d%s" % (task_id, index + 1, extension))
        if FORMATS[extension] == self.format:
            extension = self._extension
        return self._stem + ("-%d" % (index + 1) if count > 1 else "") + extension


def _type_of(content):
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return None
