"""`fmnist doctor` on good and on broken machines: for each a sentence and a remedy."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import ROOT, small_disk

from fmnist_lib import device
from fmnist_lib.course import cli, doctor, printing
from fmnist_lib.storage import paths

NAMES = ("torch", "torchvision", "numpy", "pandas", "matplotlib", "seaborn", "ipywidgets",
         "anywidget", "PIL", "filelock", "yaml", "click", "requests", "tqdm")  # fmt: skip


@pytest.fixture
def machine(tmp_path, data_folder, monkeypatch):
    """A machine that is in order, and is looked over quickly; a test breaks it.

    The packages that the doctor's own process imports are empty files; nothing prints.
    """
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in NAMES:
        (packages / f"{name}.py").write_text("")
    where = [str(packages), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, where)))  # "": the current folder
    monkeypatch.setenv("FMNIST_DATA", str(data_folder))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setattr(printing, "find_browser", lambda: None)
    return SimpleNamespace(patch=monkeypatch, folder=tmp_path, packages=packages, data=data_folder)


# Each breaks the machine. Behind it: status, what, what was found, and words of the remedy.
BROKEN = {}


def broken(status, what, found, *remedy):
    def note(function):
        name = function.__name__.replace("_", " ")
        BROKEN[name] = function, status, what, found, remedy
        return function

    return note


# ----------------------------------------------------------------------------------- packages


def package(machine, name, code):
    (machine.packages / f"{name}.py").write_text(code)


@broken("FAIL", "Python", "3.9.1", "Install Python 3.11 or newer")
def an_old_python(machine):
    old = SimpleNamespace(version_info=(3, 9, 1), executable=sys.executable, platform=sys.platform)
    machine.patch.setattr(doctor, "sys", old)
    machine.patch.setattr(doctor.platform, "python_version", lambda: "3.9.1")


@broken("FAIL", "seaborn", "ModuleNotFoundError: No module named 'seaborn'", "pip install -c")
def a_package_that_is_missing(machine):
    package(machine, "seaborn", "raise ModuleNotFoundError(\"No module named 'seaborn'\")")


@broken("FAIL", "torch", "OSError: libcudart.so.13: cannot open shared object", "pip install -c")
def a_torch_that_does_not_import(machine):
    package(machine, "torch", "raise OSError('libcudart.so.13: cannot open shared object file')")


@broken("FAIL", "torch", "[WinError 126] The specified module", "Visual C++ Redistributable")
def a_torch_without_its_libraries_on_windows(machine):
    error = "[WinError 126] The specified module could not be found. Error loading 'c10.dll'"
    package(machine, "torch", f"raise OSError({error!r})")


@broken("FAIL", "torch", "Python ends while importing it (-4, SIGILL)", "not made for this proc")
def a_torch_for_another_processor(machine):
    package(machine, "torch", f"import os; os.kill(os.getpid(), {int(signal.SIGILL)})")


@broken("FAIL", "torch", "takes over 1 s to import", "pip install -c")
def a_torch_that_hangs(machine):
    machine.patch.setattr(doctor, "IMPORT_TIMEOUT", 1)
    package(machine, "torch", "import time; time.sleep(60)")


@broken("FAIL", "matplotlib", "SystemExit: 3", "pip install -c")
def a_package_that_ends_the_program(machine):
    package(machine, "matplotlib", "print('bye', end=''); raise SystemExit(3)")


@broken("FAIL", "pillow", "SyntaxError", "pip install -c")
def a_package_that_is_torn(machine):
    package(machine, "PIL", "def half(")


@broken("FAIL", "torchvision", "operator torchvision::nms does not exist", "different builds",
        "--force-reinstall")  # fmt: skip
def a_torchvision_of_another_build(machine):
    package(
        machine, "torchvision", "raise RuntimeError('operator torchvision::nms does not exist')"
    )


def version_is(machine, name, found):
    real = doctor.version

    def version(asked):
        if asked != name:
            return real(asked)
        if isinstance(found, Exception):
            raise found
        return found

    machine.patch.setattr(doctor, "version", version)


@broken("FAIL", "pandas", "PackageNotFoundError", "pip install -c")
def a_package_without_metadata(machine):
    version_is(machine, "pandas", PackageNotFoundError("pandas"))


@broken("FAIL", "tqdm", "is needed", "pip install -c")
def a_package_whose_metadata_are_empty(machine):
    version_is(machine, "tqdm", None)


@broken("FAIL", "papermill", "1.2.1, but papermill<3,>=2.7 is needed", "pip install -c")
def a_package_that_is_too_old(machine):
    version_is(machine, "papermill", "1.2.1")


@broken("FAIL", "matplotlib", "3.13.0, but matplotlib<3.13,>=3.10 is needed", "pip install -c")
def a_package_that_is_too_new(machine):
    version_is(machine, "matplotlib", "3.13.0")


@broken("FAIL", "torch", "2.2.2, but torch>=2.11 is needed", "no builds for Intel Macs after 2.2",
        "arm64")  # fmt: skip
def an_intel_mac(machine):
    version_is(machine, "torch", "2.2.2")
    machine.patch.setattr(sys, "platform", "darwin")
    machine.patch.setattr(doctor.platform, "machine", lambda: "x86_64")


@broken("FAIL", "packages", "PackageNotFoundError: No package metadata", "Install again")
def a_course_that_is_not_installed(machine):
    def fails(name):
        raise PackageNotFoundError(name)

    machine.patch.setattr(doctor, "requires", fails)


@broken("FAIL", "packages", "ModuleNotFoundError", "Install again")
def no_packaging(machine):
    machine.patch.setitem(sys.modules, "packaging.requirements", None)


# ------------------------------------------------------------------------------------- device


def gpu(machine, capability, built):
    for name, value in (("is_available", True), ("device_count", 1), ("get_arch_list", built),
                        ("get_device_capability", capability),
                        ("get_device_name", "NVIDIA GeForce GTX 1050")):  # fmt: skip
        machine.patch.setattr(torch.cuda, name, lambda *given, value=value: value)


@broken("note", "device", "cpu: ", "GTX 1050 has the compute capability 6.1", "CUDA 12.6")
def a_gpu_that_is_too_old(machine):
    gpu(machine, (6, 1), ["sm_75", "sm_80", "sm_90", "compute_90"])


@broken("note", "device", "cpu: ", "nvidia-smi is here, but torch can't use the GPU", "driver")
def a_torch_without_cuda(machine):
    program = machine.folder / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    machine.patch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    machine.patch.setattr(torch.cuda, "is_available", lambda: False)


@broken("FAIL", "device", "RuntimeError: CUDA unknown error", "Update the driver", "-p device cpu")
def a_driver_that_is_broken(machine):
    def fails():
        raise RuntimeError("CUDA unknown error - this may be due to an incorrectly set up\ndriver")

    machine.patch.setattr(torch.cuda, "is_available", fails)


@broken("FAIL", "device", "NotImplementedError", "Update the driver", "-p device cpu")
def a_device_that_cannot_compute(machine):
    machine.patch.setattr(device, "choose_device", lambda: torch.device("meta"))


# ------------------------------------------------------------------------------------- kernel


def kernel(machine, description):
    path = machine.folder / "jupyter" / "kernels" / "python3" / "kernel.json"
    path.parent.mkdir(parents=True)
    content = description if isinstance(description, bytes) else json.dumps(description).encode()
    path.write_bytes(content)


def starts(python, *arguments):
    arguments = arguments or ("-m", "ipykernel_launcher", "-f", "{connection_file}")
    return {"argv": [str(python), *arguments], "display_name": "Python 3", "language": "python"}


DELETE = ("Delete the folder", "kernels/python3, then: python -m ipykernel install --sys-prefix")


@broken("FAIL", "Jupyter kernel", "python3 starts /gone/bin/python, which can't be start", *DELETE)
def a_kernel_whose_python_is_gone(machine):
    kernel(machine, starts("/gone/bin/python"))


@broken("FAIL", "Jupyter kernel", "python3 starts python2.6, which can't be started", *DELETE)
def a_kernel_whose_python_is_not_on_the_path(machine):
    kernel(machine, starts("python2.6"))


@broken("FAIL", "Jupyter kernel", "not /", *DELETE)
def a_kernel_of_another_environment(machine):
    """Whose Python is a link to the same file."""
    python = machine.folder / "other" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(Path(sys.executable).resolve())
    kernel(machine, starts(python))


@broken("FAIL", "Jupyter kernel", "its description can't be read", *DELETE)
def a_kernel_with_a_torn_description(machine):
    kernel(machine, b'{"argv": ["pyth')


@broken("FAIL", "Jupyter kernel", "its description can't be read. UnicodeDecodeError", *DELETE)
def a_kernel_with_a_description_in_another_encoding(machine):
    kernel(machine, b'{"argv": ["caf\xe9"]}')


@broken("FAIL", "Jupyter kernel", "its description can't be read", *DELETE)
def a_kernel_that_starts_nothing(machine):
    kernel(machine, {"argv": [], "display_name": "Python 3"})


@broken("FAIL", "Jupyter kernel", "its description can't be read", *DELETE)
def a_kernel_described_by_a_list(machine):
    kernel(machine, ["python"])


@broken("FAIL", "Jupyter kernel", "python3 does not start. RuntimeError: Kernel died", "ipykernel")
def a_kernel_that_dies(machine):
    kernel(machine, starts("python", "-c", "raise SystemExit(1)"))


@broken("FAIL", "Jupyter kernel", "ModuleNotFoundError", "pip install --force-reinstall ipykernel")
def no_ipykernel(machine):
    machine.patch.setitem(sys.modules, "ipykernel.kernelspec", None)


# --------------------------------------------------------------------------------------- data


@broken("FAIL", "data", "FashionMNIST/raw (FMNIST_DATA)", "is torn or altered", "Delete this file")
def a_torn_file(machine):
    (paths.raw_folder(machine.data) / "t10k-labels-idx1-ubyte.gz").write_bytes(b"torn")


@broken("FAIL", "data", "(FMNIST_DATA)", "is no folder", "Correct it")
def a_data_folder_that_is_a_file(machine):
    (machine.folder / "file").write_text("")
    machine.patch.setenv("FMNIST_DATA", str(machine.folder / "file"))


@broken("FAIL", "data", "(FMNIST_DATA)", "There is no folder", "Correct it")
def a_data_folder_that_is_not_there(machine):
    machine.patch.setenv("FMNIST_DATA", str(machine.folder / "misspelt"))


@broken("FAIL", "data", f"{ROOT}{os.sep}", "There is no folder", "Correct it")
def a_relative_data_folder(machine):
    """Which counts from the project, and that is what is said."""
    machine.patch.setenv("FMNIST_DATA", "somewhere")


@broken("FAIL", "data", "~nobody-of-this-name", "There is no folder", "Correct it")
def a_home_that_nobody_has(machine):
    machine.patch.setenv("FMNIST_DATA", "~nobody-of-this-name/data")


@broken("FAIL", "data", "(FMNIST_DATA)", "can't be read: Permission denied", "Ask the owner")
def a_data_folder_that_may_not_be_read(machine):
    real = os.stat

    def stat(path, *given, **options):
        if str(path).startswith(str(machine.data)):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *given, **options)

    machine.patch.setattr(os, "stat", stat)


@broken("FAIL", "data", "(FMNIST_DATA)", "can't be read: File name too long", "run again")
def a_data_folder_with_a_name_that_is_too_long(machine):
    machine.patch.setenv("FMNIST_DATA", "/" + "x" * 5000)


@broken("FAIL", "data", "(FMNIST_DATA)", "no folder, nor a link to one that is there", "Correct it")
def a_data_folder_that_is_a_link_to_nothing(machine):
    (machine.folder / "link").symlink_to(machine.folder / "nothing")
    machine.patch.setenv("FMNIST_DATA", str(machine.folder / "link"))


@broken("note", "data", "4 of 4 files missing", "downloaded at the first run", "copy the four")
def no_files(machine):
    for path in paths.raw_folder(machine.data).iterdir():
        path.unlink()


# ------------------------------------------------------------------------ folders and the disk


@broken("FAIL", "Jupyter's files", "NotADirectoryError", "set JUPYTER_RUNTIME_DIR")
def a_home_that_can_not_be_written(machine):
    (machine.folder / "home").write_text("")
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "XDG_DATA_HOME"):
        machine.patch.delenv(name, raising=False)
    machine.patch.setenv("HOME", str(machine.folder / "home"))


@broken(
    "FAIL", "work folder", "PermissionError: [Errno 13] Permission denied", "folder of your own"
)
def a_course_that_belongs_to_somebody_else(machine):
    real = tempfile.TemporaryFile

    def refused(*given, dir=None, **options):
        if Path(dir).is_relative_to(ROOT):
            raise PermissionError(13, "Permission denied", str(dir))
        return real(*given, dir=dir, **options)

    machine.patch.setattr(tempfile, "TemporaryFile", refused)


@broken("FAIL", "temporary files", "No usable temporary directory", "set TMPDIR")
def no_folder_for_temporary_files(machine):
    def fails():
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    machine.patch.setattr(tempfile, "gettempdir", fails)


@broken("FAIL", "current folder", "FileNotFoundError", "It has been deleted: change to another")
def a_current_folder_that_is_gone(machine):
    here = machine.folder / "here"
    here.mkdir()
    machine.patch.chdir(here)
    here.rmdir()


@broken("FAIL", "free disk", "0.2 GB", "delete old folders in runs/")
def a_full_disk(machine):
    machine.patch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2e8))


# ------------------------------------------------------------------------------------ browser


def browser(machine, script):
    path = machine.folder / "browser"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    machine.patch.setattr(printing, "find_browser", lambda: str(path))


@broken("note", "browser for PDF", "none found", "typst instead", "install Chromium")
def no_browser(machine):
    pass  # as the machine is


@broken("note", "browser for PDF", "printed no PDF: it ended (1). Please install", "typst instead")
def a_browser_that_is_a_stub(machine):
    browser(machine, "echo 'Please install the snap'; exit 1")


@broken("note", "browser for PDF", "printed no PDF: it did not end", "typst instead")
def a_browser_that_hangs(machine):
    machine.patch.setattr(printing, "TIMEOUT", 1)
    browser(machine, "sleep 60")


@broken("note", "browser for PDF", "printed no PDF: it ended (0)", "snap, can't print")
def a_browser_that_does_not_see_the_folder(machine):
    browser(machine, "exit 0")


@broken("note", "browser for PDF", "can't be started: No such file", "typst instead")
def a_browser_that_is_gone(machine):
    machine.patch.setattr(printing, "find_browser", lambda: "/gone/chromium")


# ---------------------------------------------------------------------------------- the tests


@pytest.mark.skipif(os.name == "nt", reason="links, shell scripts and signals")
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_environment(machine, capsys, name):
    function, status, what, found, remedy = BROKEN[name]
    function(machine)
    assert cli.main(["doctor"]) == (1 if status == "FAIL" else 0)
    printed, errors = capsys.readouterr()
    assert "Traceback" not in printed + errors
    lines = printed.splitlines()
    (number,) = [n for n, line in enumerate(lines) if re.match(rf"{status} +{what}  ", line)]
    assert found in lines[number]
    assert lines[number + 1].lstrip().startswith("→ ")
    for words in remedy:
        assert words in lines[number + 1]
    # Nothing else is wrong, but for a kernel without a folder to start in.
    end = (
        rf"To mend: {what}(, Jupyter kernel)?." if status == "FAIL" else "The course can run here."
    )
    assert re.fullmatch(end, lines[-1]), printed


def test_nothing_is_installed(machine):
    """But click, which `fmnist` itself is made of."""
    code = """
import sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in {"click", "colorama", "fmnist_lib", *sys.stdlib_module_names}:
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Nothing())
from fmnist_lib.course import cli
sys.exit(cli.main(["doctor"]))
"""
    machine.patch.setenv("PYTHONPATH", str(ROOT))  # and the real click
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    printed = done.stdout.decode()
    assert done.returncode == 1 and done.stderr == b"", done.stderr
    assert "FAIL  packages         ModuleNotFoundError" in printed
    assert printed.splitlines()[-1].startswith("To mend: packages, device, ")


@pytest.mark.skipif(os.name == "nt", reason="links, shell scripts and signals")
def test_remedies_without_a_clone_are_those_of_the_student_kit(machine, capsys, monkeypatch):
    monkeypatch.setattr(paths, "course", lambda: None)
    monkeypatch.chdir(machine.folder)
    a_package_that_is_missing(machine)
    a_torchvision_of_another_build(machine)
    (machine.folder / "no folder").write_text("")
    monkeypatch.setattr(paths, "work_folder", lambda: machine.folder / "no folder")
    assert cli.main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "START.html of the student kit" in printed
    assert "-c install/constraints.txt torch torchvision" in printed
    assert "unpack the student kit there" in printed
    for only_in_a_clone in ("-e ", "fmnist student", "browser for PDF", "typst"):
        assert only_in_a_clone not in printed


def test_many_things_at_once(machine, capsys):
    for name in ("a torch for another processor", "a kernel that starts nothing", "a torn file",
                 "a full disk", "a browser that is a stub"):  # fmt: skip
        BROKEN[name][0](machine)
    assert cli.main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "To mend: torch, Jupyter kernel, data, free disk."
    assert not any(re.match(r"\w+ +device ", line) for line in lines)  # it needs torch


def test_a_check_that_fails_is_a_finding(machine, capsys, monkeypatch):
    def fails():
        yield "ok", "first", "found", ""
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(doctor, "CHECKS", {"second": fails, "third": doctor.check_disk})
    assert cli.main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "ok    first" in printed and "FAIL  second           ZeroDivisionError" in printed
    assert "ok    free disk" in printed and printed.endswith("To mend: second.\n")


def test_a_disk_of_its_own_for_temporary_files_that_is_full(machine, capsys, monkeypatch):
    folder = machine.folder / "small"
    folder.mkdir()
    with small_disk(folder, "64k"):
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        assert cli.main(["doctor"]) == 1
        assert list(folder.iterdir()) == []
    printed = capsys.readouterr().out
    assert "FAIL  temporary files  OSError: [Errno 28] No space left" in printed


def test_a_file_of_the_current_folder_is_no_package(machine, capsys, monkeypatch):
    (machine.folder / "here").mkdir()
    (machine.folder / "here" / "seaborn.py").write_text("raise SystemExit('not meant')")
    monkeypatch.chdir(machine.folder / "here")
    assert cli.main(["doctor"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize("value", ["", None])
def test_an_empty_setting_is_none(machine, capsys, monkeypatch, value):
    monkeypatch.setenv("FMNIST_DATA", "") if value == "" else monkeypatch.delenv("FMNIST_DATA")
    monkeypatch.chdir(machine.folder)
    cli.main(["doctor"])
    assert f"{ROOT / 'data' / 'FashionMNIST' / 'raw'} (default)" in capsys.readouterr().out


def test_a_setting_with_a_tilde(machine, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(machine.data.parent))
    monkeypatch.setenv("FMNIST_DATA", f"~/{machine.data.name}")
    assert cli.main(["doctor"]) == 0
    assert f"verified, in {paths.raw_folder(machine.data)}" in capsys.readouterr().out


def test_a_folder_that_may_only_be_read_gets_no_file(machine, capsys):
    before = sorted(machine.data.rglob("*"))
    assert cli.main(["doctor"]) == 0
    assert sorted(machine.data.rglob("*")) == before
    capsys.readouterr()


def test_doctor_on_a_good_machine(data_folder, monkeypatch, capsys):
    """All of it: every package is imported, a kernel is started, a page is printed."""
    monkeypatch.setenv("FMNIST_DATA", str(data_folder))
    assert cli.main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert "Fashion-MNIST, MD5 verified" in printed and "The course can run here." in printed
    names = ("Python", "torch", "device", "dtype", "pyyaml", "Jupyter kernel", "work folder")
    assert all(f"ok    {what}" in printed for what in names)
    if printing.find_browser():
        assert "which prints" in printed


def test_the_readme_says_what_intel_macs_lack():
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert re.search(r"Intel Macs?[^.]* 2\.2", readme)
