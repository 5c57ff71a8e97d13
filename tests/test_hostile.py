"""Files that are broken, or made to do harm: each ends in a CourseError, or is read rightly.

Every file is read in a process that may take 1 GB more than it has and 5 seconds.
"""

import csv
import gzip
import io
import json
import math
import os
import pickle
import re
import signal
import struct
import zipfile
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from conftest import ON_CPU
from forked import FORKS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fmnist_lib import checkpoints, train
from fmnist_lib.data import Split
from fmnist_lib.errors import CourseError
from fmnist_lib.model import Net
from fmnist_lib.recipe import Recipe
from fmnist_lib.storage import csv as stored_csv
from fmnist_lib.storage import idx as stored_idx
from fmnist_lib.storage.paths import raw_folder

pytestmark = pytest.mark.skipif(FORKS is None, reason="Windows limits no process's memory")
SECONDS, BYTES = 5, 2**30
MADE_UP = settings(  # the same cases in every run
    max_examples=45, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip


def limit():
    import resource

    torch.set_num_threads(1)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    allowed = pages * resource.getpagesize() + BYTES
    resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))


def attempt(read, path):
    """What `read` makes of a file: ("right", value), ("refused", message) or another error."""

    def too_late(*_):
        raise TimeoutError(f"over {SECONDS} seconds")

    signal.signal(signal.SIGALRM, too_late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        return "right", read(path)
    except CourseError as error:
        return "refused", str(error)
    except BaseException as error:
        return "wrong", f"{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.fixture(scope="module")
def outcome():
    """`attempt` in a process with limits."""
    with ProcessPoolExecutor(1, FORKS, limit) as pool:
        yield lambda read, path: pool.submit(attempt, read, path).result(60)


def check(result, message=None):
    """It was refused, with a message that says which file and is not endless."""
    kind, said = result
    assert kind == "refused", result
    assert len(said) < 2000 and (message or "") in said, said


# --------------------------------------------------------------------------------------- idx


def idx(shape, content=None, magic=b"\0\0\x08", dimensions=None):
    header = magic + bytes([len(shape) if dimensions is None else dimensions])
    header += b"".join(struct.pack(">I", size) for size in shape)
    return header + (bytes(math.prod(shape)) if content is None else content)


def read_idx(path):
    return stored_idx.read(path).tolist()


ZEROS = gzip.compress(bytes(10_000_000))
BAD_IDX = {
    "empty": b"",
    "gzip of nothing": gzip.compress(b""),
    "gzip header only": gzip.compress(idx((2, 3)))[:10],
    "torn gzip": gzip.compress(idx((200, 28, 28), os.urandom(200 * 784)))[:-2000],
    "gzip with a wrong checksum": gzip.compress(idx((2, 3)))[:-8] + bytes(8),
    "garbage in the gzip": gzip.compress(idx((2, 3)))[:10] + b"\xff" * 50,
    "a web page": b"<html>Please log in</html>",
    "magic of floats": gzip.compress(idx((2, 3), magic=b"\0\0\x0d")),
    "magic not zero": gzip.compress(idx((2, 3), magic=b"\1\0\x08")),
    "half a magic": gzip.compress(b"\0\0"),
    "no dimension": gzip.compress(idx((), b"\0")),
    "four dimensions": gzip.compress(idx((1, 1, 1, 1))),
    "255 dimensions": gzip.compress(idx((1,), dimensions=255)),
    "half a header": gzip.compress(idx((1, 1), b"", dimensions=3)),
    "2³¹ images": gzip.compress(idx((2**31, 28, 28), b"")),
    "2³² - 1, or -1": gzip.compress(idx((2**32 - 1, 28, 28), b"")),
    "an overflow to 0": gzip.compress(idx((2**16, 2**16, 2**32 - 1), b"")),
    "just too many": gzip.compress(idx((stored_idx.LARGEST + 1,), b"")),
    "no images": gzip.compress(idx((0, 28, 28))),
    "no rows": gzip.compress(idx((10, 0, 28))),
    "one value less": gzip.compress(idx((2, 3), bytes(5))),
    "one value more": gzip.compress(idx((2, 3), bytes(7))),
    "as many as there may be, but none is there": gzip.compress(idx((stored_idx.LARGEST,), b"")),
    "a bomb of 10 GB": gzip.compress(idx((2, 3))) + ZEROS * 1000,
    "garbage behind": gzip.compress(idx((2, 3))) + b"garbage",
    "gzip in a gzip": gzip.compress(gzip.compress(idx((2, 3)))),
    "unpacked, half a magic": b"\0\0",
    "unpacked, half a header": idx((1, 1), b"", dimensions=3),
    "unpacked, magic of floats": idx((2, 3), magic=b"\0\0\x0d"),
    "unpacked, an overflow to 0": idx((2**16, 2**16, 2**32 - 1), b""),
    "unpacked, one value less": idx((2, 3), bytes(5)),
    "unpacked, one value more": idx((2, 3), bytes(7)),
    "unpacked, none of them is there": idx((stored_idx.LARGEST,), b""),
    "a ZIP": b"PK\3\4" + bytes(100),
    "a byte": b"\x1f",
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_IDX)
def test_bad_idx(outcome, tmp_path, name):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(BAD_IDX[name])
    check(outcome(read_idx, path), str(path))


@pytest.mark.parametrize("packed", [gzip.compress, bytes])
@pytest.mark.parametrize("shape", [(1,), (2, 3), (3, 28, 28), (1000, 28, 28)], ids=str)
def test_good_idx(outcome, tmp_path, shape, packed):
    content = os.urandom(math.prod(shape))
    path = tmp_path / "good.gz"
    path.write_bytes(packed(idx(shape, content)))
    kind, values = outcome(read_idx, path)
    assert kind == "right" and torch.tensor(values).shape == shape
    assert bytes(torch.tensor(values).flatten().tolist()) == content


SIZES = st.sampled_from([0, 1, 2, 3, 5, 28, 784, 2**16, 2**31 - 1, 2**31, 2**32 - 1])


@MADE_UP
@given(
    magic=st.sampled_from([b"\0\0\x08"] * 3 + [b"\0\0\x09", b"\0\x08\0"]) | st.binary(max_size=3),
    dimensions=st.integers(0, 4) | st.integers(0, 255),
    sizes=st.lists(SIZES, max_size=4),
    content=st.binary(max_size=40),
    cut=st.integers(-6, 0),
    pack=st.sampled_from([gzip.compress, bytes]),
)
def test_made_up_idx(outcome, tmp_path, magic, dimensions, sizes, content, cut, pack):
    path = tmp_path / "made_up.gz"
    raw = idx(sizes, content, magic, dimensions)
    packed = pack(raw)
    path.write_bytes(packed[: len(packed) + cut])
    if pack is bytes:
        raw, cut = path.read_bytes(), 0
    kind, value = outcome(read_idx, path)
    if kind == "right":
        count = raw[3]
        shape = struct.unpack(f">{count}I", raw[4 : 4 + 4 * count])
        assert torch.tensor(value).shape == shape and cut == 0
        assert bytes(torch.tensor(value).flatten().tolist()) == raw[4 + 4 * count :]
    else:
        check((kind, value))


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        ((3, 28, 28), (2,), "N images of 28 × 28 and N labels"),
        ((3, 27, 28), (3,), "N images of 28 × 28 and N labels"),
        ((3, 784), (3,), "N images of 28 × 28 and N labels"),
        ((3, 28, 28), (3, 1), "N images of 28 × 28 and N labels"),
        ((3, 28, 28), bytes([1, 10, 2]), "has a label 10. Labels are 0 to 9"),
        ((3, 28, 28), bytes([255, 0, 0]), "has a label 255. Labels are 0 to 9"),
    ],
)
def test_images_and_labels_that_do_not_fit(tmp_path, images, labels, message):
    folder = raw_folder(tmp_path)
    folder.mkdir(parents=True)
    labels = idx((3,), labels) if isinstance(labels, bytes) else idx(labels)
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    with pytest.raises(CourseError, match=message):
        stored_idx.read_part(tmp_path, "t10k")


