"""Terminals and pipes that are not UTF-8, as on Windows: nothing dies at a character."""

import os
import subprocess
import sys

import click
import pytest

from fmnist_lib import synthetic
from fmnist_lib.course import command

ENCODINGS = ("cp1252", "cp437", "ascii", "ascii:strict", "latin-1")


def python(code, encoding, *arguments, **variables):
    """A process of its own whose output goes into a pipe with an encoding."""
    variables = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"} | variables
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | variables, capture_output=True, timeout=120,
    )  # fmt: skip


def prints(text, to="stdout"):
    """A command that prints a text."""
    return (
        "import sys, click\nfrom fmnist_lib.course import command\n"
        "@click.command()\n"
        f"def say():\n    print({text!r}, file=sys.{to})\n    click.echo({text!r})\n"
        "sys.exit(command.run(say, 'say'))"
    )


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("to", ["stdout", "stderr"])
def test_what_is_printed(encoding, to):
    done = python(prints("café: 28 × 28 → 10, √2 ≈ 1.41 │ █", to), encoding)
    assert done.returncode == 0, done.stderr
    both = done.stdout + done.stderr
    assert both.count(b"28") == 4 and b"Traceback" not in both
    # click takes ASCII for a mistake, and writes UTF-8 there.
    assert both.count(b"? 10") == (1 if encoding.startswith("ascii") else 2)


def test_a_console_that_is_utf_8_gets_every_character():
    assert "28 × 28 → 10" in python(prints("28 × 28 → 10"), "utf-8").stdout.decode()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_error_with_a_name_of_another_alphabet(encoding):
    code = (
        "import sys; from fmnist_lib.course import cli; sys.exit(cli.main(['predict', 'фото.jpg']))"
    )
    done = python(code, encoding)
    assert done.returncode == 1 and b"There is no file" in done.stdout + done.stderr
    assert b"????.jpg" in done.stdout + done.stderr and b"Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="names are bytes elsewhere")
def test_a_name_that_is_no_text():
    code = "import sys; from fmnist_lib.course import cli; sys.exit(cli.main(sys.argv[1:]))"
    done = python(code, "utf-8", "predict", b"caf\xe9.jpg")
    assert done.returncode == 1 and b"caf?.jpg" in done.stdout + done.stderr, done


def test_doctor_and_its_arrows():
    code = (
        "import sys; from fmnist_lib.course import cli, doctor\n"
        "doctor.CHECKS = {'disk': lambda: [('FAIL', 'disk', 'full', 'Make room.')]}\n"
        "sys.exit(cli.main(['doctor']))"
    )
    done = python(code, "cp1252")
    assert done.returncode == 1 and b"? Make room." in done.stdout and done.stderr == b""


def test_the_whole_doctor():
    code = "import sys; from fmnist_lib.course import cli; sys.exit(cli.main(['doctor']))"
    done = python(code, "cp1252", FMNIST_DATA="somewhere")  # a finding with a remedy
    assert done.returncode == 1 and b"To mend: data." in done.stdout and done.stderr == b""


def test_the_notice_of_the_stand_in_in_a_script():
    """A library does not touch a script's output, so what it prints is ASCII."""
    assert synthetic.NOTICE.isascii()
    code = (
        "from fmnist_lib import data, synthetic\n"
        "drawn = synthetic.generate(6000, 100)\n"
        "synthetic.generate = lambda: drawn\n"
        "data.load(source='synthetic')"
    )
    done = python(code, "cp1252")
    assert done.returncode == 0 and b"GENERATED IMAGES" in done.stdout, done.stderr


def test_a_notebook_that_prints_through_a_command(tmp_path):
    """As `fmnist run > log` does."""
    code = f"""
import sys, click, nbformat
from pathlib import Path
from fmnist_lib.course import command
from fmnist_lib.course.execute import execute

cell = nbformat.v4.new_code_cell("print('28 → 10 │ █')")
source, output = Path({str(tmp_path)!r}, "a.ipynb"), Path({str(tmp_path)!r}, "b.ipynb")
kernel = {{"name": "python3", "display_name": "Python 3", "language": "python"}}
nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={{"kernelspec": kernel}}), source)

@click.command()
def run():
    execute(source, output, {{}}, stdout_file=sys.stdout)

sys.exit(command.run(run, "run"))
"""
    done = python(code, "cp1252")
    assert done.returncode == 0 and b"28 ? 10 ? ?" in done.stdout, done.stderr
    assert "28 → 10 │ █" in (tmp_path / "b.ipynb").read_text(encoding="utf-8")


def test_a_stream_that_cannot_be_set(monkeypatch, capsys):
    """In a notebook; and pythonw has none at all."""

    class Plain:
        def write(self, text):
            return len(text)

        def flush(self):
            pass

    say = click.Command("say", callback=lambda: print("→"))
    monkeypatch.setattr(sys, "stdout", Plain())
    assert command.run(say, "say", []) == 0
    monkeypatch.setattr(sys, "stdout", None)
    assert command.run(say, "say", []) == 0


@pytest.mark.skipif(os.name == "nt", reason="a shell with head")
def test_a_reader_that_has_seen_enough():
    many = prints("→" * 20_000)
    pipe = '"$0" -c "$1" | head -c 1'
    done = subprocess.run(["sh", "-c", pipe, sys.executable, many], capture_output=True, timeout=60)
    assert len(done.stdout) == 1 and b"Traceback" not in done.stderr, done.stderr
