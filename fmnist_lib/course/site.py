"""`fmnist site`: the course as pages with navigation and search, which open from a folder.

Sphinx makes them, from the pages and notebooks where they lie in the clone, so that their links are
right as they are. What students may not see is not in it, unless it is asked for.
"""

import functools
import importlib
import inspect
import io
import os
import pkgutil
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import ModuleType

import nbformat

from fmnist_lib.course import handouts
from fmnist_lib.course.execute import clone, notebooks, read_notebook
from fmnist_lib.course.kit import OPEN, secrets_of_course
from fmnist_lib.course.solutions import BEGIN, shows, texts_of
from fmnist_lib.errors import CourseError
from fmnist_lib.storage import atomic
from fmnist_lib.storage.paths import PACKAGE, in_work_folder

PACKAGES = ("sphinx", "myst_nb", "sphinx_book_theme", "latex2mathml")
STATIC = [Path(__file__).with_name(name) for name in ("site.css", "site.js")]
GLOSSARY = "docs/glossary.md"
# What stands in the navigation, by part. A name is a page of the clone, or one that is made here.
PARTS = {
    "Notebooks": ["notebooks/[0-9]*.ipynb"],
    "Beside them": [
        "see.md", GLOSSARY, "notebooks/numpy_to_torch.md", "data/README.md",
        "docs/accessibility.md",
    ],
    "For teachers": [
        "teachers.md", "notebooks/README.md", "docs/class_of_thirty.md", "docs/jupyterhub.md",
        "docs/grading.md", "docs/adapt.md", "downloads.md",
    ],
    "For developers": [
        "developers.md", "CONTRIBUTING.md", "reference.md", "benchmarks/README.md", "CHANGELOG.md",
        "CODE_OF_CONDUCT.md",
    ],
}  # fmt: skip
NOTES = "notebooks/README.md"  # for teachers: they say what students get wrong
LISTED = ".site"  # in a site, the names of its files
FIGURES = ("notebooks/readme_figure.png", "docs/explain.png")  # that pages show
WIDTH = 70  # characters of a signature in one line
LEFT_OUT = ("course", "lessons.checks")  # of the reference: commands, and answers
ENTRY = r"^- (\*\*.+?) \((\d)\): ([\s\S]+?)(?=\n- |\Z)"  # of the glossary


def build(out: str | Path, audience: str = "student") -> Path:
    """Write the site into a folder, and return its first page.

    out: counted from the work folder when it is relative. It gets the pages when all of them are
    right, and keeps what else is in it. What they are made of stays in the work folder's
    build/sphinx, so that the next time is shorter.
    audience: "student", or "instructor" for a site with solutions, hidden until they are asked for,
    with notes and slides for teachers.

    Raises CourseError when a package is missing, the folder holds something else than a site, a
    page would show students a solution, or a link leads nowhere; then the folder is as before.
    """
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise CourseError(f'{missing[0]} is not installed: pip install -e ".[site]"')
    out = in_work_folder(out)
    if out.exists() and not (out / LISTED).exists() and any(out.iterdir()):
        raise CourseError(f"{out} holds files that are not of a site. Give another --out.")
    busy = "Another process makes a site. Wait until it is there."
    with atomic.alone(in_work_folder("build/sphinx"), busy) as both:
        work = both / audience
        made = handouts.build(
            work / "handouts",
            audiences=(audience,),
            formats=("ipynb", "pdf", "slides"),
            network=True,
        ).parent
        pages = {name: text.encode() for name, text in _sources(audience, made / audience)}
        files = {name: (clone() / name).read_bytes() for name in FIGURES}
        static = {f"_static/{path.name}": path.read_bytes() for path in STATIC}
        _write_all(work / "source", pages | files | static)
        downloads = {
            f"downloads/{path.relative_to(made).as_posix()}": path.read_bytes()
            for path in sorted(made.rglob("*.*"))
            if path.name not in (handouts.BUILT, handouts.INDEX)
        }
        downloads["explain.html"] = downloads.pop(
            f"downloads/{audience}/{handouts.NETWORK.stem}.html"
        )
        _write_all(work / "extra", downloads)
        _run_sphinx(work)
        if audience == "student":
            require_no_solution(work / "html")
        _put(work / "html", out)
    return out / "index.html"


