"""The `fmnist` command.

Each subcommand imports what it needs when it runs, so that `fmnist --help` answers at once and
`fmnist doctor` can report a torch that does not import.
"""

import os
import shlex
import sys

import click

from fmnist_lib.course import command
from fmnist_lib.course.train import train
from fmnist_lib.errors import CourseError


@click.group("fmnist")
@click.version_option(package_name="fmnist_lib", message="fmnist_lib %(version)s")
@click.pass_context
def fmnist(context: click.Context) -> None:
    """The Fashion-MNIST course.

    Relative folders count from the clone of the course that you are in, else from where you are.
    """
    try:
        os.getcwd()
    except FileNotFoundError as error:
        if context.invoked_subcommand != "doctor":  # which says what else there is to mend
            deleted = "The current folder has been deleted. Change to another one."
            raise CourseError(deleted) from error


fmnist.add_command(train)
FOLDER = command.Folder()
PAGES, PLATFORMS = ("ipynb", "html", "pdf", "slides"), ("gift", "qti")
PARAMETER = {"nargs": 2, "multiple": True, "metavar": "NAME VALUE"}


@fmnist.command()
@click.option("--name", help="of the folder under runs/ (default: date and time)")
@click.option("-p", "parameters", **PARAMETER, help="a notebook parameter: -p epochs 2 -p seed 1")
@click.option("--resume", is_flag=True, help="go on with the run of this --name that was stopped")
def run(name, parameters, resume) -> None:
    """Execute the notebooks into runs/NAME/."""
    from fmnist_lib.course.run import run_course

    run_course(name, parameters, resume)


@fmnist.command()
@click.argument("notebook")
@click.option(
    "-p", "parameters", **PARAMETER, help="its values: -p seed 0:5 -p learning_rate 0.01,0.1"
)
@click.option("--out", type=FOLDER, help="that gets one folder a run; complete ones are kept")
@click.option("--workers", default=1, show_default=True, help="runs at a time")
@click.option("--threads", type=int, help="of each run (default: all, divided)")
@click.option("--scheduler", help="of a Dask cluster, such as tcp://10.0.0.1:8786")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=10.0, show_default=True,
    help="seconds it may take to answer",
)  # fmt: skip
def sweep(notebook, parameters, out, **options) -> None:
    """Run a notebook with every combination of values, then compare the runs.

    NOTEBOOK can also be a YAML file that describes the sweep.
    """
    from fmnist_lib.course import sweep

    if notebook.endswith((".yaml", ".yml")):
        written = sweep.read_file(notebook)
        notebook, out = written["notebook"], out or written["out"]
        parameters = [*written["parameters"], *parameters]
    if not out:
        raise CourseError("No folder for the runs. Give one, such as --out runs/rates.")
    click.echo(f"comparison   {sweep.sweep(notebook, parameters, out, **options)}")


@fmnist.command()
def doctor() -> int:
    """Say what this machine has, and the remedy for what it lacks."""
    from fmnist_lib.course import doctor

    return 0 if doctor.report() else 1


@fmnist.command()
@click.argument("files", nargs=-1, required=True, metavar="photo.jpg …")
@click.option("--checkpoint", help="default: runs/lesson/checkpoint.pt, if notebook 3 made it")
@click.option("--network", help="of those that come with the course: Net (else) or ResidualNet")
def predict(files, checkpoint, network) -> int:
    """Say what the network takes photos of garments for."""
    from fmnist_lib.course import predict

    return 1 if predict.predict(files, checkpoint, network) else 0


@fmnist.command()
@click.argument("checkpoint", required=False)
@click.option("--network", help="of those that come with the course: Net (else) or ResidualNet")
@click.option("--out", default="see.html", show_default=True, help="the file, which is replaced")
def explain(checkpoint, network, out) -> None:
    """Write a page on which a network is seen at work, in any browser and offline.

    CHECKPOINT: default: runs/lesson/checkpoint.pt, if notebook 3 made it.
    """
    from fmnist_lib.course import explain

    click.echo(f"page   {explain.explain(out, checkpoint, network)}")


@fmnist.command()
@click.argument("folder", type=FOLDER)
def csv(folder) -> None:
    """Write the data into FOLDER as two CSV files of 785 columns."""
    from fmnist_lib import data
    from fmnist_lib.storage import csv, paths

    loaded = data.load(source="zalando", validation=0)
    for split, name in zip((loaded.train, loaded.test), csv.FILES):
        path = csv.write(paths.in_work_folder(folder) / name, split.images, split.labels)
        click.echo(f"{path}: {len(split):,} images")


@fmnist.command()
@click.option(
    "--out", type=FOLDER, default="my_notebooks", show_default=True, help="what is there is kept"
)
@click.option(
    "--with-outputs", is_flag=True, help="with the stored ones, which answer each Predict"
)
@click.option(
    "--fresh", metavar="NAME", help="only another copy of this, such as 03, beside the old"
)
def student(out, with_outputs, fresh) -> None:
    """Write the notebooks as students get them, without solutions and outputs."""
    from fmnist_lib.course.student import write_student_notebooks

    write_student_notebooks(out, with_outputs, fresh)


