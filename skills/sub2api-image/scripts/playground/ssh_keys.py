"""Which SSH keys there are, and signatures by them. Private keys are read by OpenSSH only."""

import base64
import hashlib
import os
import subprocess
import tempfile

from .errors import PlaygroundError

TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
USUAL_FILES = ("id_ed25519", "id_ecdsa", "id_rsa")
# Long enough to touch a security key.
PATIENCE = 60


class SshKey:
    """`path` is None for a key that only the agent holds."""

    def __init__(self, public_line, path=None):
        words = public_line.split()
        if len(words) < 2 or words[0] not in TYPES:
            raise PlaygroundError("%s is not an SSH key that can sign in" % (path or "what the ssh-agent offers"))
        self.public_key = " ".join(words[:2])
        self.path = path
        try:
            digest = hashlib.sha256(base64.b64decode(words[1], validate=True)).digest()
        except ValueError:
            raise PlaygroundError("%s is not a readable SSH key" % (path or "what the ssh-agent offers")) from None
        self.fingerprint = "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")

    def sign(self, namespace, text):
        """The armored SSHSIG over `text`."""
        if self.path is not None:
            return self._sign_with(self.path, namespace, text)
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "key.pub")
            with open(path, "w", encoding="ascii") as file:
                file.write(self.public_key + "\n")
            return self._sign_with(path, namespace, text)

    def _sign_with(self, path, namespace, text):
        status, signature, trouble = _run("ssh-keygen", "-Y", "sign", "-f", path, "-n", namespace, given=text)
        if status != 0 or "BEGIN SSH SIGNATURE" not in signature:
            if "passphrase" in trouble:
                trouble = "it has a passphrase: load it with ssh-add first"
            raise PlaygroundError("The SSH key %s could not sign: %s" % (self.path or self.fingerprint, trouble))
        return signature


def find_keys(named):
    """The keys to try, in order: the one named and no other, else the usual files and then the agent's."""
    if named:
        path = os.path.abspath(os.path.expanduser(named))
        if not os.path.isfile(path):
            raise PlaygroundError("The SSH key %s does not exist" % path)
        return [_key_in(path)]
    keys = []
    for name in USUAL_FILES:
        path = os.path.join(os.path.expanduser("~"), ".ssh", name)
        if os.path.isfile(path):
            keys.extend(_if_usable(lambda: _key_in(path)))
    for line in _agent_lines():
        keys.extend(_if_usable(lambda: SshKey(line)))
    if not keys:
        raise PlaygroundError(
            "No SSH key was found: name one with --ssh-key or SUB2API_SSH_KEY,"
            " have one in ~/.ssh (%s), or load one into ssh-agent" % ", ".join(USUAL_FILES)
        )
    return list({key.fingerprint: key for key in reversed(keys)}.values())[::-1]


def _key_in(path):
    """A private key's file, or a `.pub` file whose private part is beside it or in the agent."""
    public_path = path if path.endswith(".pub") else path + ".pub"
    if path != public_path:
        # The key itself is asked first: a .pub file may have been left behind by another.
        status, line, trouble = _run("ssh-keygen", "-y", "-P", "", "-f", path)
        if status == 0:
            return SshKey(line, path)
        if not os.path.isfile(public_path):
            raise PlaygroundError("The SSH key %s cannot be read: %s" % (path, trouble))
    try:
        with open(public_path, encoding="utf-8") as file:
            return SshKey(file.readline(16384), path)
    except (OSError, UnicodeDecodeError):
        raise PlaygroundError("The SSH key %s cannot be read" % public_path) from None


def _agent_lines():
    if not os.environ.get("SSH_AUTH_SOCK"):
        return []
    try:
        status, lines, _ = _run("ssh-add", "-L")
    except PlaygroundError:
        return []
    return lines.splitlines() if status == 0 else []


def _if_usable(read):
    try:
        return [read()]
    except PlaygroundError:
        return []


def _run(program, *arguments, given=""):
    """Exit status, output, and the last line of complaint. Never asks anybody for a passphrase."""
    try:
        done = subprocess.run(
            [program, *arguments],
            input=given.encode("utf-8"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"},
            start_new_session=True,
            timeout=PATIENCE,
        )
    except FileNotFoundError:
        raise PlaygroundError("%s was not found: install OpenSSH 8.1 or newer" % program) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PlaygroundError("%s did not work: %s" % (program, type(error).__name__)) from None
    complaints = done.stderr.decode("utf-8", "replace").split("\n")
    last = [line.strip() for line in complaints if line.strip()][-1:]
    return done.returncode, done.stdout.decode("utf-8", "replace"), "".join(last) or "ssh-keygen does not say why"
