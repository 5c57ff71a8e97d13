"""`fmnist doctor`: what this machine has for the course, and the remedy for what it lacks.

Nothing that may be broken is imported at the top, and a check that fails is itself a finding.
"""

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import requires, version
from pathlib import Path
from typing import TypeVar

from fmnist_lib import threads
from fmnist_lib.course import printing
from fmnist_lib.errors import CourseError
from fmnist_lib.storage import paths

DISK_NEEDED = 1  # GB for data and a few runs; the installation itself is there already
IMPORT_TIMEOUT = 120  # seconds; on a slow disk PyTorch takes 20
MODULES = {"pillow": "PIL", "pyyaml": "yaml"}  # where a package is imported by another name
PROGRAMS = ("jupyterlab", "papermill")  # are started: no need to import them
# One package after the other, each with its problem: run by a process of its own, because a
# PyTorch that is not made for a processor ends the process without a word.
IMPORTS = """
import importlib, json, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
        problem = ""
    except BaseException as error:
        problem = f"{type(error).__name__}: {error}"
    print("\\n" + json.dumps([name, problem]), flush=True)
"""

T = TypeVar("T")
Finding = tuple[str, str, str, str]  # "ok", "note" or "FAIL"; what; what was found; remedy


def _install() -> str:
    """How to install again: from the clone or, where there is none, from the student kit."""
    if paths.course():
        return 'Install again: python -m pip install -c constraints.txt -e ".[dev]"'
    return "Install again, with the command in START.html of the student kit."


def report() -> bool:
    """Print one line a finding; returns False when something that the course needs is missing."""
    findings: list[Finding] = []
    for what, check in CHECKS.items():
        broken = [found for status, found, *_ in findings if status == "FAIL"]
        if "torch" in broken and check in (check_torch, check_processor):
            continue  # it may even end this process
        try:
            findings += check()
        except Exception as error:  # a broken installation can raise anything
            findings.append(("FAIL", what, _of(error), f"See what this says. {_install()}"))
    for status, what, found, remedy in findings:
        print(f"{status:4}  {what:16} {found}")
        if remedy:
            print(f"{'':6}{'':16} → {remedy}")
    failed = [what for status, what, _, _ in findings if status == "FAIL"]
    print(f"\nTo mend: {', '.join(failed)}." if failed else "\nThe course can run here.")
    return not failed


