"""The `fmnist` command."""

import argparse
import sys

from fmnist_lib.errors import CourseError


def parser() -> argparse.ArgumentParser:
    """The commands and their options, each with its help."""
    top = argparse.ArgumentParser(prog="fmnist", description="The Fashion-MNIST course.")
    commands = top.add_subparsers(dest="command", required=True)

    run = commands.add_parser("run", help="execute the notebooks into runs/NAME/")
    run.add_argument("--name", help="name of the folder under runs/ (default: date and time)")
    run.add_argument(
        "-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), dest="parameters",
        help="a notebook parameter, such as -p epochs 2; can be given several times",
    )  # fmt: skip
    run.add_argument(
        "--resume", action="store_true", help="go on with the run of this --name that was stopped"
    )
    sweep = commands.add_parser(
        "sweep", help="run a notebook with every combination of values, then compare the runs"
    )
    sweep.add_argument("notebook", help="a notebook, or a YAML file that describes the sweep")
    sweep.add_argument(
        "-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUES"), dest="parameters",
        help="values of a parameter: -p learning_rate 0.01,0.1 or, 0 to 4, -p seed 0:5",
    )  # fmt: skip
    sweep.add_argument("--out", help="folder that gets one folder a run; complete ones are kept")
    sweep.add_argument("--workers", type=int, default=1, help="runs at a time (default 1)")
    sweep.add_argument("--threads", type=int, help="of each run (default: all, divided)")
    sweep.add_argument("--scheduler", help="of a Dask cluster, such as tcp://10.0.0.1:8786")
    sweep.add_argument("--timeout", type=float, default=10, help="seconds it may take to answer")

    commands.add_parser("doctor", help="what this machine has, and the remedy for what it lacks")

    predict = commands.add_parser("predict", help="what the network takes photos of garments for")
    predict.add_argument("files", nargs="+", metavar="photo.jpg")
    predict.add_argument("--checkpoint", help="such as runs/lesson/checkpoint.pt")
    predict.add_argument("--network", default="Net", help="of those that come with the course")

    csv = commands.add_parser("csv", help="write the data as two CSV files of 785 columns")
    csv.add_argument("folder", help="where fashion-mnist_train.csv and fashion-mnist_test.csv go")

    student = commands.add_parser(
        "student", help="write the notebooks as students get them, without solutions"
    )
    student.add_argument("--out", help="folder (default my_notebooks); what is there is kept")

    handouts = commands.add_parser(
        "handouts", help="make student and instructor versions, as .ipynb, HTML, PDF and slides"
    )
    handouts.add_argument(
        "--notebook", default="", help="part of a name, such as 03 (default: all)"
    )
    handouts.add_argument("--for", dest="audience", choices=("student", "instructor"))
    handouts.add_argument("--format", choices=("ipynb", "html", "pdf", "slides"))
    handouts.add_argument("--blank", action="store_true", help="students get no outputs at all")
    handouts.add_argument("--out", default="handouts", help="folder (default handouts)")

    notebooks = commands.add_parser(
        "notebooks", help="execute the notebooks in place (for those who edit the course)"
    )
    notebooks.add_argument("only", nargs="?", default="", help="part of a name, such as 03")
    publish = commands.add_parser(
        "publish", help="write links to Colab and Binder into the notebooks (for those who publish)"
    )
    publish.add_argument("repository", metavar="OWNER/NAME", help="on GitHub")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        return COMMANDS[options.command](options)
    except CourseError as error:
        print(f"fmnist {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nfmnist {options.command}: stopped.", file=sys.stderr)
        return 130


# Each command imports what it needs when it runs, so that `fmnist --help` answers at once and
# `fmnist doctor` can report a torch that does not import.


def _run(options) -> int:
    from fmnist_lib.course import run

    run.run_course(options.name, options.parameters, options.resume)
    return 0


def _sweep(options) -> int:
    from fmnist_lib.course import sweep

    chosen = {"notebook": options.notebook, "parameters": [], "out": None}
    if options.notebook.endswith((".yaml", ".yml")):
        chosen = sweep.read_file(options.notebook)
    out = options.out or chosen["out"]
    if not out:
        raise CourseError("No folder for the runs. Give one, such as --out runs/rates.")
    page = sweep.sweep(
        chosen["notebook"],
        chosen["parameters"] + options.parameters,
        out,
        workers=options.workers,
        threads=options.threads,
        scheduler=options.scheduler,
        timeout=options.timeout,
    )
    print(f"comparison   {page}")
    return 0


def _doctor(options) -> int:
    from fmnist_lib.course import doctor

    return 0 if doctor.report() else 1


def _predict(options) -> int:
    from fmnist_lib.course import predict

    failures = predict.predict(options.files, options.checkpoint, options.network)
    return 1 if failures else 0


def _csv(options) -> int:
    from pathlib import Path

    from fmnist_lib import data

    loaded = data.load(source="zalando", validation=0)
    for split, name in zip((loaded.train, loaded.test), data.CSV_FILES):
        print(f"{data.write_csv(split, Path(options.folder) / name)}: {len(split):,} images")
    return 0


def _student(options) -> int:
    from fmnist_lib.course import student

    student.write_student_notebooks(options.out)
    return 0


def _handouts(options) -> int:
    from fmnist_lib.course import handouts

    page = handouts.build(
        options.out,
        options.notebook,
        (options.audience,) if options.audience else handouts.AUDIENCES,
        (options.format,) if options.format else handouts.FORMATS,
        options.blank,
    )
    print(f"handouts   {page}")
    return 0


def _notebooks(options) -> int:
    from fmnist_lib.course import run

    run.refresh(options.only)
    return 0


def _publish(options) -> int:
    from fmnist_lib.course import publish

    for path in publish.publish(options.repository):
        print(f"changed   {path}")
    print("Now run `fmnist notebooks`, which executes the new cells, and commit.")
    return 0


COMMANDS = {
    "run": _run,
    "sweep": _sweep,
    "doctor": _doctor,
    "predict": _predict,
    "csv": _csv,
    "student": _student,
    "handouts": _handouts,
    "notebooks": _notebooks,
    "publish": _publish,
}

if __name__ == "__main__":
    sys.exit(main())
