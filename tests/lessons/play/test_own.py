"""What the network says of a photo or a drawing, without a browser."""

import base64
import copy
import io
import re

import numpy as np
import pytest
import torch
from garments import BAG, TROUSER
from photos import UPRIGHT, garment, saved
from PIL import Image, ImageDraw
from playing import assert_figure_stays, widgets_of

from fmnist_lib.data import CLASS_NAMES
from fmnist_lib.lessons import own_images, photo, play
from fmnist_lib.lessons.play import confusions, kernels
from fmnist_lib.lessons.play import own as own_play
from fmnist_lib.lessons.play.parts import message
from fmnist_lib.model import Net

TURN = {"turns": 0, "crop": [0, 0, 1, 1], "other_way": False}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mine"


@pytest.fixture
def own(drawn, published_net, folder):
    return play.try_your_own(published_net, drawn[1].images[0], folder)


@pytest.fixture
def asked(own, monkeypatch):
    return asking(own, monkeypatch)


def asking(own, monkeypatch):
    """A function that sends a file as the browser does, and returns the answer."""
    answers = []
    (canvas,) = widgets_of(own.widget, "Canvas")
    monkeypatch.setattr(canvas, "send", answers.append)

    def ask(content, name="photo.jpg", drawing=False, **edits):
        turn = len(answers) + 1
        given = {"what": "ask", "turn": turn, "name": name, "drawing": drawing} | TURN | edits
        before = len(answers)
        canvas._handle_custom_msg(given, [memoryview(content)])
        answer, *map_of_it = answers[before:]
        assert answer.keys() == {"turn", "said", "steps", "preview", "kept"}
        assert [each.keys() for each in map_of_it] == [{"turn", "map"}] * answer["kept"]
        assert all(each["turn"] == turn for each in answers[before:])
        return answer | {"map": "".join(each["map"] for each in map_of_it)}

    return ask


def captions(answer):
    return re.findall("<figcaption>(.*?)</figcaption>", answer["steps"])


def pictures(answer):
    found = re.findall('base64,([^"]+)', answer["steps"] + answer["map"])
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(each)))) for each in found]


def test_a_photo_goes_through_the_steps(asked):
    answer = asked(UPRIGHT["turned, with EXIF"])
    assert answer["kept"] and answer["preview"].startswith("data:image/png")
    first = re.escape(TROUSER)
    assert re.fullmatch(rf"{first} \d+\.\d%, .+ \d+\.\d%, .+ \d+\.\d%", answer["said"])
    assert captions(answer) == [
        "photo", "grey", "inverted: the garment is brighter now", "background 0, trimmed",
        "28 × 28, what the network gets",
    ]  # fmt: skip
    assert "loses when the 7 × 7 pixels" in answer["map"] and len(pictures(answer)) == 6


@pytest.mark.parametrize("ink, ground", [("navy", "white"), ("white", "black")])
def test_each_step_is_shown_as_it_is(asked, ink, ground):
    """A step that is called inverted looks inverted, and another one does not."""
    answer = asked(saved(garment(background=ground, ink=ink)))
    _, grey, third, *_ = [each.astype(int) for each in pictures(answer)]
    inverted = captions(answer)[2].startswith("inverted")
    assert inverted == (ground == "white")
    assert np.abs(third - (255 - grey if inverted else grey)).max() <= 1
    last = pictures(answer)[4]
    assert last[0, 0].max() == 0 and last.max() > 200  # black as it is kept


def test_a_photo_is_turned_cut_out_and_inverted_the_other_way(asked):
    lying = saved(garment().rotate(90, expand=True))
    upright = asked(saved(garment()))["said"]
    assert asked(lying)["said"] != upright and asked(lying, turns=1)["said"] == upright
    double = Image.new("RGB", (600, 400), "white")
    double.paste(garment(), (0, 0))
    ImageDraw.Draw(double).rectangle([340, 20, 580, 380], fill="black")
    answer = asked(saved(double), crop=[0, 0, 0.5, 1])
    assert answer["said"] == upright
    other = asked(saved(garment(background="#96785a")), other_way=True)
    assert captions(other)[2].startswith("not inverted")
    empty = asked(saved(garment()), crop=[0.5, 0.5, 0.5, 0.5])
    assert "has no pixel" in empty["said"] and empty["preview"] and not empty["kept"]


