"""`fmnist doctor`: what this machine has for the course, and the remedy for what it lacks."""

import importlib
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from fmnist_lib.errors import CourseError
from fmnist_lib.storage import download, paths
from fmnist_lib.versions import PACKAGES

BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge",
    "microsoft-edge",
)  # fmt: skip
BROWSER_PATHS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
DISK_NEEDED = 1  # GB for data and a few runs; the installation itself is there already

Finding = tuple[str, str, str, str]  # "ok", "note" or "FAIL"; what; what was found; remedy


def report() -> bool:
    """Print one line a finding; returns False when something that the course needs is missing."""
    findings = [check_python(), *(check_package(name) for name in PACKAGES)]
    if all(status == "ok" for status, *_ in findings):  # else nothing below could be imported
        findings += [*check_torch(), check_kernel(), check_data()]
    findings += [check_disk(), check_browser()]
    for status, what, found, remedy in findings:
        print(f"{status:4}  {what:16} {found}")
        if remedy:
            print(f"{'':6}{'':16} → {remedy}")
    failed = [what for status, what, _, _ in findings if status == "FAIL"]
    print(f"\nTo mend: {', '.join(failed)}." if failed else "\nThe course can run here.")
    return not failed


def check_python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    fine = sys.version_info >= (3, 11)
    remedy = "" if fine else "Install Python 3.11 or newer."
    return "ok" if fine else "FAIL", "Python", found, remedy


def check_package(name: str) -> Finding:
    try:
        if name not in ("jupyterlab", "papermill"):  # started as programs: no need to import them
            importlib.import_module(name)
        return "ok", name, version(name), ""
    except Exception as error:  # a broken installation can raise anything
        found = f"{type(error).__name__}: {error}".splitlines()[0][:120]
        remedy = "Install again: python -m pip install -c constraints.txt -e '.[dev]'"
        if name == "torchvision":
            remedy = (
                "torch and torchvision come from different builds (a CPU-only torch beside the "
                "usual torchvision, say). Take both from one place: python -m pip install "
                "--force-reinstall --no-deps -c constraints.txt torch torchvision"
            )
        return "FAIL", name, found, remedy


def check_torch() -> list[Finding]:
    try:
        from fmnist_lib.device import choose_device, choose_dtype, device_name

        device = choose_device()
        dtype = str(choose_dtype(device=device)).removeprefix("torch.")
        name = device_name(device)
    except Exception as error:
        return [("FAIL", "device", f"{type(error).__name__}: {error}", "Install torch again.")]
    findings = [("ok", "device", f"{device.type}: {name}", ""), ("ok", "dtype", dtype, "")]
    if device.type == "cpu" and shutil.which("nvidia-smi"):
        findings[0] = ("note", "device", f"cpu: {name}",
                       "nvidia-smi is here, but this torch cannot use the GPU: update the driver, "
                       "or install the torch build for it (pytorch.org, Get started).")  # fmt: skip
    return findings


def check_kernel() -> Finding:
    try:
        from jupyter_client.kernelspec import KernelSpecManager

        spec = KernelSpecManager().get_kernel_spec("python3")
    except Exception as error:
        return ("FAIL", "Jupyter kernel", f"{type(error).__name__}: {error}",
                "python -m pip install --force-reinstall ipykernel")  # fmt: skip
    python = spec.argv[0]
    if Path(python).is_absolute() and not Path(python).samefile(sys.executable):
        return ("FAIL", "Jupyter kernel", f"python3 starts {python}, not {sys.executable}",
                "python -m ipykernel install --sys-prefix")  # fmt: skip
    return "ok", "Jupyter kernel", "python3, this Python", ""


def check_data() -> Finding:
    root = paths.data_root()
    origin = "FMNIST_DATA" if os.environ.get("FMNIST_DATA") else "default"
    place = f"{paths.raw_folder(root)} ({origin})"
    try:
        missing = download.missing(root)
    except (CourseError, OSError) as error:
        return "FAIL", "data", place, str(error)
    if missing:
        return ("note", "data", f"{len(missing)} of 4 files missing in {place}",
                "They are downloaded at the first run; with no network the course draws a "
                "stand-in and says so. Or copy the four .gz files there, or set FMNIST_DATA to "
                "a folder that holds FashionMNIST/raw/.")  # fmt: skip
    return "ok", "data", f"Fashion-MNIST, MD5 verified, in {place}", ""


def check_disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    fine = free >= DISK_NEEDED
    remedy = "" if fine else f"The course wants {DISK_NEEDED} GB free: delete old folders in runs/."
    return "ok" if fine else "FAIL", "free disk", f"{free:.1f} GB", remedy


def find_browser() -> str | None:
    """A Chromium, Chrome or Edge on this machine: its path, or None."""
    on_path = (shutil.which(name) for name in BROWSERS)
    installed = (path for path in BROWSER_PATHS if Path(path).exists())
    return next(filter(None, [*on_path, *installed]), None)


def check_browser() -> Finding:
    path = find_browser()
    if path is None:
        return ("note", "browser for PDF", "none found",
                "Only for printing PDFs: install Chromium, Chrome or Edge.")  # fmt: skip
    try:
        command = [path, "--version"]
        found = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        found = ""
    return "ok", "browser for PDF", found or path, ""