# --------------------------------------------------------------------------------------- CSV


HEADER = ",".join(stored_csv.COLUMNS)
ROWS = [[label, *((7 * label + pixel) % 256 for pixel in range(784))] for label in range(4)]
LINES = [HEADER, *(",".join(map(str, row)) for row in ROWS)]
GOOD = "\n".join(LINES) + "\n"


def with_cell(text, line=2, column=5):
    lines = [one.split(",") for one in LINES]
    lines[line][column] = text
    return "\n".join(",".join(one) for one in lines) + "\n"


def read_csv(path):
    images, labels = stored_csv.read(path)
    return torch.cat([labels[:, None], images.flatten(1).long()], dim=1).tolist()


BAD_CSV = {
    "empty": "",
    "only a byte order mark": "\ufeff",
    "no header": "\n".join(LINES[1:]),
    "no rows": HEADER + "\n",
    "784 columns": "\n".join(line.rpartition(",")[0] for line in LINES),
    "an index in front": "\n".join(f"0,{line}" for line in LINES),
    "columns in another order": GOOD.replace("pixel1,pixel2,", "pixel2,pixel1,", 1),
    "a column twice": GOOD.replace("pixel2,", "pixel1,", 1),
    "a million columns": ",".join(f"c{i}" for i in range(10**6)) + "\n",
    "a million values in a line": GOOD + ",".join(["1"] * 10**6) + "\n",
    "a short line": GOOD + "1,2,3\n",
    "a long line": GOOD + LINES[1] + ",5\n",
    "a long first line": "\n".join([LINES[0], LINES[1] + ",5", LINES[2]]),
    "all lines long": "\n".join([LINES[0], *(line + ",5" for line in LINES[1:])]),
    "semicolons": GOOD.replace(",", ";"),
    "tabs": GOOD.replace(",", "\t"),
    "two tables": GOOD + GOOD,
    "a sum at the end": GOOD + "total" + ",0" * 784 + "\n",
    "an open quote": with_cell('"5'),
    "an open quote in the header": '"' + GOOD,
    "binary": bytes(range(256)) * 40,
    "UTF-16": GOOD.encode("utf-16"),
    "Latin-1": with_cell("é").encode("latin-1"),
    "zeros": bytes(100_000),
    "a zero byte": with_cell("\0"),
    "gzip": gzip.compress(GOOD.encode()),
    "a web page": "<html>Please log in</html>",
    "JSON": json.dumps({"label": [1], "pixel1": [2]}),
    "one endless line": "1" * 5_000_000,
    "an endless value": with_cell("1" * 5_000_000),
}
BAD_VALUES = (
    "", " ", "NaN", "nan", "None", "NA", "inf", "-1", "256", "1000", "9" * 30, "1.5", "0x10", "1_0",
    "true", "grey", "5 6", "=1+1", "=cmd|' /C calc'!A0", "@SUM(A1)", "#REF!", "$5", "5%",
    "2020-01-01",
)  # fmt: skip
BAD_CSV |= {f"a value {text!r}": with_cell(text) for text in BAD_VALUES}
for text in ("10", "255", "-1", "Bag", ""):
    BAD_CSV[f"a label {text!r}"] = with_cell(text, column=0)