def stroke(width, *points):
    image = Image.new("RGB", (224, 224), "white")
    if points:
        ImageDraw.Draw(image).line(points, "black", width)
    return saved(image)


def test_a_drawing_is_answered(asked):
    answer = asked(stroke(60, (110, 40), (110, 190)), "the drawing", drawing=True)
    assert answer["kept"] and answer["preview"] == "" and "%" in answer["said"]


@pytest.mark.parametrize("points", [(), ((20, 20), (200, 20)), ((30, 30), (32, 30))])
def test_a_drawing_of_nothing_is_refused_and_its_steps_are_shown(asked, points):
    answer = asked(stroke(2, *points), "the drawing", drawing=True)
    assert answer["said"].startswith("In the drawing nothing stands out from the background")
    assert answer["said"].endswith("Draw it larger, with a thicker pen, and fill it in.")
    assert not answer["kept"] and captions(answer)[:2] == ["drawing", "grey"]


def test_each_file_gets_an_answer_of_its_own(asked):
    first = asked(UPRIGHT["dark on light"])
    broken = asked(b"", "<b>.png")
    assert broken["said"] == (
        "<b>.png is no image that can be read. Give a JPEG, PNG, GIF, WebP or BMP file."
    )  # the page takes it as a text
    assert not broken["kept"] and pictures(broken) == []
    assert "nothing stands out from the background" in asked(saved(garment(ink="white")))["said"]
    assert asked(UPRIGHT["dark on light"])["steps"] == first["steps"]


# ------------------------------------------------------------------------------ the occlusion map


def test_the_map_lies_over_the_garment_and_has_a_key(asked):
    answer = asked(UPRIGHT["dark on light"])
    assert re.search(r"<span>−(\d+)%</span>.*<span>\+\1%</span>", answer["map"])
    *_, last, shown = pictures(answer)
    assert shown.shape == (28, 28, 3) and (shown[:, 0] > 150).all()  # beside it paper
    assert last.shape == (112, 112, 3)
    colour = shown.max(axis=2).astype(int) - shown.min(axis=2)
    assert colour.max() > 50 and shown[3, 13].mean() < shown[3, 1].mean()


def test_where_nothing_matters_the_map_stays_pale(drawn, folder, monkeypatch):
    net = Net()
    monkeypatch.setattr(Net, "forward", lambda net, images: images.new_zeros(len(images), 10))
    answer = asking(play.try_your_own(net, drawn[1].images[0], folder), monkeypatch)(
        UPRIGHT["dark on light"]
    )
    assert "−1%" in answer["map"]
    shown = pictures(answer)[-1]
    assert (shown.max(axis=2) == shown.min(axis=2)).all()  # grey


# -------------------------------------------------------------------------------- the network


def test_a_network_that_fails_says_so(drawn, folder, monkeypatch):
    own = play.try_your_own(Net(), drawn[1].images[0], folder)
    monkeypatch.setattr(Net, "forward", lambda net, images: images @ torch.zeros(3, 3))
    answer = asking(own, monkeypatch)(UPRIGHT["dark on light"])
    assert answer["said"].startswith("The network can't answer. RuntimeError: ")
    assert len(captions(answer)) == 5


def test_a_network_that_fails_on_many_images_answers_one(drawn, folder, monkeypatch):
    def forward(net, images):
        if len(images) > 1:
            raise RuntimeError("too many")
        return images.new_zeros(1, 10)

    own = play.try_your_own(Net(), drawn[1].images[0], folder)
    monkeypatch.setattr(Net, "forward", forward)
    answer = asking(own, monkeypatch)(UPRIGHT["dark on light"])
    assert answer["kept"] and answer["map"] == message("There is no map. RuntimeError: too many")


@pytest.mark.parametrize("training", [True, False])
def test_playing_leaves_the_network_in_its_mode(drawn, folder, training, monkeypatch):
    net = Net().train(training)
    own = play.try_your_own(net, drawn[1].images[0], folder)
    asking(own, monkeypatch)(UPRIGHT["dark on light"])
    assert net.training is training


def test_it_is_the_network_of_then_that_answers(drawn, published_net, folder, monkeypatch):
    changing = copy.deepcopy(published_net)
    ask = asking(play.try_your_own(changing, drawn[1].images[0], folder), monkeypatch)
    before = ask(UPRIGHT["dark on light"])["said"]
    with torch.no_grad():
        changing.fc2.weight.zero_()
    assert ask(UPRIGHT["dark on light"])["said"] == before