def _write_all(folder: Path, files: dict[str, bytes]) -> None:
    """Make a folder hold these files and no others; a file that is the same stays untouched."""
    for name, content in files.items():
        path = folder / name
        atomic.make_folder(path.parent)
        if not path.exists() or path.read_bytes() != content:
            with atomic.replacing(path) as scratch:
                scratch.write_bytes(content)
    for path in folder.rglob("*.*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in files:
            atomic.remove(path)


def _put(made: Path, out: Path) -> None:
    """Copy a site that is right to where it is read; of an old one there, only its files go.

    They go first: some may be for other readers.
    """
    names = [path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()]
    listed = out / LISTED
    old = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    atomic.make_folder(out)
    atomic.write_text(out / LISTED, "\n".join(sorted({*names, *old})))
    for name in set(old) - {*names}:
        atomic.remove(out / name)
        for folder in list((out / name).parents)[: name.count("/")]:
            with suppress(OSError):  # something is in it
                folder.rmdir()
    for name in names:
        atomic.make_folder((out / name).parent)
        with atomic.replacing(out / name) as scratch:
            shutil.copyfile(made / name, scratch)
    atomic.write_text(out / LISTED, "\n".join(sorted(names)))


def _run_sphinx(work: Path) -> None:
    """Make the pages in `work`; CourseError when one is not right, with what Sphinx says of it."""
    from sphinx.application import Sphinx
    from sphinx.util.console import nocolor
    from sphinx.util.docutils import docutils_namespace

    nocolor()
    settings = {
        "project": "Convolutional networks on Fashion-MNIST",
        "version": version("fmnist_lib"),
        "author": "the contributors",
        "copyright": "the contributors; MIT licence",
        "extensions": ["myst_nb", "fmnist_lib.course.site"],
        "exclude_patterns": [],
        "nb_execution_mode": "off",
        "nb_merge_streams": True,
        "myst_enable_extensions": ["dollarmath"],
        "myst_heading_anchors": 4,
        "html_theme": "sphinx_book_theme",
        "html_title": "Fashion-MNIST course",
        "html_context": {"default_mode": "auto"},
        "html_theme_options": {
            "use_download_button": False,
            "show_toc_level": 2,
            "navbar_persistent": [],
        },
        "html_math_renderer": "mathml",
        "html_static_path": [str(work / "source" / "_static")],
        "html_css_files": ["site.css"],
        "html_js_files": ["site.js"],
        "html_extra_path": [str(work / "extra")],
        "html_copy_source": False,
        "html_use_index": False,  # the glossary is one
        "html_show_sphinx": False,
        "html_show_search_summary": False,  # a script would fetch each page that was found
        "language": "en",
    }
    with docutils_namespace():
        warnings = io.StringIO()
        app = Sphinx(
            work / "source", None, work / "html", work / "doctrees", "html",
            confoverrides=settings, warningiserror=True, keep_going=True, parallel=2,
            status=None, warning=warnings,
        )  # fmt: skip
        app.build()
    if app.statuscode:
        shutil.rmtree(work / "doctrees")  # else a page that wasn't right is not looked at again
        raise CourseError(f"The site is not right. Mend its pages:\n{warnings.getvalue().strip()}")


# ------------------------------------------------------------------------------ what it is made of


def _sources(audience: str, made_for_them: Path) -> Iterator[tuple[str, str]]:
    """Name and text of every page that Sphinx reads; made_for_them: a folder of handouts."""
    course = clone()
    listed = {part: list(_listed(course, names)) for part, names in PARTS.items()}
    if audience == "student":
        listed["For teachers"].remove(NOTES)
    glossary = (course / GLOSSARY).read_text(encoding="utf-8")
    made = {
        "see.md": SEE, "downloads.md": _downloads(audience),
        "reference.md": _reference(), GLOSSARY: _glossary(glossary),
    } | {
        name: _links(text, "README.md", audience) for name, text in _readme(course).items()
    }  # fmt: skip
    for name in (name for names in listed.values() for name in names):
        path = course / name
        if name in made:
            yield name, made[name]
        elif path.suffix == ".ipynb":
            yield name, _lesson(made_for_them / path.name, audience, list(_terms(glossary)))
        else:
            yield name, _links(path.read_text(encoding="utf-8"), name, audience)
    trees = [
        f"```{{toctree}}\n:hidden:\n:caption: {part}\n\n"
        + "\n".join(name.rpartition(".")[0] for name in names)
        + "\n```"
        for part, names in listed.items()
    ]
    yield "index.md", "\n\n".join([made["index.md"], *trees])


def _downloads(audience: str) -> str:
    """The page of what can be downloaded: a row for each notebook."""
    kinds = {
        "to work with": ("notebook", f"{audience}/{{}}.ipynb"),
        "to print": ("PDF", f"{audience}/{{}}.pdf"),
        "to show": ("slides", "slides/{}.html"),
    }
    rows = [["notebook", *kinds], ["---"] * (len(kinds) + 1)]
    for path in notebooks():
        title = read_notebook(path).cells[0].source.partition("\n")[0].removeprefix("# ")
        links = [f'<a href="downloads/{file.format(path.stem)}">{kind} {path.stem[1]}</a>'
                 for kind, file in kinds.values()]  # fmt: skip
        rows.append([title, *links])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return DOWNLOADS[audience].format(table=table)


@functools.cache
def _readme(course: Path) -> dict[str, str]:
    """README.md as three pages: for everybody, for teachers, and for developers."""
    text = (course / "README.md").read_text(encoding="utf-8")
    start, *others = re.split(r"^(?=## For (?:teachers|developers)$)", text, flags=re.M)
    pages = {"index.md": start}
    for each in others:
        name = re.match(r"## For (\w+)", each)[1]
        pages[f"{name}.md"] = re.sub(r"^#(?=#)", "", each, flags=re.M)  # a title is the first
    return pages


def _page_of(anchor: str, pages: dict[str, str]) -> str:
    """Which of the pages has a heading with this anchor; else the first."""
    for name, text in pages.items():
        for heading in re.findall(r"^#+ (.+)", text, flags=re.M):
            if re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") == anchor:
                return name
    return "index.md"


def _listed(course: Path, names: list[str]) -> Iterator[str]:
    for name in names:
        found = sorted(course.glob(name)) if "*" in name else [course / name]
        yield from (path.relative_to(course).as_posix() for path in found)


def _links(text: str, name: str, audience: str = "student") -> str:
    """A page whose links lead to pages of the site; those to other files of the clone are text."""
    known = {page for names in PARTS.values() for page in names}
    if audience == "student":
        known.remove(NOTES)
    here, readme = Path(name).parent, _readme(clone())

    def link(match):
        shown, (file, hash, anchor) = match[1], match[2].partition("#")
        target = os.path.normpath(here / file) if file else name
        if target == "README.md":
            page = os.path.relpath(_page_of(anchor, readme), here)
            return f"[{shown}]({Path(page).as_posix()}{hash}{anchor})"
        kept = "://" in file or target in {name, *known} or target.endswith(".ipynb")
        return match[0] if kept else shown

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", link, text)


def _lesson(path: Path, audience: str, terms: list[tuple]) -> str:
    """A handout as the site shows it: terms lead to the glossary, badges are plain links."""
    notebook = read_notebook(path)
    start = notebook.cells[0]
    start.source += NOTE.format(file=f"../downloads/{audience}/{path.name}")
    here = {name.casefold() for names, _, number, _ in terms if number == path.stem[1]
            for name in names}  # fmt: skip
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])
        if BEGIN in cell.source:
            cell.metadata["tags"].append("hide-input")
        if "guesses.compare(" in cell.source and cell.get("outputs"):  # it answers a Predict
            cell.metadata["tags"].append("hide-output")
        if figures := [output.metadata["image/png"]["alt"] for output in cell.get("outputs", [])
                       if "alt" in output.get("metadata", {}).get("image/png", {})]:  # fmt: skip
            cell.metadata["mystnb"] = {"image": {"alt": " ".join(figures)}}
        if cell.cell_type != "markdown":
            continue
        cell.source = re.sub(r"\[!\[([^\]]+)\]\([^)]+\)\]", r"[\1]", cell.source)
        cell.source = _links(cell.source, f"notebooks/{path.name}", audience)
        for bold in re.findall(r"\*\*([^*]+)\*\*", cell.source):
            term = " ".join(bold.split()).casefold()
            if term in here:
                here.remove(term)
                cell.source = cell.source.replace(f"**{bold}**", f"**{{term}}`{bold}`**", 1)
    return nbformat.writes(notebook)


