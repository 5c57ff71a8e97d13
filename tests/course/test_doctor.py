"""`fmnist doctor` on good and on broken machines."""

from fmnist_lib.course import cli, doctor
from fmnist_lib.storage import paths


def test_doctor_on_a_good_machine(data_folder, monkeypatch, capsys):
    monkeypatch.setenv("FMNIST_DATA", str(data_folder))
    assert cli.main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert "Fashion-MNIST, MD5 verified" in printed and "The course can run here." in printed
    assert all(f"ok    {what}" in printed for what in ("Python", "torch", "device", "dtype"))


def test_doctor_finds_torn_data(data_folder, monkeypatch, capsys):
    (paths.raw_folder(data_folder) / "t10k-labels-idx1-ubyte.gz").write_bytes(b"torn")
    monkeypatch.setenv("FMNIST_DATA", str(data_folder))
    assert cli.main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "FAIL  data" in printed and "is torn" in printed and "To mend: data." in printed


def test_doctor_says_where_missing_data_belongs(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FMNIST_DATA", str(tmp_path))
    assert cli.main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert f"4 of 4 files missing in {paths.raw_folder(tmp_path)}" in printed


def test_doctor_explains_a_torchvision_of_another_build(monkeypatch):
    def broken(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(doctor.importlib, "import_module", broken)
    status, _, found, remedy = doctor.check_package("torchvision")
    assert status == "FAIL" and "torchvision::nms" in found
    assert "different builds" in remedy and "--force-reinstall" in remedy


def test_doctor_without_a_browser(monkeypatch):
    monkeypatch.setattr(doctor, "find_browser", lambda: None)
    status, _, _, remedy = doctor.check_browser()
    assert status == "note" and "install Chromium" in remedy
