"""Attempts at a mark that no right answer earns: none succeeds unnoticed, or harms the next answer.

Unnoticed means that the answer counts as right and the column "to look at" is empty for it.
"""

import csv
import json
import socket
import textwrap
import zipfile

import nbformat
import pytest

from fmnist_lib.course.execute import notebooks, read_notebook
from fmnist_lib.course.grading import grade, judge, sandbox
from fmnist_lib.course.grading.exercises import exercises_of, lesson_of
from fmnist_lib.course.grading.suspicion import suspicions
from fmnist_lib.storage import paths

NOTEBOOK = next(path for path in notebooks() if path.stem == "02_build_cnn")
EXERCISES = {each.id.partition(".")[2]: each for each in exercises_of(NOTEBOOK)}
CHECKS = paths.PACKAGE / "lessons" / "checks" / "build_cnn.py"

pytestmark = pytest.mark.skipif(not judge.FORKS, reason="needs a process for each answer")

WRONG = {  # exercise → a wrong answer to it
    "edge_kernel": "answer = [[0] * 3] * 3",
    "smaller_kernel_parameters": "answer = 1",
    "relu": 'answer = "b"',
    "max_pool": """
        def wrong(values):  # right for the smallest map alone
            return values.amax().reshape(1, 1) if values.numel() == 4 else values[::2, ::2]

        max_pool = wrong
        """,
    "own_net": """
        class MyNet(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv1, self.conv2 = nn.Conv2d(1, 20, 5), nn.Conv2d(20, 50, 5)
                self.fc1, self.fc2 = nn.Linear(800, 500), nn.Linear(500, 10)

            def forward(self, x):
                return self.fc2(self.fc1(x.new_zeros(len(x), 800)))
        """,
}
HONEST = """
    def max_pool(values):
        height, width = values.shape
        return values.reshape(height // 2, 2, width // 2, 2).amax(dim=(1, 3))
    """
RIGHT = '{"kind": "right", "reason": "", "more": "", "unusual": []}'