def _of(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def check_python() -> Iterator[Finding]:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    fine = sys.version_info >= (3, 11)
    remedy = "" if fine else "Install Python 3.11 or newer, and the course into it."
    yield "ok" if fine else "FAIL", "Python", found, remedy


def check_current_folder() -> Iterator[Finding]:
    try:
        os.getcwd()
    except OSError as error:
        yield "FAIL", "current folder", _of(error), "It has been deleted: change to another one."
        os.chdir(paths.course() or Path.home())  # for the checks that follow


def check_packages() -> Iterator[Finding]:
    """Whether each package that the course needs is there, in a version that fits, and works."""
    from packaging.requirements import Requirement

    needed = [Requirement(line) for line in requires("fmnist_lib")]
    needed = [one for one in needed if not one.marker]  # which those of the extras have
    problems = _import_all([one.name for one in needed if one.name not in PROGRAMS])
    for one in needed:
        if problem := problems.get(one.name) or _misfit(one):
            yield "FAIL", one.name, " ".join(problem.split())[:200], _remedy(one.name, problem)
        else:
            yield "ok", one.name, version(one.name), ""


def _misfit(needed) -> str:
    """What is wrong with the version of a package, a `Requirement`; "" for nothing."""
    try:
        found = version(needed.name)
        if needed.specifier.contains(found, prereleases=True):
            return ""
    except Exception as error:  # it doesn't say one, or what it says is none
        found = _of(error)
    return f"{found}, but {needed} is needed"


def _import_all(names: list[str]) -> dict[str, str]:
    """What goes wrong when each of these packages is imported, by its name; "" for nothing."""
    problems: dict[str, str] = {}
    modules = {MODULES.get(name, name): name for name in names}
    while left := [module for module, name in modules.items() if name not in problems]:
        # -P: a file of the current folder is no package
        command = [sys.executable, "-P", "-c", IMPORTS, *left]
        try:
            done = subprocess.run(command, capture_output=True, timeout=IMPORT_TIMEOUT)
            said, code = done.stdout, done.returncode
            end = f"Python ends while importing it ({code}"
            end += f", {signal.Signals(-code).name})" if code < 0 else ")"
        except subprocess.TimeoutExpired as error:
            said, end = error.stdout or b"", f"takes over {IMPORT_TIMEOUT} s to import"
        for line in said.decode(errors="replace").splitlines():
            if line.startswith('["'):
                module, problem = json.loads(line)
                problems[modules[module]] = problem
                left.remove(module)
        if left:
            problems[modules[left[0]]] = end
    return problems


def _remedy(name: str, problem: str) -> str:
    if name.startswith("torch") and (sys.platform, platform.machine()) == ("darwin", "x86_64"):
        return (
            "PyTorch has no builds for Intel Macs after 2.2, which is too old: use another "
            "machine, or Colab. On a Mac with Apple's processor take a Python for arm64."
        )
    if name == "torch" and "WinError" in problem:
        return f"Install Microsoft's Visual C++ Redistributable, which PyTorch needs. {_install()}"
    if name == "torch" and ("SIGILL" in problem or "3221225501" in problem):
        return "PyTorch is not made for this processor: use another machine, or Colab."
    if name == "torchvision" and re.match("RuntimeError|OSError|ImportError", problem):
        versions = "constraints.txt" if paths.course() else "install/constraints.txt"
        return (
            "torch and torchvision come from different builds (a CPU-only torch beside the "
            "usual torchvision, say). Take both from one place: python -m pip install "
            f"--force-reinstall --no-deps -c {versions} torch torchvision"
        )
    return _install()


def check_torch() -> Iterator[Finding]:
    import torch

    from fmnist_lib.device import choose_device, choose_dtype, device_name, unsupported_gpu

    remedy = (
        "Update the driver, or install the torch build for this GPU (pytorch.org, Get started). "
        'Until then the CPU does it: -p device cpu, or device = "cpu" in a notebook\'s first cell.'
    )
    try:
        reason = unsupported_gpu()
        with warnings.catch_warnings(action="ignore"):  # of the same
            device = choose_device()
        torch.ones(2, 2, device=device).mm(torch.ones(2, 2, device=device)).cpu()
        found = f"{device.type}: {device_name(device)}"
        dtype = str(choose_dtype(device=device)).removeprefix("torch.")
    except Exception as error:
        yield "FAIL", "device", _of(error), remedy
        return
    if reason:
        yield "note", "device", found, reason
    elif device.type == "cpu" and shutil.which("nvidia-smi"):
        yield "note", "device", found, f"nvidia-smi is here, but torch can't use the GPU. {remedy}"
    else:
        yield "ok", "device", found, ""
    yield "ok", "dtype", dtype, ""


def check_kernel() -> Iterator[Finding]:
    """Whether the kernel that runs the notebooks is this Python, and starts."""
    if problem := kernel_problem():
        yield "FAIL", "Jupyter kernel", *problem
        return
    from jupyter_client.manager import start_new_kernel

    try:
        manager, client = with_kernel(
            start_new_kernel, kernel_name="python3", stderr=subprocess.DEVNULL
        )
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    except Exception as error:
        yield ("FAIL", "Jupyter kernel", f"python3 does not start. {_of(error)}",
               "Mend first what stands above; if nothing does: python -m pip install "
               "--force-reinstall ipykernel pyzmq")  # fmt: skip
    else:
        yield "ok", "Jupyter kernel", "python3, this Python; it starts", ""


def with_kernel(begin: Callable[..., T], *args, **options) -> T:
    """What `begin(…)` returns, which starts a kernel; begun anew where that died before any cell.

    jupyter_client chooses free ports for a kernel, and until the kernel opens them another process
    can take one: "Address already in use".
    """
    for tries_left in (2, 1, 0):
        try:
            return begin(*args, **options)
        except RuntimeError as error:
            if not tries_left or "died before replying" not in str(error):
                raise


def kernel_problem() -> tuple[str, str] | None:
    """Why no kernel of this Python can be started, and the remedy; None when one can."""
    remedy = "python -m ipykernel install --sys-prefix"
    try:
        from ipykernel.kernelspec import RESOURCES
        from jupyter_client.kernelspec import KernelSpecManager

        manager = KernelSpecManager()
        folder = manager.find_kernel_specs().get("python3", RESOURCES)
        if folder != RESOURCES:  # one that somebody has installed
            remedy = f"Delete the folder {folder}, then: {remedy}"
        python = manager.get_kernel_spec("python3").argv[0]
    except ImportError as error:
        return _of(error), f"python -m pip install --force-reinstall ipykernel, then: {remedy}"
    except Exception as error:  # kernel.json can be of any kind
        return f"its description can't be read. {_of(error)}", remedy
    this = Path(sys.executable)
    if python in ("python", "python3", "python{}.{}".format(*sys.version_info)):
        return None  # which Jupyter takes for the Python that it runs in
    found = shutil.which(python)
    if found is None:
        return f"python3 starts {python}, which can't be started or is gone", remedy
    # Environments share the file that their links lead to: the folder tells them apart.
    if not (this.samefile(found) and this.parent.samefile(Path(found).parent)):
        return f"python3 starts {python}, not {this}", remedy
    return None


def check_data() -> Iterator[Finding]:
    from fmnist_lib.storage import csv, download

    root = paths.data_root()
    origin = "FMNIST_DATA" if os.environ.get("FMNIST_DATA") else "default"
    place = f"{paths.raw_folder(root)} ({origin})"
    try:
        missing = download.missing(root)
        has_csv = all(paths.is_file(root / name) for name in csv.FILES)
        if has_csv and not paths.is_folder(paths.raw_folder(root)):
            yield "ok", "data", f"CSV files in {root} ({origin}): use data_source csv", ""
            return
    except CourseError as error:
        yield "FAIL", "data", place, str(error)
        return
    if missing:
        yield ("note", "data", f"{len(missing)} of 4 files missing in {place}",
               "They are downloaded at the first run; with no network the course draws a stand-in "
               "and says so. Or copy the four files there, or set FMNIST_DATA to a folder that "
               "holds FashionMNIST/raw/.")  # fmt: skip
    else:
        yield "ok", "data", f"Fashion-MNIST, MD5 verified, in {place}", ""


def check_processor() -> Iterator[Finding]:
    """How many threads a training would take now, and whether they leave room for others."""
    number, cores = threads.choose_threads(), threads.usable_cores()
    found = f"{number} of {cores} cores would be computed with"
    wait = {
        name: value
        for name in ("OMP_WAIT_POLICY", *threads.WAIT)
        if (value := os.environ.get(name))
    }
    if threads.is_number_given():
        yield "ok", "processor", f"{found}, as OMP_NUM_THREADS says", ""
    elif number < cores:
        remedy = "End what is not needed: a video call, say, or kernels of other notebooks."
        yield "note", "processor", f"{found}: other programs are at work", remedy
    else:
        yield "ok", "processor", found, ""
    if wait != threads.WAIT:
        settings = ", ".join(f"{name}={value}" for name, value in wait.items())
        remedy = "Unset these if training takes many times as long beside other programs."
        yield "note", "threads", f"wait as your environment says: {settings}", remedy


def check_folders() -> Iterator[Finding]:
    """Whether results, what Jupyter notes about its kernels, and temporary files can be written."""
    copies = "fmnist student --out ~/fmnist" if paths.course() else "unpack the student kit there."
    remedy = f"Work in a folder of your own, with copies of the notebooks: {copies}"
    status, what, found, remedy = _writable("work folder", paths.work_folder, remedy)
    counts = "; runs and relative paths count from it" if status == "ok" else ""
    yield status, what, found + counts, remedy
    set_to = "Make room, or set {} to a folder that you can write to."
    yield _writable("Jupyter's files", _jupyter_folder, set_to.format("JUPYTER_RUNTIME_DIR"))
    variable = "TEMP" if os.name == "nt" else "TMPDIR"
    yield _writable("temporary files", tempfile.gettempdir, set_to.format(variable))


def _jupyter_folder() -> str:
    from jupyter_core.paths import jupyter_runtime_dir

    return jupyter_runtime_dir()


def _writable(what: str, find: Callable[[], str | Path], remedy: str) -> Finding:
    """Try to write where a folder is or, as nothing should be left behind, where it would be."""
    try:
        folder = Path(find())
        there = next(place for place in (folder, *folder.parents) if place.exists())
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(1_000_000))
    except Exception as error:
        return "FAIL", what, _of(error), remedy
    return "ok", what, f"can be written in {folder}", ""