def _terms(glossary: str) -> Iterator[tuple[list[str], str, str, str]]:
    """Of each entry of the glossary its names, what follows them, the notebook, the meaning."""
    for head, number, meaning in re.findall(ENTRY, glossary, flags=re.M):
        names, rest = re.findall(r"\*\*(.+?)\*\*", head), head.rpartition("**")[2]
        yield names, rest.strip(), number, " ".join(meaning.split())


def _glossary(text: str) -> str:
    """The glossary in the form in which Sphinx knows its terms."""
    lessons = {path.stem[1]: path.name for path in notebooks()}
    parts, entries = [text.partition("\n- ")[0].rstrip()], []
    for names, rest, number, meaning in _terms(text):
        letter = names[0][0].upper() if names[0][0].isalpha() else "0 to 9"
        link = f"([notebook {number}](../notebooks/{lessons[number]}))"
        said = f"{rest}: {meaning}" if rest else meaning
        entries.append((letter, "\n".join([*names, f"  {said} {link}"])))
    for title, group in groupby(entries, key=itemgetter(0)):
        parts += [f"## {title}", "```{glossary}", *(entry for _, entry in group), "```"]
    return "\n\n".join(parts) + "\n"


NOTE = """

This page shows the notebook as it was run once. To answer, to press buttons and to change things,
<a href="{file}">download it</a>.
"""
SEE = """# See it think

<a href="explain.html">A trained network, at work</a>: choose an image, draw one, or drop a photo,
and see every number that the network computes. A number that is clicked says where it comes from.
The page needs no network connection, works on a phone, and can be saved as one file.

`fmnist explain` makes such a page of a network of your own.
"""
DOWNLOADS = {
    "student": """# To download

Notebooks without solutions, to work with in Jupyter, the same as pages to print, and slides. All
but the slides are in <a href="downloads/student.zip">student.zip</a>.

{table}

To install what the notebooks need, a class gets a student kit, which its teacher makes with
`fmnist kit`. Versions for teachers, with solutions and notes, are made by `fmnist handouts`.
""",
    "instructor": """# To download

Notebooks with solutions and notes, the same as pages to print, and slides with notes for those who
speak.

{table}

What a class needs to install the course is made by `fmnist kit`, all other handouts by
`fmnist handouts`.
""",
}