# name → (exercise, code behind the wrong answer to it)
PATCHES = {
    "torch.allclose": ("max_pool", "torch.allclose = lambda *a, **k: True"),
    "by another name": ("max_pool", "import torch as t\nt.allclose = lambda *a, **k: True"),
    "np.isclose": ("smaller_kernel_parameters", "np.isclose = lambda *a, **k: True"),
    "a check": ("edge_kernel", "checks.edge_kernel = lambda a: None"),
    "the quiz": ("relu", "quiz.meant = lambda *a: 'a'\nquiz.check = None"),
    "a layer": (
        "own_net",
        "nn.Linear.forward = lambda self, x: self.bias + x.new_zeros(len(x), 1)",
    ),
    "the verdict": (
        "max_pool",
        """
        from fmnist_lib.lessons import verdict
        give = verdict.give
        verdict.give = lambda n, x, kind, *more: give(n, x, "right")
        """,
    ),
    "the verdict's class": (
        "max_pool",
        """
        from fmnist_lib.lessons.verdict import Verdict
        Verdict.kind = property(lambda self: "right", lambda self, value: None)
        """,
    ),
    "a module": (
        "max_pool",
        """
        import sys
        from types import SimpleNamespace as Fake
        core = sys.modules["fmnist_lib.lessons.checks.core"]
        give = core.verdict.give
        core.verdict = Fake(give=lambda *a: Fake(kind="right", reason="", more=""),
                            show=lambda said: said)
        """,
    ),
    "the code of a function": (
        "max_pool",
        """
        import fmnist_lib.lessons.checks.core as core
        core._agree.__code__ = (lambda *a: True).__code__
        """,
    ),
    "and undoes it in the check": (
        "max_pool",
        """
        import torch as t
        real, calls = t.allclose, []

        def fake(*a, **k):
            calls.append(a)
            if len(calls) == 4:
                t.allclose = real
            return True

        def max_pool(values):
            t.allclose = fake
            return wrong(values)
        """,
    ),
    "by a method that is no `self`'s": (
        "max_pool",
        """
        real, calls = torch.allclose, []

        def put(self, function):
            self.allclose = function

        def fake(*a, **k):
            calls.append(a)
            if len(calls) == 4:
                put(torch, real)
            return True

        def max_pool(values):
            put(torch, fake)
            return wrong(values)
        """,
    ),
    "the grader": (
        "max_pool",
        """
        import fmnist_lib
        judge = fmnist_lib.course.grading.judge
        judge._checked = lambda *a: {"kind": "right", "reason": "", "more": ""}
        judge._changes = lambda before: []
        """,
    ),
    "the grader, for a value": (
        "edge_kernel",
        """
        import fmnist_lib as f
        for judge in [f.course.grading.judge]:
            judge._checked = lambda *a: {"kind": "right", "reason": "", "more": ""}
            judge._changes = lambda before: []
        answer = lambda: 0
        """,
    ),
    "json": ("max_pool", f"import json\njson.dumps = lambda *a, **k: {RIGHT!r}"),
    "what a class inherits": (
        "max_pool",
        """
        for each in [torch.Tensor]:
            each.amax = lambda x, dim=(): x[:, 0, :, 0] if x.dim() == 4 else x.max()
        """,
    ),
    "what all know": (
        "max_pool",
        """
        import fmnist_lib.lessons.checks.core as core
        core.all = lambda each: True
        """,
    ),
    "all layers, by a hook": (
        "own_net",
        """
        from torch.nn.modules.module import register_module_forward_hook
        register_module_forward_hook(lambda layer, given, gives: gives * 0)
        """,
    ),
    "an operator": (
        "max_pool",
        """
        made = torch.library.Library("aten", "IMPL")
        corner = lambda x, dim=(), keepdim=False: x[:, 0, :, 0] if x.dim() == 4 else x.max()
        made.impl("amax", corner, "CPU")
        """,
    ),
    "in a thread": (
        "max_pool",
        """
        import threading, time

        def act():
            while True:
                torch.allclose = lambda *a, **k: True

        threading.Thread(target=act, daemon=True).start()
        time.sleep(0.1)
        """,
    ),
}
OBJECTS = {
    "equal to all": (
        "smaller_kernel_parameters",
        """
        class All(float):
            def __eq__(self, other):
                return True

            def __sub__(self, other):
                return 0.0

        answer = All()
        """,
    ),
    "any array": (
        "smaller_kernel_parameters",
        """
        class Any(np.ndarray):
            def __array_function__(self, *a):
                return True

        answer = np.zeros(1).view(Any)
        """,
    ),
    "a letter that is all": (
        "relu",
        """
        class All(str):
            def __eq__(self, other):
                return True

            def lower(self):
                return self

        answer = All("b")
        """,
    ),
    "a function instead of a value": ("edge_kernel", "def answer():\n    return 0"),
    "__torch_function__": (
        "max_pool",
        """
        class Lie(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, args=(), kwargs=None):
                if function is torch.allclose:
                    return True
                return super().__torch_function__(function, types, args, kwargs)

        def max_pool(values):
            return wrong(values).as_subclass(Lie)
        """,
    ),
    "the same without its name": (
        "max_pool",
        """
        def lie(cls, function, types, args=(), kwargs=None):
            if function is torch.allclose:
                return True
            return super(Lie, cls).__torch_function__(function, types, args, kwargs)

        Lie = type("Lie", (torch.Tensor,), {"_" + "_torch_function_" + "_": classmethod(lie)})

        def max_pool(values):
            return wrong(values).as_subclass(Lie)
        """,
    ),
    "the same by all other names": (
        "max_pool",
        """
        make, base, name = type, torch.Tensor, "torch_function"

        def lie(cls, function, types, args=(), kwargs=None):
            with torch._C.DisableTorchFunctionSubclass():
                if function is torch.allclose:
                    return True
                said = function(*args, **(kwargs or {}))
                return said.as_subclass(Lie) if isinstance(said, base) else said

        Lie = make("Lie", (base,), {f"_{''}_{name}_{''}_": classmethod(lie)})

        def max_pool(values):
            return wrong(values).as_subclass(Lie)
        """,
    ),
    "a mode for all functions": (
        "max_pool",
        """
        from torch.overrides import TorchFunctionMode

        class Mode(TorchFunctionMode):
            def __torch_function__(self, function, types, args=(), kwargs=None):
                return True if function is torch.allclose else function(*args, **(kwargs or {}))

        Mode().__enter__()
        """,
    ),
}
REACHING = {
    "frames": (
        "max_pool",
        """
        import sys

        def max_pool(values):
            frame = sys._getframe()
            while frame:
                for value in frame.f_locals.values():
                    if isinstance(value, dict) and "kind" in value:
                        value["kind"] = "right"
                frame = frame.f_back
            return values
        """,
    ),
    "frames of an error": (
        "max_pool",
        """
        def max_pool(values):
            try:
                1 / 0
            except ZeroDivisionError as error:
                back = error.__traceback__.tb_frame.f_back
            core = back.f_globals
            core["_agree"] = lambda *a: True
            return wrong(values)
        """,
    ),
    "frames of a generator": (
        "max_pool",
        """
        def max_pool(values):
            def look():
                back = walk.gi_frame.f_back.f_back
                back.f_globals["_agree"] = lambda *a: True
                yield

            walk = look()
            next(walk)
            return wrong(values)
        """,
    ),
    "gc": (
        "max_pool",
        """
        import gc
        for each in gc.get_objects():
            if isinstance(each, dict) and "_agree" in each:
                each["_agree"] = lambda *a: True
        """,
    ),
    "getattr": (
        "max_pool",
        'g = getattr\ng(g(checkpoints, "torch"), "__dict__")["allclose"] = lambda *a, **k: 1',
    ),
    "getattr in wide letters": (
        "max_pool",
        'ｇｅｔａｔｔｒ(torch, "_" + "_dict_" + "_")["allclose"] = lambda *a, **k: True',
    ),
    "eval": ("max_pool", 'eval("torch.__dict__.update(allclose=lambda *a, **k: True)")'),
    "code in an annotation": (
        "max_pool",
        """
        import functools

        @functools.singledispatch
        def look(x):
            pass

        @look.register
        def _(x: "vars(torch).update(allclose=lambda *a, **k: True) or int"):
            pass
        """,
    ),
    "pandas' eval": (
        "max_pool",
        """
        d = dict(allclose=lambda *a, **k: True)
        name = "torch._" + "_dict_" + "_"
        pd.DataFrame({"a": [1]}).eval(f"@{name}.update(@d)", engine="python")
        """,
    ),
    "a pickle": (
        "max_pool",
        r"""
        from torch.serialization import io
        import pandas as p
        text = b"cbuiltins\nexec\n(Vimport torch; torch.allclose = lambda *a, **k: True\ntR."
        p.read_pickle(io.BytesIO(text))
        """,
    ),
    "os of another module": (
        "max_pool",
        f"""
        import random
        for number in range(3, 60):
            try:
                random._os.write(number, {RIGHT.encode()!r} + b"\\n")
            except OSError:
                pass
        random._os._exit(0)
        """,
    ),
    "ctypes": (
        "max_pool",
        f"""
        import ctypes
        library = ctypes.CDLL(None)
        for number in range(3, 60):
            library.write(number, {RIGHT.encode()!r}, {len(RIGHT)})
        library._exit(0)
        """,
    ),
    "the channel by its path, and a crash": (
        "edge_kernel",
        f"""
        for number in range(3, 30):
            try:
                np.savetxt(f"/dev/fd/{{number}}", [{RIGHT!r}], fmt="%s")
            except OSError:
                pass
        np.lib.stride_tricks.as_strided(np.zeros(1), (10**9,), (4096,)).sum()
        """,
    ),
    "a process behind": (
        "edge_kernel",
        f"""
        import os, time
        if not os.fork():
            os.setsid()
            for _ in range(30):
                for number in range(3, 60):
                    try:
                        os.write(number, {RIGHT.encode()!r} + b"\\n")
                    except OSError:
                        pass
                time.sleep(0.05)
        """,
    ),
    "the memory of the parent": (
        "edge_kernel",
        """
        import os
        with open(f"/proc/{os.getppid()}/mem", "r+b") as file:
            answer = file.read(1)
        """,
    ),
    "the files of the parent": (
        "edge_kernel",
        f"""
        import os
        there = f"/proc/{{os.getppid()}}/fd"
        for number in os.listdir(there):
            with open(f"{{there}}/{{number}}", "w") as file:
                file.write({json.dumps({"id": "x", "kind": "right"})!r})
        """,
    ),
    "setprofile": ("max_pool", "import sys\nsys.setprofile(None)"),
}
READING = {
    "the key of the quiz": ("relu", 'answer = quiz.questions()["relu"].right'),
    "a check that is in the notebook": (
        "max_pool",
        "max_pool = next(f for n, f in vars(checks).items() if n == '_pooled')",
    ),
    "the source of a check": (
        "smaller_kernel_parameters",
        f"""
        text = np.fromfile({str(CHECKS)!r}, dtype="u1").tobytes().decode()
        answer = int(text.split("def smaller_kernel_parameters")[1].split("answer,")[1]
                     .split(",\\n")[0].replace("_", ""))
        """,
    ),
    "the same as a table": (
        "smaller_kernel_parameters",
        f"""
        lines = pd.read_csv({str(CHECKS)!r}, sep="\\x01", header=None, engine="python",
                            quoting=3)[0].tolist()
        answer = int(lines[lines.index("def smaller_kernel_parameters(answer):") + 5]
                     .strip(" ,").replace("_", ""))
        """,
    ),
    "the same in C++": (
        "smaller_kernel_parameters",
        f"""
        text = bytes(torch.from_file({str(CHECKS)!r}, size={CHECKS.stat().st_size},
                                     dtype=torch.uint8).tolist()).decode()
        answer = int(text.split("def smaller_kernel_parameters")[1].split("answer,")[1]
                     .split(",\\n")[0].replace("_", ""))
        """,
    ),
    "the notebook with solutions": (
        "smaller_kernel_parameters",
        f"""
        if "BEGIN SOLUTION" in np.fromfile({str(NOTEBOOK)!r}, dtype="u1").tobytes().decode():
            answer = 640080
        """,
    ),
}
SAYING = {
    "prints a verdict": ("edge_kernel", 'print("✓ Right. (7 of 7 right in this notebook)")'),
    "prints a result": ("edge_kernel", f"print({RIGHT!r}, flush=True)"),
    "writes to standard output": (
        "edge_kernel",
        f"import sys\nsys.__stdout__.write({RIGHT!r})\nsys.__stderr__.write({RIGHT!r})",
    ),
    "shows a verdict": (
        "max_pool",
        "from IPython.display import display, HTML\ndisplay(HTML('<b>✓ Right.</b>'))",
    ),
    "raises a verdict": ("max_pool", 'raise AssertionError("✓ Right.")'),
    "writes marks": (
        "edge_kernel",
        'pd.Series([1]).to_csv("marks.csv")\npd.Series([1]).to_csv("../marks.csv")',
    ),
}
ATTEMPTS = {
    f"{name}: {what}": attempt
    for name, table in (
        ("patches", PATCHES),
        ("gives", OBJECTS),
        ("reaches", REACHING),
        ("reads", READING),
        ("says", SAYING),
    )
    for what, attempt in table.items()
}


