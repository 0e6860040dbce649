"""Pictures of the weakest classes: chosen from the answers, attacked within the radius, and only under a licence."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image
from synthetic import make_condition, make_record

from fairbench.data import load_dataset
from fairbench.evaluation.predictions import Predictions, write_predictions
from fairbench.models import create_model
from fairbench.models.weights import save_weights
from fairbench.report.examples import examples_of

EPSILON = 0.2


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture
def folder(tmp_path, digits):
    """A network and answers that are right when clean; under attack every image of the classes 3 and 7 is a 1."""
    network = create_model("cnn_tiny", num_classes=10, image_shape=digits.image_shape)
    save_weights(network, tmp_path / "model.safetensors")
    labels = digits.test.labels.numpy().astype(np.int16)
    attacked = np.where(np.isin(labels, (3, 7)), 1, labels).astype(np.int16)
    write_predictions(tmp_path / "predictions.npz", Predictions(labels, {"clean": labels, "aa": attacked}))
    return tmp_path


def record_of(digits, **data):
    labels = digits.test.labels.numpy()
    answers = np.where(np.isin(labels, (3, 7)), 1, labels)
    confusion = np.zeros((10, 10), dtype=int)
    np.add.at(confusion, (labels, answers), 1)
    record = make_record("faal", conditions=("clean",))
    values = record.model_dump()
    values["conditions"] = {"aa": make_condition(confusion)}
    values["data"] |= {"name": "digits", "fingerprint": digits.fingerprint} | data
    return type(record).model_validate(values)


def pixels(address):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))), dtype=float)


def test_the_images_are_those_that_the_attack_turned(folder, digits):
    found = examples_of(record_of(digits), folder, "aa", None)
    assert found.reason == ""
    assert {one.true for one in found.shown} == {digits.classes[3], digits.classes[7]}
    assert len(found.shown) == 8
    for one in found.shown:
        assert digits.classes[int(digits.test.labels[one.index])] == one.true
        before = digits.test.images[one.index].squeeze().numpy()
        assert np.array_equal(pixels(one.clean), before)
        moved = np.abs(pixels(one.adversarial) - before)
        assert moved.max() <= 255 * EPSILON + 0.5
        # What is answered wrongly as it is needs no attack.
        assert moved.max() > 0 or one.clean_answer != one.true
        assert one.adversarial_answer != one.true or moved.max() > 0


def test_the_same_run_shows_the_same_images(folder, digits):
    assert examples_of(record_of(digits), folder, "aa", None) == examples_of(record_of(digits), folder, "aa", None)


@pytest.mark.parametrize("name", ["cifar10", "folder:mine", "unheard_of"])
def test_data_without_a_stated_licence_is_not_shown(folder, digits, name):
    found = examples_of(record_of(digits, name=name), folder, "aa", None)
    assert found.shown == ()
    assert found.reason == f"no licence is known under which images of {name} may be shown"


def test_other_data_of_the_same_name_is_not_shown(folder, digits):
    found = examples_of(record_of(digits, fingerprint="ab" * 32), folder, "aa", None)
    assert found.shown == ()
    assert "not the one that the run saw" in found.reason


def test_weights_that_are_not_there_are_named(tmp_path, digits):
    for place in (None, tmp_path):
        assert "model.safetensors" in examples_of(record_of(digits), place, "aa", None).reason


def test_no_gradient_is_left_behind(folder, digits):
    with torch.no_grad():
        assert examples_of(record_of(digits), folder, "aa", None).shown
