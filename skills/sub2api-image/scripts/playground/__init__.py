"""What the scripts beside this package share: sign in with an SSH key, speak the playground's JSON, keep pictures.

Python 3.8 or newer, standard library only; signing is left to OpenSSH's `ssh-keygen` (8.1 or newer).
"""