def job(codes: dict[str, tuple[str, str]], seconds: float, memory: float) -> dict:
    """A job for `sandbox.judged`: after each attempt an honest answer."""
    exercises = []
    for name, (about, code) in codes.items():
        code = textwrap.dedent(WRONG[about]) + "\n" + textwrap.dedent(code)
        honest = textwrap.dedent(HONEST)
        for id, each, text in (
            (name, EXERCISES[about], code),
            (f"after {name}", EXERCISES["max_pool"], honest),
        ):
            exercises.append(
                {"id": id, "place": 1000, "is_quiz": each.call.is_quiz, "code": text,
                 "check": each.call.code, "answer": each.call.answer}
            )  # fmt: skip
    imports = [
        "\n".join(line for line in source.splitlines() if "import " in line)
        for _, source in lesson_of(NOTEBOOK).cells
        if "import numpy" in source
    ]
    return {"notebook": NOTEBOOK.stem, "cells": [(0, code, True) for code in imports],
            "exercises": exercises, "seconds": seconds, "memory": memory}  # fmt: skip


def judged(codes, seconds=20, memory=2) -> dict[str, dict]:
    """The results by id, each with all that is to be looked at, as `grade` puts it together."""
    asked = job(codes, seconds, memory)
    code = {each["id"]: each["code"] for each in asked["exercises"]}
    return {
        said["id"]: said | {"unusual": [*suspicions(code[said["id"]]), *said.get("unusual", [])]}
        for said in sandbox.judged(asked)
    }


