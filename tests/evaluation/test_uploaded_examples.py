import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from fairbench.attacks import pgd
from fairbench.data import to_unit
from fairbench.errors import UsageError
from fairbench.evaluation import evaluate, read_predictions
from fairbench.evaluation.material import material_of
from fairbench.evaluation.uploaded import read_uploaded

EPSILON = 0.1


@pytest.fixture
def images(few_digits):
    return to_unit(few_digits.images).numpy()


def stronger(network, split):
    """Examples that fool where one step does not: many steps from the inside."""
    x = to_unit(split.images)
    return pgd(network, x, split.labels, eps=EPSILON, steps=40, step_size=EPSILON / 8).numpy()


def test_the_strongest_known_is_the_worst_of_all_image_by_image(tmp_path, network, few_digits):
    np.savez(tmp_path / "upload.npz", x_adv=stronger(network, few_digits)[5:], indices=np.arange(5, 40))
    out = tmp_path / "run"
    evaluate(network, few_digits, ("clean", "fgsm"), EPSILON, num_classes=10, out=out)
    found = evaluate(
        network, few_digits, ("clean", "fgsm"), EPSILON, num_classes=10, out=out, adversarial=tmp_path / "upload.npz"
    )
    labels = found.labels
    wrong = {name: answers != labels for name, answers in found.predictions.items()}
    np.testing.assert_array_equal(wrong["strongest"], wrong["fgsm"] | wrong["external"] | wrong["clean"])
    assert (wrong["external"] & ~wrong["fgsm"]).any()
    np.testing.assert_array_equal(wrong["external"][:5], wrong["clean"][:5])
    assert found.conditions["strongest"].settings["merged"] == ["external", "fgsm"]
    stored = read_predictions(out).by_condition["strongest"]
    np.testing.assert_array_equal(stored, found.predictions["strongest"])
    again = evaluate(network, few_digits, ("clean",), EPSILON, num_classes=10, out=out)
    assert again.conditions["strongest"].average == found.conditions["strongest"].average


def test_another_file_takes_the_place_of_the_first(tmp_path, network, few_digits, images):
    np.save(tmp_path / "nothing.npy", images)
    np.save(tmp_path / "something.npy", stronger(network, few_digits))
    out = tmp_path / "run"
    call = {"attacks": ("clean",), "eps": EPSILON, "num_classes": 10, "out": out}
    idle = evaluate(network, few_digits, **call, adversarial=tmp_path / "nothing.npy")
    assert idle.conditions["strongest"].average == idle.conditions["clean"].average
    useful = evaluate(network, few_digits, **call, adversarial=tmp_path / "something.npy")
    assert useful.conditions["strongest"].average < idle.conditions["clean"].average


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_the_same_examples_in_any_form(tmp_path, few_digits, images, suffix):
    path = tmp_path / f"upload{suffix}"
    arrays = {"x_adv": images[[3, 1]], "indices": np.array([3, 1])}
    save_file(arrays, path) if suffix == ".safetensors" else np.savez(path, **arrays)
    examples = read_uploaded(path, material_of(few_digits, 10), EPSILON)
    assert examples.indices.tolist() == [3, 1]
    torch.testing.assert_close(examples.x_adv.numpy(), images[[3, 1]])


def outside_box(x):
    x[0, 0, 0, 0] = 1.2


def outside_ball(x):
    x[0] = np.clip(x[0] + 0.15, 0, 1)


def not_a_number(x):
    x[0, 0, 0, 0] = np.nan


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (outside_box, r"test image 0 has pixels 0..1.2, expected 0..1 \(1 such\)"),
        (outside_ball, r"test image 0 is 0.15 from its image, expected at most 0.1"),
        (not_a_number, "holds NaN"),
    ],
)
def test_examples_outside_box_or_ball_are_refused(tmp_path, few_digits, images, spoil, words):
    x_adv = images.copy()
    spoil(x_adv)
    np.save(tmp_path / "upload.npy", x_adv)
    with pytest.raises(UsageError, match=words):
        read_uploaded(tmp_path / "upload.npy", material_of(few_digits, 10), EPSILON)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x_adv": np.zeros((3, 1, 8, 8), np.float32)}, "3 examples for 40 test images; give their places"),
        ({"images": np.zeros(3)}, "got no x_adv"),
        ({"x_adv": np.zeros((3, 8, 8), np.float32)}, r"of shape \(n, 1, 8, 8\)"),
        ({"x_adv": np.zeros((3, 1, 8, 8), np.uint8)}, "floats, got"),
        ({"x_adv": np.zeros((2, 1, 8, 8), np.float32), "indices": np.array([1, 1])}, "different indices in 0..39"),
        ({"x_adv": np.zeros((2, 1, 8, 8), np.float32), "indices": np.array([1, 40])}, "different indices in 0..39"),
        ({"x_adv": np.zeros((2, 1, 8, 8), np.float32), "indices": np.array([1.0, 2.0])}, "integer indices"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, few_digits, arrays, words):
    np.savez(tmp_path / "upload.npz", **arrays)
    with pytest.raises(UsageError, match=words):
        read_uploaded(tmp_path / "upload.npz", material_of(few_digits, 10), EPSILON)


def test_files_with_code_and_files_that_are_not_there_are_refused(tmp_path, few_digits):
    np.save(tmp_path / "code.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    for name in ("code.npy", "missing.npz"):
        with pytest.raises(UsageError, match="cannot read the adversarial examples"):
            read_uploaded(tmp_path / name, material_of(few_digits, 10), EPSILON)


def test_a_radius_of_its_own_is_a_condition(network, few_digits):
    found = evaluate(network, few_digits, ("clean", "pgd20", "epsilon.0.3"), EPSILON, num_classes=10)
    assert found.conditions["epsilon.0.3"].settings["epsilon"] == 0.3
    assert found.average("epsilon.0.3") <= found.average("pgd20") <= found.average("clean")