# -------------------------------------------------------------------------------------- reference


def _reference() -> str:
    """All public functions and classes of the package, from their docstrings."""
    parts = ["# Reference of `fmnist_lib`", "What the notebooks and commands are made of."]
    for name in _modules():
        module = importlib.import_module(f"fmnist_lib.{name}")
        members = list(_members(module))
        if members:
            parts += [f"## `{module.__name__}`", _text(module)]
            parts += [part for member in members for part in _described(*member)]
    return "\n\n".join(parts) + "\n"


def _modules() -> list[str]:
    """The modules of the reference, first those that students read."""
    prefix = f"{PACKAGE.name}."
    found = [each.name.removeprefix(prefix)
             for each in pkgutil.walk_packages([str(PACKAGE)], prefix)]  # fmt: skip
    others = [name for name in found if name not in OPEN and not name.startswith(LEFT_OUT)]
    return [*OPEN, *others]


def _members(module: ModuleType) -> Iterator[tuple[str, object]]:
    """What a module defines for others, with what it is called."""
    for name, value in vars(module).items():
        own = getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
        # A data class without a docstring gets its signature as one.
        if own and callable(value) and value.__doc__ and not value.__doc__.startswith(f"{name}("):
            yield name, value


def _described(name: str, value) -> Iterator[str]:
    is_error = inspect.isclass(value) and issubclass(value, Exception)
    signature = inspect.Signature() if is_error else inspect.signature(value)
    kind = "class " if inspect.isclass(value) else ""
    yield f"### `{name}`"
    yield f"```python\n{kind}{name}{_shown(signature)}\n```"
    fields = getattr(value, "__dataclass_fields__", {})
    yield _text(value, [*signature.parameters, *fields])