def assert_honest(said: dict) -> None:
    assert said["kind"] == "right", said
    assert not said["unusual"]


HAS_BUBBLEWRAP = bool(sandbox.bubblewrap())


@pytest.fixture(params=["bubblewrap", "bare"])
def around(request):
    """What is around the answers: bubblewrap, or nothing, as where that is missing."""
    if request.param == "bubblewrap" and not HAS_BUBBLEWRAP:
        pytest.skip("bubblewrap is not there")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "bare":
            patch.setattr(sandbox, "bubblewrap", lambda: None)
        yield request.param


# What goes on within a process is the same without bubblewrap.
BARE = {name for name in ATTEMPTS if name.startswith(("reaches", "reads"))}


def chosen(attempts, bare, around):
    """All with bubblewrap or where there is none; else those to which it makes a difference."""
    return {
        name: attempt
        for name, attempt in attempts.items()
        if around == "bubblewrap" or not HAS_BUBBLEWRAP or name in bare
    }


# One test, and not one for each: a judge for all of them is begun but once.
def test_no_mark_is_forged_unnoticed_and_the_next_answer_has_its_own(around):
    attempts = chosen(ATTEMPTS, BARE, around)
    found = judged(attempts)
    unnoticed = [n for n in attempts if found[n]["kind"] == "right" and not found[n]["unusual"]]
    assert not unnoticed
    for name in attempts:
        assert_honest(found[f"after {name}"])
        if "channel" in name or "behind" in name:
            assert found[name]["reason"] == judge.FORGED
            assert judge.FORGED in found[name]["unusual"]


