"""Folders of pictures: formats, modes, sizes and places, and what is refused."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lava_ep.data.own import pictures
from lava_ep.data.own.reading import read_samples
from lava_ep.errors import InputError


def save(path, pixels, mode=None, **options):
    """Save pixels as a picture and return them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.asarray(pixels, np.uint8)
    Image.fromarray(pixels, mode).save(path, **options)
    return pixels


def random_pixels(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def error_line(path, **options):
    """Return the message about pictures that cannot be used."""
    with pytest.raises(InputError) as caught:
        read_samples(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert "expected" in message
    return message


@pytest.fixture
def classes(tmp_path):
    """Return a folder of two classes with two and one grey pictures of 3 x 2, and the pixels."""
    folder = tmp_path / "own"
    return folder, [
        save(folder / "cat" / "1.png", random_pixels(0, 3, 2)),
        save(folder / "cat" / "2.PNG", random_pixels(1, 3, 2)),
        save(folder / "Dog" / "a.bmp", random_pixels(2, 3, 2)),
    ]


def test_class_folders(classes):
    folder, (cat_1, cat_2, dog) = classes
    for litter in (".DS_Store", "cat/.hidden.png", "cat/Thumbs.db", "__MACOSX/cat/._1.png"):
        (folder / litter).parent.mkdir(parents=True, exist_ok=True)
        (folder / litter).write_bytes(b"x")
    data = read_samples(folder)
    np.testing.assert_array_equal(data.train.x, [dog.ravel(), cat_1.ravel(), cat_2.ravel()])
    assert data.train.x.dtype == np.uint8
    assert data.train.y.tolist() == ["Dog", "cat", "cat"]
    assert data.train.names == ("Dog/a.bmp", "cat/1.png", "cat/2.PNG")
    assert (data.test, data.image_shape, data.full_scale) == (None, (3, 2), 255)


@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("Training", "TESTING")])
def test_parts(tmp_path, train, test):
    for part in (train, test):
        for label in ("10", "9"):
            save(tmp_path / part / label / "x.png", np.full((2, 2), int(label) + len(part)))
    data = read_samples(tmp_path)
    assert data.train.y.tolist() == data.test.y.tolist() == [10, 9]
    assert data.train.x[:, 0].tolist() == [10 + len(train), 9 + len(train)]
    assert data.test.x[:, 0].tolist() == [10 + len(test), 9 + len(test)]
    assert data.test.names == (f"{test}/10/x.png", f"{test}/9/x.png")


def test_a_class_may_be_named_train(tmp_path):
    save(tmp_path / "train" / "1.png", np.zeros((2, 2)))
    save(tmp_path / "car" / "1.png", np.ones((2, 2)))
    data = read_samples(tmp_path)
    assert (data.train.y.tolist(), data.test) == (["car", "train"], None)


def read_one(path, **options):
    """Read one picture as a sample to predict, and return it in its shape."""
    data = read_samples(path, labelled=False, **options)
    assert data.train.y is None
    return data.train.x.reshape(data.image_shape)


@pytest.mark.parametrize("ending", ["png", "bmp", "gif", "tif", "TIFF", "pgm", "webp"])
def test_formats_of_grey_pictures(tmp_path, ending):
    options = {"lossless": True} if ending == "webp" else {}
    pixels = save(tmp_path / f"a.{ending}", random_pixels(0, 5, 4), **options)
    np.testing.assert_array_equal(read_one(tmp_path / f"a.{ending}"), pixels)


@pytest.mark.parametrize("ending", ["png", "bmp", "tiff", "ppm", "webp"])
def test_formats_of_coloured_pictures(tmp_path, ending):
    options = {"lossless": True} if ending == "webp" else {}
    pixels = save(tmp_path / f"a.{ending}", random_pixels(0, 5, 4, 3), **options)
    np.testing.assert_array_equal(read_one(tmp_path / f"a.{ending}"), pixels)


@pytest.mark.parametrize("ending", ["jpg", "JPEG"])
def test_jpeg(tmp_path, ending):
    save(tmp_path / f"a.{ending}", np.full((8, 8), 100), quality=95)
    assert (read_one(tmp_path / f"a.{ending}") == 100).all()