def _shown(signature: inspect.Signature) -> str:
    """A signature, its types without modules; "..." for a default that has no short name."""

    def without_modules(annotation) -> str:
        text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
        return re.sub(r"\b(?:[A-Za-z_]\w*\.)+(?=\w)", "", text)

    parameters = []
    for each in signature.parameters.values():
        annotation, default = each.annotation, each.default
        if annotation is not each.empty:
            annotation = f"\0{without_modules(annotation)}\0"
        if default is not each.empty and ("<" in repr(default) or len(repr(default)) > WIDTH):
            default = ...
        parameters.append(each.replace(annotation=annotation, default=default))
    result = signature.return_annotation
    if result is not signature.empty:
        result = f"\0{without_modules(result)}\0"
    text = str(signature.replace(parameters=parameters, return_annotation=result))
    text = re.sub(r"'\\x00(.*?)\\x00'", r"\1", text).replace("Ellipsis", "...")
    if len(text) > WIDTH:  # a line for each parameter
        inside, _, result = text[1:].rpartition(")")
        lines = [f"    {each}," for each in re.split(r", (?=\*|/|\w+(?::|=|,|$))", inside)]
        text = "\n".join(["(", *lines, f"){result}"])
    return text


def _text(value, arguments: list[str] = ()) -> str:
    """A docstring as Markdown: what it says of each argument becomes a list."""
    items, text = "|".join(arguments) or "(?!)", inspect.getdoc(value) or ""
    text = re.sub(rf"^((?:{items})(?:, (?:{items}))*): (?=\S)", r"- `\1`: ", text, flags=re.M)
    parts = re.split(r"(`[^`]*`)", text)  # code stays as it is
    parts[::2] = [re.sub(r"([<*_$#\\])", r"\\\1", part) for part in parts[::2]]
    return "".join(parts)


# ---------------------------------------------------------------------------------------- the gate


def require_no_solution(site: Path) -> None:
    """CourseError when a file of the site shows a line of a solution."""
    secret = secrets_of_course()
    for path in sorted(site.rglob("*")):
        if path.suffix not in (".html", ".ipynb", ".txt", ".md") or path.name == "explain.html":
            continue
        if found := shows(texts_of(path.read_text(encoding="utf-8")), secret):
            raise CourseError(f"{path.name} would show a line of a solution: {found[0]!r}.")


# -------------------------------------------------------------------------- extension of Sphinx


def setup(app) -> dict:
    """Formulas are MathML, which browsers show without any script; the search finds all terms."""
    from docutils.nodes import SkipNode
    from latex2mathml.converter import convert

    def inline(translator, node):
        translator.body.append(convert(node.astext()))
        raise SkipNode

    def block_of(node):  # fences as high as what they hold
        text = convert(node.astext(), display="block")
        return text.replace('stretchy="false"', 'stretchy="true"')

    def block(translator, node):
        start = '<div class="math" role="group" aria-label="formula" tabindex="0">'
        translator.body.append(f"{start}{block_of(node)}</div>")
        raise SkipNode

    def with_labels_as_shown(app, name, template, context, doctree):
        # What hides a cell says so in words, which another label would keep from a screen reader.
        if "body" in context:
            context["body"] = context["body"].replace(' aria-label="Toggle hidden content"', "")

    def always_read(app, env, added, changed, removed):
        # The search forgets the terms of a page that has not changed (sphinx-doc/sphinx #12599).
        return {GLOSSARY.removesuffix(".md")} & env.found_docs

    app.connect("env-get-outdated", always_read)
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.connect("html-page-context", with_labels_as_shown)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