# -------------------------------------------------------------------------------- the gallery


def tell(own, **content):
    (canvas,) = widgets_of(own.widget, "Canvas")
    canvas._handle_custom_msg(content, [])
    return canvas.gallery


def test_what_is_kept_goes_into_files_and_the_gallery(own, asked, folder, drawn, published_net):
    assert tell(own, what="take back") == ""
    asked(UPRIGHT["dark on light"])
    shown = tell(own, what="keep", label=1)
    assert "<b>1 of 1 of your images were recognised.</b>" in shown
    assert f"{TROUSER}<br>right" in shown
    assert tell(own, what="keep", label=1) == shown  # each answer once
    asked(UPRIGHT["dark on light"])
    assert f"{BAG}<br>said {TROUSER}" in tell(own, what="keep", label=8)
    image = photo.as_image(photo.prepare(photo.open_photo(UPRIGHT["dark on light"])))
    kept = own_images.load(folder)
    assert kept.images[0].equal(image[0]) and kept.labels.tolist() == [1, 8]
    assert set(own_images.read(folder)["network"]) == {"Net"}
    later = play.try_your_own(published_net, drawn[1].images[0], folder)  # the cell is run again
    (canvas,) = widgets_of(later.widget, "Canvas")
    assert "<b>1 of 2 of your" in canvas.gallery and canvas.names == [*CLASS_NAMES]
    assert tell(own, what="take back") == shown


def test_what_was_refused_is_not_kept(own, asked, folder):
    asked(UPRIGHT["dark on light"])
    asked(b"", "empty.png")
    assert tell(own, what="keep", label=1) == "" and not folder.exists()


def test_a_gallery_that_is_out_of_order_stops_nothing(drawn, published_net, folder, monkeypatch):
    folder.mkdir()
    (folder / "images.csv").write_text("<b>,x\n1,2\n")
    own = play.try_your_own(published_net, drawn[1].images[0], folder)
    assert asking(own, monkeypatch)(UPRIGHT["dark on light"])["kept"]
    for shown in (tell(own, what="take back"), tell(own, what="keep", label=1)):
        assert "is no table of images" in shown and shown.startswith('<p class="fmnist-message">')


def test_a_figure_stays_beside_it(own, screen):
    assert_figure_stays(own, screen)


@pytest.mark.parametrize("outputs, value", [(10, torch.nan), (20, 0.0), (5, 0.0), (1, 0.0)])
def test_what_is_no_answer_is_not_shown_as_one(drawn, folder, monkeypatch, outputs, value):
    own = play.try_your_own(Net(), drawn[1].images[0], folder)
    (canvas,) = widgets_of(own.widget, "Canvas")
    monkeypatch.setattr(
        Net, "forward", lambda net, images: images.new_full((len(images), outputs), value)
    )
    answer = asking(own, monkeypatch)(UPRIGHT["dark on light"])
    assert "answer should be 10 probabilities" in answer["said"] and not answer["kept"]
    canvas._handle_custom_msg({"what": "keep", "label": 1}, [])
    assert len(own_images.read(folder)) == 0


def test_names_of_classes_are_text_and_no_html(drawn, published_net, folder, monkeypatch):
    names = ('<img src=x onerror="x()">', *CLASS_NAMES[1:])
    for module in (own_images, own_play, confusions, kernels):
        monkeypatch.setattr(module, "CLASS_NAMES", names)
    answer = torch.zeros(10)
    answer[0] = 1
    own_images.keep(drawn[1].images[0], 1, answer, "Net", folder)
    image = torch.zeros(28, 28, dtype=torch.uint8)
    image[5:20, 5:20] = 200
    shown = [
        own_play._gallery(folder),
        own_play._map(image, torch.rand(28, 28), 0),
        confusions._gallery(
            drawn[1], torch.full((len(drawn[1]), 10), 0.1), torch.tensor([0]), [0, 0]
        ),
        kernels._image_and_map(image / 255, torch.rand(26, 26), None, 3, names[0], "blur"),
    ]
    for text in shown:
        assert "&lt;img src=x" in text and "<img src=x" not in text