def test_modes(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.array([[True, False]])).save(path)
    assert read_one(path).tolist() == [[255, 0]]
    # 16 bits: 65535 becomes 255, rounded.
    Image.fromarray(np.array([[0, 128, 129, 257, 65535]], np.uint16)).save(path)
    assert read_one(path).tolist() == [[0, 0, 1, 1, 255]]
    Image.fromarray(np.array([[0, 257, 65535]], np.uint16)).save(tmp_path / "a.tif")
    assert read_one(tmp_path / "a.tif").tolist() == [[0, 1, 255]]
    (tmp_path / "a.pgm").write_bytes(b"P5 3 1 65535\n" + np.array([0, 257, 65535], ">u2").tobytes())
    assert read_one(tmp_path / "a.pgm").tolist() == [[0, 1, 255]]
    # Transparent places become black, half-transparent ones half as bright.
    pixels = [[[200, 100, 50, 0], [200, 100, 50, 255], [255, 255, 255, 51]]]
    Image.fromarray(np.array(pixels, np.uint8)).save(path)
    assert read_one(path).tolist() == [[[0, 0, 0], [200, 100, 50], [51, 51, 51]]]
    Image.fromarray(np.array([[[200, 0], [200, 255]]], np.uint8)).save(path)
    assert read_one(path).tolist() == [[0, 200]]
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.save(path)
    assert read_one(path).tolist() == [[[10, 20, 30], [40, 50, 60]]]
    palette.save(path, transparency=1)
    assert read_one(path).tolist() == [[[10, 20, 30], [0, 0, 0]]]
    palette.putpalette([10, 10, 10, 40, 40, 40])
    palette.save(path)
    assert read_one(path).tolist() == [[10, 40]]
    Image.fromarray(np.zeros((1, 2, 4), np.uint8), "CMYK").save(tmp_path / "a.jpg")
    assert read_one(tmp_path / "a.jpg").tolist() == [[255, 255]]
    for values in (np.zeros((2, 2), np.int32), np.zeros((2, 2), np.float32)):
        Image.fromarray(values).save(tmp_path / "a.tif")
        assert "8 or 16 bits per channel" in error_line(tmp_path / "a.tif", labelled=False)


def test_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = save(tmp_path / "a.png", random_pixels(0, 3, 2), exif=exif)
    np.testing.assert_array_equal(read_one(tmp_path / "a.png"), np.rot90(pixels, -1))


def test_grey_and_coloured_pictures_together(tmp_path):
    grey = save(tmp_path / "a" / "1.png", random_pixels(0, 3, 2))
    coloured = save(tmp_path / "b" / "1.png", random_pixels(1, 3, 2, 3))
    data = read_samples(tmp_path)
    assert data.image_shape == (3, 2, 3)
    np.testing.assert_array_equal(data.train.x[0].reshape(3, 2, 3), np.dstack([grey] * 3))
    np.testing.assert_array_equal(data.train.x[1].reshape(3, 2, 3), coloured)
    # A picture saved in colour is grey if it shows none.
    save(tmp_path / "b" / "1.png", np.dstack([grey] * 3))
    assert read_samples(tmp_path).image_shape == (3, 2)
    path = tmp_path / "a" / "1.png"
    np.testing.assert_array_equal(read_one(path, channels=3), np.dstack([grey] * 3))
    np.testing.assert_array_equal(read_one(path, channels=1), grey)
    save(path, coloured)
    line = error_line(path, labelled=False, channels=1)
    assert f"{path}: picture in colour: expected a grey one" in line


def test_resizing(tmp_path):
    pixels = save(tmp_path / "a" / "1.png", 2 * np.arange(24).reshape(4, 6))
    save(tmp_path / "b" / "1.png", np.full((2, 2), 7))
    line = error_line(tmp_path)
    assert f"{tmp_path}/b/1.png: picture of 2 x 2 pixels: expected 4 x 6 as {tmp_path}/a/1" in line
    assert "--set data.image_size=" in line
    data = read_samples(tmp_path, image_size=(2, 3))
    means = pixels.reshape(2, 2, 3, 2).mean(axis=(1, 3))
    np.testing.assert_array_equal(data.train.x[0].reshape(2, 3), means)
    assert data.train.x[1].tolist() == [7] * 6
    assert data.image_shape == (2, 3)
    assert "image_size=[0, 3]: expected height and width" in error_line(tmp_path, image_size=(0, 3))


