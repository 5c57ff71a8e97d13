"""How every command ends: with which status, and what it says."""

import click
import pytest

from fmnist_lib.course import command
from fmnist_lib.errors import CourseError


def ends(result=None, error=None):
    """The status of a command that returns a result, or raises an error."""

    def say():
        if error:
            raise error
        return result

    return command.run(click.Command("say", callback=say), "fmnist say", [])


@pytest.mark.parametrize("result, status", [(None, 0), (0, 0), (1, 1), (3, 3)])
def test_what_a_command_returns_is_its_status(result, status, capsys):
    assert ends(result) == status
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "error, status, said",
    [
        (CourseError("Nothing there. Put it there."), 1, "fmnist say: Nothing there. Put it ther"),
        (click.UsageError("No such option."), 2, "Error: No such option.\n"),
        (click.ClickException("wrong"), 1, "Error: wrong\n"),
        (click.Abort(), 130, "\nfmnist say: stopped.\n"),
        (KeyboardInterrupt(), 130, "fmnist say: stopped.\n"),
    ],
)
def test_an_error_is_said_once_and_has_a_status(error, status, said, capsys):
    assert ends(error=error) == status
    printed = capsys.readouterr()
    assert said in printed.err and printed.out == "" and "Traceback" not in printed.err


def test_a_fault_of_the_program_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        ends(error=ZeroDivisionError())


@pytest.mark.parametrize("name, status", [("runs/a", 0), (" a", 0), ("", 2), ("  ", 2), ("\t", 2)])
def test_the_name_of_a_folder_is_not_empty(name, status, capsys):
    option = click.Option(["--out"], type=command.Folder())
    made = click.Command("make", params=[option], callback=lambda out: click.echo(f"in {out}"))
    assert command.run(made, "make", ["--out", name]) == status
    printed = capsys.readouterr()
    assert printed.out == ("" if status else f"in {name}\n")
    assert ("The name of a folder is empty. Give one, such" in printed.err) == bool(status)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied", "/somebody/else"),
                                   FileNotFoundError(2, "No such file", "/gone"),
                                   IsADirectoryError(21, "Is a directory", "/folder")])  # fmt: skip
def test_a_file_that_the_system_refuses(capsys, error):
    def fails():
        raise error

    assert command.run(click.Command("say", callback=fails), "say", []) == 1
    said = capsys.readouterr().err
    assert f"say: {error.filename}: {error.strerror}. See that" in said and said.count("\n") == 1


def test_an_error_of_no_file_is_not_hidden():
    def fails():
        raise OSError("a fault of the program")

    with pytest.raises(OSError, match="a fault"):
        command.run(click.Command("say", callback=fails), "say", [])
