"""Makes a Python like one on Windows, as far as that goes elsewhere.

Every Python that finds this folder on its PYTHONPATH imports it when it starts: see
tests/test_windows.py.
"""

import builtins
import io
import multiprocessing.context as processes
import os
import signal
import sys
import time
from contextlib import suppress

with suppress(ImportError):  # in another Python
    import loky  # noqa: F401 (those that are installed here are Linux's)
    import psutil  # noqa: F401

# ------------------------------------------------------------------------- what is not there

for name in ("fork", "forkpty", "setuid", "setgid", "mkfifo"):
    delattr(os, name)
for name in ("SIGALRM", "setitimer"):
    delattr(signal, name)
for name in ("resource", "pwd", "grp"):
    sys.modules[name] = None
for name in ("fork", "forkserver"):
    del processes._concrete_contexts[name]
processes._default_context._default_context = processes._concrete_contexts["spawn"]

# ------------------------------------------------ text, in the encoding of Western Europe

open_file = io.open


def open_as_windows(file, mode="r", buffering=-1, encoding=None, *more, **given):
    if "b" not in mode and encoding in (None, "locale"):
        encoding = "cp1252"
    return open_file(file, mode, buffering, encoding, *more, **given)


builtins.open = io.open = open_as_windows

# ------------------- a virus scanner, which holds every file for a moment, some for a second

held = {}  # path -> until when


def refuse_at_first(do):
    def act(*paths, **given):
        caller = sys._getframe(1)
        if caller.f_globals["__name__"].startswith("pathlib"):
            caller = caller.f_back
        if caller.f_globals["__name__"].startswith("fmnist_lib") and os.path.exists(paths[0]):
            path = os.fspath(paths[-1])
            if path not in held:
                held[path] = time.monotonic() + (1 if len(held) % 50 == 49 else 0.03)
            if time.monotonic() < held[path]:
                raise PermissionError(13, "Access is denied", path)
            held[path] = 0  # for the rest of this process: once is enough
        return do(*paths, **given)

    return act


for name in ("replace", "rename", "unlink"):
    setattr(os, name, refuse_at_first(getattr(os, name)))
