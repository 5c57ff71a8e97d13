"""How every command of the course ends: with a status and, if need be, one paragraph."""

import sys

import click

from fmnist_lib.errors import CourseError


class Folder(click.ParamType):
    """The name of a folder, which is not empty: an empty one would be the work folder."""

    name = "folder"

    def convert(self, value, param, context):
        if not str(value).strip():
            self.fail("The name of a folder is empty. Give one, such as runs/mine.", param, context)
        return value


def run(command: click.Command, name: str, arguments: list[str] | None = None) -> int:
    """Run a command on arguments (default: those of the process); returns the exit status.

    name: what it is called in messages.

    0: done. 1: a CourseError, which is printed, or a file that the system refuses. 2: click's own,
    for arguments that are none. 130: stopped with Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not in a notebook, which shows every character
            # Not every terminal and pipe is UTF-8, on Windows least: "?" for what it hasn't.
            stream.reconfigure(errors="replace")
    try:
        return command.main(arguments, prog_name=name, standalone_mode=False) or 0
    except CourseError as error:
        click.echo(f"{name}: {error}", err=True)
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:  # what click makes of Ctrl-C
        click.echo(f"\n{name}: stopped.", err=True)
        return 130
    except OSError as error:
        if error.filename is None:
            raise
        click.echo(
            f"{name}: {error.filename}: {error.strerror}. See that it is there, and that you may "
            "read and write it; then run again.",
            err=True,
        )
        return 1
