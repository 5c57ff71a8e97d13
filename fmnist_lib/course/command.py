"""How every command of the course ends: with a status and, if need be, one paragraph."""

import click

from fmnist_lib.errors import CourseError


def run(command: click.Command, name: str, arguments: list[str] | None = None) -> int:
    """Run a command on arguments (default: those of the process); returns the exit status.

    name: what it is called in messages.

    0: done. 1: a CourseError, which is printed. 2: click's own, for arguments that are none. 130:
    stopped with Ctrl-C.
    """
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