def test_samples_to_predict(classes):
    folder, (cat_1, cat_2, dog) = classes
    data = read_samples(folder, labelled=False)
    np.testing.assert_array_equal(data.train.x, [dog.ravel(), cat_1.ravel(), cat_2.ravel()])
    assert (data.train.y, data.test, data.full_scale) == (None, None, 255)
    assert data.train.names == ("Dog/a.bmp", "cat/1.png", "cat/2.PNG")
    data = read_samples(folder / "cat", labelled=False)
    assert data.train.names == ("1.png", "2.PNG")
    data = read_samples(folder / "cat" / "2.PNG", labelled=False)
    assert (data.train.names, data.train.x.tolist()) == (("2.PNG",), [cat_2.ravel().tolist()])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda own: (own / "fox").mkdir(), r"fox: empty class folder: expected pictures in it"),
        (lambda own: (own / "a.txt").touch(), r"own: another file, a\.txt, among the pictures"),
        (
            lambda own: [(own / "cat" / f"{n}.txt").touch() for n in "ab"],
            r"own: 2 other files, such as cat/a\.txt, among the pictures",
        ),
        (lambda own: save(own / "x.png", np.zeros((3, 2))), r"own: 1 pictures beside the class"),
        (
            lambda own: save(own / "cat" / "deep" / "x.png", np.zeros((3, 2))),
            r"own: folder Dog: expected class folders of pictures, or train and test",
        ),
        (
            lambda own: [save(own / p / "c" / "x.png", np.zeros((3, 2))) for p in ("test", "val")],
            r"own: folder Dog: expected class folders of pictures, or train and test",
        ),
        (lambda own: (own / "cat" / "3.png").write_text("x"), r"cat/3\.png: damaged picture"),
        (lambda own: (own / "cat" / "3.png").touch(), r"cat/3\.png: damaged picture"),
        (
            lambda own: (own / "cat" / "1.png").write_bytes(
                (own / "cat" / "1.png").read_bytes()[:-30]
            ),
            r"cat/1\.png: damaged picture",
        ),
        (
            lambda own: (own / "cat" / "1.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n"),
            r"cat/1\.png: damaged picture: expected one of PNG",
        ),
        (
            lambda own: Image.new("L", (3, 2)).save(
                own / "cat" / "3.gif", save_all=True, append_images=[Image.new("L", (3, 2), 9)]
            ),
            r"cat/3\.gif: several pictures in one file",
        ),
    ],
)
def test_what_is_refused(classes, change, message):
    folder, _ = classes
    change(folder)
    line = error_line(folder)
    assert re.search(message, line), line


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "gif", "tif", "webp", "pgm"])
def test_truncated_pictures_are_refused_or_whole(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    save(path, random_pixels(0, 9, 8))
    whole, pixels = path.read_bytes(), read_one(path)
    for size in {*range(0, len(whole), 37), *range(len(whole) - 9, len(whole))}:
        path.write_bytes(whole[:size])
        try:
            found = read_one(path)
        except InputError as error:
            assert "damaged picture: expected" in str(error)
        else:
            np.testing.assert_array_equal(found, pixels)


def test_parts_that_are_not_clear(tmp_path):
    save(tmp_path / "test" / "c" / "x.png", np.zeros((3, 2)))
    assert "no folder train: expected one beside test" in error_line(tmp_path)
    save(tmp_path / "train" / "c" / "x.png", np.zeros((3, 2)))
    save(tmp_path / "train" / "x.png", np.zeros((3, 2)))
    assert "train: 1 pictures beside the class folders, such as x.png" in error_line(tmp_path)
    (tmp_path / "train" / "x.png").unlink()
    save(tmp_path / "test" / "d" / "x.png", np.zeros((3, 2)))
    assert "has the label 'd': expected one of the training part" in error_line(tmp_path)
    save(tmp_path / "val" / "d" / "x.png", np.zeros((3, 2)))
    assert "folder val: expected class folders" in error_line(tmp_path)


def test_too_large_pictures(tmp_path, monkeypatch):
    Image.new("L", (1025, 1025)).save(tmp_path / "a.png")
    assert "picture of 1025 x 1025 pixels: expected at most" in error_line(
        tmp_path / "a.png", labelled=False
    )
    assert read_one(tmp_path / "a.png", image_size=(5, 5)).shape == (5, 5)
    monkeypatch.setattr(pictures, "MOST_PIXELS", 1024 * 1024)
    assert "expected at most 1048576 pixels. Make it smaller" in error_line(
        tmp_path / "a.png", labelled=False, image_size=(5, 5)
    )


@given(
    number=st.integers(1, 5),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    coloured=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_round_trip(number, height, width, coloured, seed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    shape = (height, width, 3) if coloured else (height, width)
    pixels = random_pixels(seed, number, *shape)
    for index, picture in enumerate(pixels):
        save(folder / f"class {index % 2}" / f"{index}.png", picture)
    data = read_samples(folder)
    order = [*range(0, number, 2), *range(1, number, 2)]
    np.testing.assert_array_equal(data.train.x, pixels[order].reshape(number, -1))
    assert data.image_shape == shape
    assert data.train.y.tolist() == [f"class {index % 2}" for index in order]