@pytest.mark.parametrize("name", BAD_CSV)
def test_bad_csv(outcome, tmp_path, name):
    path = tmp_path / "images.csv"
    content = BAD_CSV[name]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    check(outcome(read_csv, path), str(path))


def test_a_csv_that_is_far_too_large(outcome, tmp_path):
    path = tmp_path / "images.csv"
    path.write_text(GOOD)
    os.truncate(path, 2**40)  # most of it takes no place on the disk
    check(outcome(read_csv, path), "bytes; 300,000,000 are enough")


GOOD_CSV = {
    "as written": GOOD,
    "a byte order mark": "\ufeff" + GOOD,
    "Windows line ends": GOOD.replace("\n", "\r\n"),
    "both": "\ufeff" + GOOD.replace("\n", "\r\n"),
    "quotes, as R writes them": "\n".join('"' + x.replace(",", '","') + '"' for x in LINES),
    "no line end at the end": GOOD.rstrip(),
    "empty lines at the end": GOOD + "\n\n",
}


@pytest.mark.parametrize("name", GOOD_CSV)
def test_good_csv(outcome, tmp_path, name):
    path = tmp_path / "images.csv"
    path.write_bytes(GOOD_CSV[name].encode())
    assert outcome(read_csv, path) == ("right", ROWS)


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["insert", "delete", "replace"]),
        st.integers(0, len(GOOD) - 1),
        st.text(max_size=6) | st.sampled_from([",", "\n", '"', "\r", "0", "255", "\0", "\ufeff"]),
    ),
    min_size=1,
    max_size=3,
)