# -------------------------------------------------------------------------- what costs too much

GREEDY = {  # name → (code, what the reason has)
    "an endless loop": ("while True:\n    pass", "longer than 3 seconds"),
    "exit": ("exit()", "ends the program"),
    "sys.exit": ("import sys\nsys.exit(0)", "ends the program"),
    "os._exit": ("import os\nos._exit(0)", "ends the program"),
    "os.abort": ("import os\nos.abort()", "ends the program"),
    "a crash": ("import ctypes\nctypes.string_at(0)", "ends the program"),
    "recursion": ("def f():\n    return f()\nf()", "RecursionError"),
    "memory at once": ("torch.ones(10**12)", "memory"),
    "memory bit by bit": (
        "kept = []\nwhile True:\n    kept.append(bytearray(50_000_000))",
        "more memory",
    ),
    "memory of many processes": (
        """
        import os, time
        for _ in range(6):
            if not os.fork():
                kept = b"x" * 300_000_000
                time.sleep(100)
        time.sleep(100)
        """,
        "more memory",
    ),
    "a large file": (
        "with open('x', 'wb') as file:\n    while True:\n        file.write(bytes(10**6))",
        "File too large",
    ),
    "many files": (
        """
        import shutil
        number = 0
        while True:
            number += 1
            with open(f"x{number}", "wb") as file:
                file.write(bytes(10**6) if shutil.disk_usage(".").total < 10**9 else b"")
        """,
        "",  # no room is left, or it takes too long
    ),
    "200 MB of output": (
        "for _ in range(200):\n    print('x' * 10**6)\nanswer = [[-1] * 3, [0] * 3, [1] * 3]",
        "",
    ),
    "a large answer": ("answer = 'x' * (20 << 20)", "too large"),
    "a thread without end": (
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(1000,)).start()\n"
        "answer = [[-1] * 3, [0] * 3, [1] * 3]",
        "",
    ),
    "no signal ends it": (
        """
        import signal
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        while True:
            pass
        """,
        "longer than 3 seconds",
    ),
    "a few generations of processes": (
        "import os, time\nfor _ in range(5):\n    os.fork()\ntime.sleep(100)",
        "more",
    ),
    "processes without end": (
        """
        import os, time
        while True:
            try:
                os.fork()
            except OSError:
                pass
            time.sleep(0.05)  # this machine is to survive, whoever runs the tests
        """,
        "more",
    ),
    "killing its parent": ("import os\nos.kill(os.getppid(), 9)\nos.abort()", "that grades it"),
    "stopping its parent": (
        "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)",
        "that grades it",
    ),
}
BARE_TOO = {"an endless loop", "os._exit", "memory of many processes", "many files",
            "processes without end", "killing its parent", "stopping its parent"}  # fmt: skip
RIGHT_ALL_THE_SAME = {"200 MB of output", "a thread without end"}


def test_what_costs_too_much_costs_this_exercise_alone(around, monkeypatch):
    monkeypatch.setattr(sandbox, "PATIENCE", 2)
    names = chosen(GREEDY, BARE_TOO, around)
    greedy = judged({n: ("edge_kernel", GREEDY[n][0]) for n in names}, seconds=3, memory=0.5)
    for name in names:
        kind = "right" if name in RIGHT_ALL_THE_SAME else "stopped"
        assert greedy[name]["kind"] == kind, (name, greedy[name])
        assert GREEDY[name][1] in greedy[name]["reason"], (name, greedy[name])
        assert_honest(greedy[f"after {name}"])