@fmnist.command()
@click.option("--out", type=FOLDER, default="build", show_default=True, help="that gets the kit")
def kit(out) -> None:
    """Make student-kit.zip: all that a student needs, and no solution."""
    from fmnist_lib.course import kit

    click.echo(f"kit   {kit.build(out)}")


@fmnist.command()
@click.argument("folder", type=FOLDER)
@click.argument("options", nargs=-1, metavar="[-- PIP'S OPTIONS]")
def wheels(folder, options) -> None:
    """Put all that an installation needs into FOLDER, for machines like this without a network."""
    from fmnist_lib.course import wheels

    folder = wheels.collect(folder, options)
    click.echo(
        f"wheels   {folder}; on another machine: python -m pip install --no-index --find-links "
        f"FOLDER -c FOLDER/{wheels.kit.CONSTRAINTS} fmnist_lib"
    )


@fmnist.command()
@click.argument("photos", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="that gets the data set")
@click.option(
    "--seed", type=click.IntRange(0, 2**32), default=0, show_default=True,
    help="chooses the photos for the test",
)  # fmt: skip
def dataset(photos, out, seed) -> None:
    """Make a data set of PHOTOS, a folder with one folder of photos for each class."""
    from fmnist_lib.course import dataset

    folder, failures = dataset.make(photos, out, seed)
    for failure in failures:
        click.echo(f"left out   {failure}")
    place = shlex.quote(str(folder))
    click.echo(f"data set   {folder}; to use it: FMNIST_DATA={place}, and data_source csv")


@fmnist.command()
@click.argument("submissions", type=FOLDER)
@click.option("--out", type=FOLDER, default="grades", show_default=True, help="that gets it all")
@click.option("--workers", default=1, show_default=True, help="notebooks at a time")
@click.option("--scheduler", help="of a Dask cluster, such as tcp://10.0.0.1:8786")
@click.option("--seconds", default=60.0, show_default=True, help="that an answer may take")
@click.option("--memory", default=2.0, show_default=True, help="in GB that an answer may take")
@click.option("--points", help="a YAML file with lines such as explore_data.mirror: 2")
@click.option("--anonymous", is_flag=True, help="the page of the class names nobody")
def grade(submissions, out, **options) -> None:
    """Grade SUBMISSIONS, a folder or .zip as Moodle, Canvas or you lay it out.

    Makes tables of marks, a page of feedback for each student, and one of the class.
    """
    from fmnist_lib.course.grading import grade

    click.echo(f"class   {grade.grade(submissions, out, **options)}")


@fmnist.command()
@click.option("--notebook", default="", help="part of a name, such as 03 (default: all)")
@click.option("--for", "audience", type=click.Choice(("student", "instructor")))
@click.option("--format", "form", type=click.Choice((*PAGES, *PLATFORMS)))
@click.option("--blank", is_flag=True, help="students get no outputs at all")
@click.option("--out", type=FOLDER, default="handouts", show_default=True)
def handouts(notebook, audience, form, blank, out) -> None:
    """Make student and instructor versions, as .ipynb, HTML, PDF and slides.

    Only when asked for: the quiz, and the exercises with a number as answer, for learning
    platforms, as gift (Moodle) and qti (Canvas). They hold the key and are for instructors.
    """
    if form in PLATFORMS:
        from fmnist_lib.course import platforms

        if blank or audience == "student":
            raise CourseError(
                f"{form} holds the key and is for instructors. Leave out --blank and --for student."
            )
        files, left_out = platforms.build(out, form, notebook)
        for file in files:
            click.echo(f"{form:<8}   {file}")
        click.echo(f"left out   exercises that only the notebook can check: {left_out}")
        return
    from fmnist_lib.course import handouts

    page = handouts.build(
        out,
        notebook,
        (audience,) if audience else handouts.AUDIENCES,
        (form,) if form else handouts.FORMATS,
        blank,
    )
    click.echo(f"handouts   {page}")


@fmnist.command()
@click.option("--out", type=FOLDER, default="build/site", show_default=True)
@click.option(
    "--for", "audience", type=click.Choice(("student", "instructor")), default="student",
    show_default=True, help="instructors have solutions, hidden at first, and notes",
)  # fmt: skip
def site(out, audience) -> None:
    """Make the course as pages with search, which open from a folder.

    What they are made of stays in build/sphinx, for the next time.
    """
    from fmnist_lib.course import site

    click.echo(f"site   {site.build(out, audience)}")


@fmnist.command()
@click.argument("only", default="")
def notebooks(only) -> None:
    """Execute the notebooks in place (for those who edit the course).

    ONLY is part of a name, such as 03.
    """
    from fmnist_lib.course.refresh import refresh

    refresh(only)


@fmnist.command()
@click.argument("repository", metavar="OWNER/NAME")
def publish(repository) -> None:
    """Write links to Colab and Binder into the notebooks (for those who publish)."""
    from fmnist_lib.course.publish import publish

    for path in publish(repository):
        click.echo(f"changed   {path}")
    click.echo("Now run `fmnist notebooks`, which executes the new cells, and commit.")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    return command.run(fmnist, "fmnist", arguments)


if __name__ == "__main__":
    sys.exit(main())