@MADE_UP
@given(EDITS)
def test_made_up_csv(outcome, tmp_path, edits):
    text = GOOD
    for what, place, piece in edits:
        end = place if what == "insert" else place + max(len(piece), 1)
        text = text[:place] + ("" if what == "delete" else piece) + text[end:]
    path = tmp_path / "images.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    kind, value = outcome(read_csv, path)
    if kind == "right":  # as a reader that knows nothing of pandas sees it
        lines = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
        rows = [[float(x) for x in row] for row in list(lines)[1:] if row]  # 1e2 is one, too
        assert value == rows and all(0 <= x <= 255 for row in rows for x in row)
    else:
        check((kind, value))


# ------------------------------------------------------------------------------- checkpoints


SMALL = Split(torch.zeros(60, 28, 28, dtype=torch.uint8), torch.arange(60) % 10, "synthetic")
RECIPE = Recipe(epochs=2, batch_size=30)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A checkpoint after one epoch of two."""
    path = tmp_path_factory.mktemp("trained") / "checkpoint.pt"
    next(train.fit(Net(), SMALL, SMALL, RECIPE, checkpoint=path, **ON_CPU))
    return path


def load(path):
    model, state = checkpoints.load_model(path)
    return [w.isfinite().all().item() for w in model.parameters()], state["best"]["epoch"]


def resume(path):
    run = train.fit(Net(), SMALL, SMALL, RECIPE, checkpoint=path, resume=True, **ON_CPU)
    return [row.train_loss for row in run]


class Code:
    """A pickle that leaves a file behind when it is read by a careless reader."""

    def __init__(self, path, how):
        self.path, self.how = str(path), how

    def __reduce__(self):
        if self.how == "os.system":
            return os.system, (f"touch {self.path}",)
        if self.how == "open":
            return open, (self.path, "w")
        return eval, (f"open({self.path!r}, 'w')",)


@pytest.mark.parametrize("how", ["os.system", "open", "eval"])
@pytest.mark.parametrize("form", ["zip", "legacy", "pickle", "in a checkpoint"])
def test_code_in_a_checkpoint_never_runs(outcome, trained, tmp_path, form, how):
    path, evil = tmp_path / "checkpoint.pt", Code(tmp_path / "ran", how)
    if form == "pickle":
        path.write_bytes(pickle.dumps(evil))
    elif form == "in a checkpoint":
        torch.save(torch.load(trained) | {"random": evil}, path)
    else:
        torch.save(evil, path, _use_new_zipfile_serialization=form == "zip")
    check(outcome(load, path), str(path))
    check(outcome(resume, path), str(path))
    assert not (tmp_path / "ran").exists()


def zipped(entries, claim=None, compression=zipfile.ZIP_DEFLATED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, value in entries.items():
            archive.writestr(f"archive/{name}", value)
        if claim:
            archive.infolist()[-1].file_size = claim
    return content.getvalue()


def repacked(path, changes):
    """A checkpoint with other content in some of its entries."""
    with zipfile.ZipFile(path) as archive:
        entries = {x.filename.partition("/")[2]: archive.read(x) for x in archive.infolist()}
    return zipped(entries | changes, compression=zipfile.ZIP_STORED)


EMPTY_PICKLE = pickle.dumps({}, protocol=2)
BAD_ARCHIVES = {
    "empty": lambda good: b"",
    "text": lambda good: b"this is no checkpoint",
    "half": lambda good: good.read_bytes()[: good.stat().st_size // 2],
    "without its end": lambda good: good.read_bytes()[:-100],
    "zeros": lambda good: bytes(good.stat().st_size),
    "a zip of nothing": lambda good: zipped({}),
    "a zip of a text": lambda good: zipped({"readme.txt": "hello"}),
    "an empty state": lambda good: zipped({"data.pkl": EMPTY_PICKLE, "version": "3\n"}),
    "a torn pickle": lambda good: repacked(good, {"data.pkl": b"\x80\x02}q\x00"}),
    "an endless pickle": lambda good: repacked(good, {"data.pkl": b"\x80\x02" + b"(" * 3_000_000}),
    "weights that are missing": lambda good: repacked(good, {"data/0": b""}),
    "weights that are too short": lambda good: repacked(good, {"data/0": b"1234"}),
    "a bomb of 600 MB": lambda good: zipped(
        {f"data/{i}": bytes(20_000_000) for i in range(30)} | {"data.pkl": EMPTY_PICKLE}
    ),
    "a claim of 1 TB": lambda good: zipped(
        {"data.pkl": EMPTY_PICKLE, "version": "3\n", "data/0": b"1"}, claim=2**40
    ),
    "one byte of the weights altered": lambda good: _flipped(good.read_bytes(), 500_000),
}


def _flipped(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("name", BAD_ARCHIVES)
def test_bad_archives(outcome, trained, tmp_path, name):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(BAD_ARCHIVES[name](trained))
    kind = r"torn or is no checkpoint of this course|no checkpoint of this version of the course"
    result = outcome(load, path)
    check(result)
    assert re.search(f"checkpoint.pt is ({kind})", result[1])


def put(*keys, value):
    """A change of a state: `value` at the place that the keys lead to."""

    def change(state):
        for key in keys[:-1]:
            state = state[key]
        state[keys[-1]] = value

    return change


WEIGHT = ("best", "model", "conv1.weight")
BAD_STATES = {
    "another network": put("network", value="ResidualNet"),
    "an unknown network": put("network", value="VGG"),
    "no name of a network": put("network", value=["Net"]),
    "arguments that it does not take": put("arguments", "width", value=8),
    "arguments that are none": put("arguments", value=[8]),
    "arguments without names": put("arguments", value={1: 2}),
    "a network of 11 TB": lambda state: state.update(
        network="ResidualNet", arguments={"width": 100_000}
    ),
    "a width of words": lambda state: state.update(
        network="ResidualNet", arguments={"width": "wide"}
    ),
    "a width below nothing": lambda state: state.update(
        network="ResidualNet", arguments={"width": -8}
    ),
    "no source": put("source", value=None),
    "no recipe": put("recipe", value=None),
    "a recipe that makes no sense": put("recipe", "epochs", value=0),
    "a recipe of another course": put("recipe", "optimizer", value="Adam"),
    "no best": put("best", value=None),
    "no weights": put("best", "model", value=None),
    "weights in a list": put("best", "model", value=[1, 2]),
    "a weight too many": put("best", "model", "conv9.weight", value=torch.zeros(1)),
    "weights of another shape": put(*WEIGHT, value=torch.zeros(20, 1, 3, 3)),
    "weights that are no tensor": put(*WEIGHT, value="weights"),
    "NaN": put(*WEIGHT, value=torch.full((20, 1, 5, 5), math.nan)),
    "one infinity": put(*WEIGHT, 0, 0, 0, 0, value=math.inf),
    "a trillion weights in four bytes": put(*WEIGHT, value=torch.zeros(1).expand(10**12)),
    "weights without memory": put(*WEIGHT, value=torch.zeros(20, 1, 5, 5, device="meta")),
    "an epoch that is no number": put("best", "epoch", value="last"),
    "no history": put("history", value=None),
    "a history of words": put("history", value=["good"]),
    "an epoch without a loss": put("history", 0, "train_loss", value=None),
    "an epoch with words for numbers": put("history", 0, "validation_accuracy", value="good"),
    "an epoch with more than it has": put("history", 0, "colour", value=1),
}  # fmt: skip


def saved(trained, path, change):
    state = torch.load(trained)
    change(state)
    torch.save(state, path)


@pytest.mark.parametrize("name", BAD_STATES)
def test_bad_states(outcome, trained, tmp_path, name):
    path = tmp_path / "checkpoint.pt"
    saved(trained, path, BAD_STATES[name])
    check(outcome(load, path), str(path))


BAD_TO_RESUME = {
    "other data": put("source", value="zalando"),
    "more data": put("train_images", value=61),
    "another number format": put("dtype", value="torch.bfloat16"),
    "another recipe": put("recipe", "seed", value=1),
    "no recipe": put("recipe", value=None),
    "no optimizer": put("optimizer", value=None),
    "no weights to go on with": lambda state: state.pop("model"),
    "no scheduler at all": lambda state: state.pop("scheduler"),
    "an optimizer of another network": put("optimizer", "param_groups", value=[]),
    "momentum of another shape": put(
        "optimizer", "state", 0, "momentum_buffer", value=torch.zeros(3)
    ),
    "momentum that is no tensor": put("optimizer", "state", 0, "momentum_buffer", value="much"),
    "no scheduler": put("scheduler", value=None),
    "no random numbers": put("random", value=None),
    "random numbers that are none": put("random", value=torch.zeros(3)),
    "weights of another shape": put("model", "fc2.bias", value=torch.zeros(3)),
}


@pytest.mark.parametrize("name", BAD_TO_RESUME)
def test_bad_to_resume(outcome, trained, tmp_path, name):
    path = tmp_path / "checkpoint.pt"
    saved(trained, path, BAD_TO_RESUME[name])
    check(outcome(resume, path), str(path))


def test_good_checkpoint(outcome, trained, tmp_path):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(trained.read_bytes())
    assert outcome(load, path) == ("right", ([True] * 8, 1))
    kind, losses = outcome(resume, path)
    assert kind == "right" and len(losses) == 2


@MADE_UP
@given(
    place=st.floats(0, 1), near_the_end=st.booleans(),
    piece=st.binary(min_size=1, max_size=8), cut=st.booleans(),
)  # fmt: skip
def test_made_up_archives(outcome, trained, tmp_path, place, near_the_end, piece, cut):
    """Altered or cut anywhere: it is refused, unless nothing that is read has changed."""
    content = trained.read_bytes()
    size = len(content)
    start = int(place * (2000 if near_the_end else size - 9)) + (size - 2009) * near_the_end
    changed = content[:start] + piece + (b"" if cut else content[start + len(piece) :])
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(changed)
    result = outcome(load, path)
    if result[0] == "right":
        assert result == ("right", ([True] * 8, 1))
    else:
        check(result)


PLACES = [
    ("network",), ("arguments",), ("source",), ("train_images",), ("dtype",), ("recipe",),
    ("recipe", "seed"), ("recipe", "epochs"), ("recipe", "flip"), ("best",), ("best", "model"),
    WEIGHT, ("best", "epoch"), ("history",), ("history", 0), ("history", 0, "epoch"),
    ("history", 0, "seconds"), ("model",), ("model", "fc1.bias"), ("optimizer",),
    ("optimizer", "state"), ("optimizer", "param_groups"), ("optimizer", "param_groups", 0, "lr"),
    ("scheduler",), ("scheduler", "last_epoch"), ("random",), ("averaged",),
]  # fmt: skip
VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.lists(st.integers(0, 3), max_size=3)
    | st.dictionaries(st.text(max_size=3), st.integers(0, 3), max_size=2)
    | st.builds(torch.zeros, st.integers(0, 5))
)  # fmt: skip


@MADE_UP
@given(st.sampled_from(PLACES), VALUES)
def test_made_up_states(outcome, trained, tmp_path, place, value):
    path = tmp_path / "checkpoint.pt"
    saved(trained, path, put(*place, value=deepcopy(value)))
    for read in (load, resume):
        kind, said = outcome(read, path)
        assert kind in ("right", "refused"), (read.__name__, said)