# ------------------------------------------------------------------------- what is out of reach


def test_nothing_else_can_be_reached_read_or_written(around, tmp_path):
    if around != "bubblewrap":
        pytest.skip("only bubblewrap prevents it")
    other = tmp_path / "John Roe" / "02_build_cnn.ipynb"
    other.parent.mkdir()
    other.write_text("6400" + "80")
    out = tmp_path / "marks.csv"
    out.write_text("the marks")
    package = paths.PACKAGE / "lessons" / "checks" / "new.py"
    reached = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        connect = f"""
            import socket
            socket.create_connection(("127.0.0.1", {server.getsockname()[1]}), timeout=2)
            """
        codes = {
            "the network": connect,
            "somebody else's notebook": f"answer = int(np.loadtxt({str(other)!r}))",
            "the notebook with solutions": f"open({str(NOTEBOOK)!r})",
            "the marks": f"open({str(out)!r}, 'w').write('mine')",
            "the package": f"open({str(package)!r}, 'w').write('mine')",
            "the home folder": "import os\nopen(os.path.expanduser('~root/.bashrc'))",
            "above": "open('../x', 'w').write('mine')",
            "a link": f"import os\nos.symlink({str(out)!r}, 'x')\nopen('x', 'w').write('mine')",
        }
        found = judged({name: ("smaller_kernel_parameters", c) for name, c in codes.items()})
        try:
            reached.append(server.accept())
        except TimeoutError:
            pass
    for name in codes:
        assert found[name]["kind"] == "stopped", found[name]
        assert "Error" in found[name]["reason"]
        assert_honest(found[f"after {name}"])
    assert not reached
    assert out.read_text() == "the marks"
    assert not package.exists()


def test_nothing_of_an_answer_is_left_for_the_next_one(around):
    files = {"a file": "pd.Series([1]).to_csv('x.csv')", "is it there": "pd.read_csv('x.csv')"}
    found = judged({name: ("edge_kernel", code) for name, code in files.items()})
    assert found["a file"]["kind"] == "not yet"
    assert "FileNotFoundError" in found["is it there"]["reason"]


# --------------------------------------------------------------------------- whole submissions


def test_what_a_notebook_says_of_itself_earns_nothing(tmp_path, monkeypatch):
    """Outputs, metadata and cells of the lesson that were edited, links, and a crafted archive."""
    monkeypatch.setattr(grade, "prepare_data", lambda source: "synthetic")
    notebook = read_notebook(NOTEBOOK)
    (sharing,) = (c for c in notebook.cells if c.metadata.get("exercise") == "build_cnn.sharing")
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.outputs = [nbformat.v4.new_output("stream", text="✓ Right. (7 of 7 right)")]
        if "exercise" in cell.metadata:
            cell.source = "answer = ...\n" + cell.source.rpartition("\n")[2]
            cell.metadata |= {"result": "right", "points": 100, "grade": True, "locked": False}
        else:
            cell.source = "checks = quiz = None\n" + cell.source
    sharing.source = 'answer = "a"\nquiz.check("sharing", answer)'
    sharing.metadata["exercise"] = "build_cnn.relu"  # where "a" is right
    handed_in = tmp_path / "in"
    (handed_in / "Jane Doe").mkdir(parents=True)
    nbformat.write(notebook, handed_in / "Jane Doe" / NOTEBOOK.name)
    (handed_in / "John Roe").symlink_to(handed_in / "Jane Doe")
    (handed_in / "Max Moe").mkdir()
    (handed_in / "Max Moe" / NOTEBOOK.name).symlink_to(NOTEBOOK)
    (handed_in / "Eve Poe").mkdir()
    with zipfile.ZipFile(handed_in / "Eve Poe" / "all.zip", "w") as archive:
        for name in ("../../marks.csv", "../../out/marks.csv", f"../Jane Doe/{NOTEBOOK.name}"):
            archive.writestr(name, NOTEBOOK.read_bytes())
    grade.grade(handed_in, tmp_path / "out")
    with open(tmp_path / "out" / "marks.csv", encoding="utf-8", newline="") as file:
        marks = {row["student"]: row["total"] for row in csv.DictReader(file)}
    assert set(marks.values()) == {"0"}
    assert {*marks} >= {"Jane Doe", "Max Moe", "Eve Poe"}
    assert not (tmp_path / "marks.csv").exists()