def check_disk() -> Iterator[Finding]:
    free = shutil.disk_usage(paths.work_folder()).free / 1e9
    fine = free >= DISK_NEEDED
    remedy = "" if fine else f"The course wants {DISK_NEEDED} GB free: delete old folders in runs/."
    yield "ok" if fine else "FAIL", "free disk", f"{free:.1f} GB", remedy


def check_browser() -> Iterator[Finding]:
    """Whether the browser that is there prints, as `fmnist handouts` wants it to.

    Handouts are made in a clone only.
    """
    if not paths.course():
        return
    browser = printing.find_browser()
    remedy = (
        "`fmnist handouts` sets its PDFs by typst instead. To have them printed, install Chromium, "
        "Chrome or Edge; one in a sandbox of its own, such as Ubuntu's snap, can't print."
    )
    if browser is None:
        yield "note", "browser for PDF", "none found", remedy
        return
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch, "page.html")
        page.write_text("<!DOCTYPE html><title>Page</title><p>Page", encoding="utf-8")
        try:
            printing.print_page(browser, page, page.with_suffix(".pdf"))
        except CourseError as error:
            yield "note", "browser for PDF", str(error), remedy
        else:
            yield "ok", "browser for PDF", f"{browser}, which prints", ""


CHECKS = {
    "Python": check_python,
    "current folder": check_current_folder,  # first: in one that is gone, no PyTorch is imported
    "packages": check_packages,
    "device": check_torch,
    "processor": check_processor,
    "folders": check_folders,
    "Jupyter kernel": check_kernel,
    "data": check_data,
    "free disk": check_disk,
    "browser for PDF": check_browser,
}
