"""What an answer does besides answering, and what it changes: heard and seen while it runs."""

import builtins
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from types import ModuleType

import torch

from fmnist_lib.storage import paths

FILE = "<answer>"  # name of a student's code in tracebacks
Note = Callable[[str], None]  # tells the grader at once what is unusual
# Events of Python (sys.addaudithook) that no answer needs. Of these its own code is the cause,
ITS_OWN = ("object.__", "code.__new__", "function.__new__", "gc.", "sys._", "sys.set", "sys.add")
# and of these also what it calls.
BEHIND_IT = ("os.fork", "os.exec", "os.kill", "os.posix_spawn", "os.system", "os.symlink",
             "os.link", "subprocess.", "socket.", "ctypes.", "pickle.find_class",
             "mmap.")  # fmt: skip
MAKE_CODE = ("dataclasses.py", f"collections{os.sep}__init__.py", "judge.py")  # from texts
# What libraries read of the system they run on.
OF_SYSTEM = ("/usr/", "/etc/", "/sys/", "/proc/cpuinfo", "/proc/meminfo", "/dev/null",
             "/dev/urandom")  # fmt: skip
MOST_REMARKS = 6


def listen(note: Note) -> None:
    """Note from now on what the code of an answer makes Python do; nothing in Python ends this."""
    heard, busy, thread = set(), set(), threading.get_ident
    own = (os.path.realpath(os.getcwd()), os.path.realpath(tempfile.gettempdir()))
    known = (sys.prefix, sys.base_prefix, paths.PACKAGE, paths.data_root())
    known = (*own, *map(os.path.realpath, known), *OF_SYSTEM)
    checks = os.path.realpath(paths.PACKAGE / "lessons")

    def is_foreign(path, flags: int) -> bool:
        if not isinstance(path, (str, bytes)):
            return True  # a number: what is open already
        path = os.path.realpath(os.fsdecode(path))
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        return not path.startswith(own if writes else known) or path.startswith(checks)

    def remark(event: str, details: tuple, frame) -> str:
        caller = frame.f_code.co_filename
        if event == "exec":
            made = not os.path.isabs(details[0].co_filename) and not caller.endswith(MAKE_CODE)
            return "runs code from a text" if made and _cause(frame) != LOADING else ""
        if event.startswith(ITS_OWN):
            its_own = caller == FILE or caller == "<string>"
            return f"does {event} {_detail(details)}" if its_own else ""
        if _cause(frame) != FILE or event == "open" and not is_foreign(details[0], details[2]):
            return ""
        return f"does {event} {_detail(details)}"

    def hear(event: str, details: tuple) -> None:
        if not event.startswith(("exec", "open", *ITS_OWN, *BEHIND_IT)) or thread() in busy:
            return
        busy.add(thread())
        try:
            said = remark(event, details, sys._getframe(1)).strip()
            if said and said not in heard and len(heard) < MOST_REMARKS:
                heard.add(said)
                note(said)
        finally:
            busy.discard(thread())

    sys.addaudithook(hear)


LOADING = "<frozen importlib._bootstrap>"


def _cause(frame) -> str:
    """Whether a module that is being loaded or an answer's code is at work: LOADING, FILE or ""."""
    while frame is not None:
        if frame.f_code.co_filename in (LOADING, FILE):
            return frame.f_code.co_filename
        frame = frame.f_back
    return ""


def _detail(details: tuple) -> str:
    return next((each[:60] for each in details if isinstance(each, str)), "")


# What libraries change by themselves: PyTorch, when an optimizer first loads its compiler; copy.
LIVELY = {"__warningregistry__", "manual_seed", "_spmd_types_available", "__slotnames__"}
SHADOWING = {*dir(builtins)}  # in a module, they go before those that all know


def _watched() -> Iterator[ModuleType | type]:
    """What checks rely on: the package's modules, and the modules and classes that they name."""
    own = [module for name, module in [*sys.modules.items()] if name.startswith("fmnist_lib")]
    found = [*own, *(sys.modules[name] for name in ("builtins", "json", "os", "sys", "select"))]
    named = [value for module in (*own, torch.nn) for value in [*vars(module).values()]]
    found += [each for each in named if isinstance(each, (ModuleType, type))]
    yield from {id(each): each for each in found}.values()


class Watch:
    """All that checks rely on, as it is now; kept alive, so that nothing else gets its address."""

    def __init__(self):
        self.kept = [(each, vars(each), dict(vars(each))) for each in _watched()]
        self.inner = {
            id(value): (value, _inner(value)) for _, _, e in self.kept for value in e.values()
        }
        self.tensors = {*_kinds_of_tensors()}

    def changes(self, also_inner: bool = True) -> list[str]:
        """What is no longer as it was, such as `torch.allclose` after an assignment to it.

        also_inner: the code of functions, too, which takes longer.
        """
        found = []
        for place, now, before in self.kept:
            changed = [name for name, value in before.items() if now.get(name, ...) is not value]
            if len(now) > len(before):
                changed += [
                    name
                    for name in now.keys() - before.keys()
                    if isinstance(place, type) or name in SHADOWING
                ]
            where = getattr(place, "__qualname__", place.__name__)
            found += [f"changes {where}.{name}" for name in changed if name not in LIVELY]
        for value, inner in self.inner.values() if also_inner else ():
            if any(one is not two for one, two in zip(inner, _inner(value))):
                found.append(f"changes the code of {value.__name__}")
        new = {*_kinds_of_tensors()} - self.tensors
        return found + [f"makes a kind of tensors, {kind.__name__}" for kind in new]

    def at_border(self, note: Note) -> Callable:
        """For `sys.setprofile`: looks where an answer's code begins or ends within a check.

        What is as it was again when the check is over does so not stay unnoticed.
        """
        noted = set()

        def look(frame, event: str, _) -> None:
            if event not in ("call", "return") or frame.f_code.co_filename != FILE:
                return
            if frame.f_back is None or frame.f_back.f_code.co_filename != FILE:
                for change in {*self.changes(also_inner=False)} - noted:
                    noted.add(change)
                    if len(noted) <= MOST_REMARKS:
                        note(change)

        return look


def _inner(value) -> tuple:
    return getattr(value, "__code__", None), getattr(value, "__defaults__", None)


def _kinds_of_tensors() -> Iterator[type]:
    """Classes of tensors, but for those that stand in a module, as PyTorch's own do."""
    found = [torch.Tensor]
    for kind in found:
        found += type.__subclasses__(kind)
        if getattr(sys.modules.get(kind.__module__), kind.__name__, None) is not kind:
            yield kind
