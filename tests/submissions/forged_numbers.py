"""Forgeries of what was measured: data, network, weights, answers, counts and examples."""

import numpy as np
import safetensors.torch
import torch
from bundle_tools import edit_json
from forgery_tools import forgery, in_both, in_record, recount

from fairbench.arrays import read_arrays, write_arrays
from fairbench.evaluation.predictions import read_predictions, write_predictions
from fairbench.evaluation.summary import summarise
from fairbench.models import create_model, load_weights, save_weights, weights_sha256


def with_weights(members, network):
    save_weights(network, members / "model.safetensors")
    in_record(lambda values: values["model"].update(weights_sha256=weights_sha256(network)))(members)
    if not (members / "last.safetensors").exists():
        in_record(lambda values: values.update(last=None))(members)


def raise_outcomes(members, share):
    """Say that this share of the images that the attack broke was held."""

    def change(column, labels):
        clean = read_predictions(members / "predictions.npz").by_condition["clean"]
        broken = np.flatnonzero((column != labels) & (clean == labels))
        moved = broken[: max(1, int(share * len(broken)))]
        column[moved] = labels[moved]

    recount(members, change=change)


@forgery("data")
def classes_are_swapped(members):
    in_record(lambda values: values["data"].update(classes=values["data"]["classes"][::-1]))(members)


@forgery("data")
def other_data(members):
    in_record(lambda values: values["data"].update(fingerprint="00" * 32))(members)


@forgery("data")
def other_held_out_images(members):
    in_record(lambda values: values["data"].update(splits_sha256="00" * 32))(members)


@forgery("architecture")
def a_network_nobody_knows(members):
    in_record(lambda values: values["model"].update(architecture="mine"))(members)
    in_both(lambda config: config["track"].update(architecture="mine") or True)(members)


@forgery("architecture")
def a_network_with_code(members):
    a_network_nobody_knows(members)
    (members / "network.py").write_text(f"open({str(members.parent / 'mark')!r}, 'w').close()\n", "utf-8")


@forgery("architecture")
def other_parameters(members):
    in_record(lambda values: values["model"].update(parameters=1))(members)


@forgery("weights")
def weights_of_somebody_else(members):
    save_weights(create_model("cnn_tiny", image_shape=(1, 8, 8), seed=9), members / "model.safetensors")


@forgery("weights")
def one_weight_is_moved(members):
    tensors = safetensors.torch.load_file(members / "model.safetensors")
    name = next(iter(tensors))
    tensors[name].reshape(-1)[0] += 1e-6
    (members / "model.safetensors").write_bytes(safetensors.torch.save(tensors))


@forgery("weights")
def a_weight_that_is_not_finite(members):
    tensors = safetensors.torch.load_file(members / "model.safetensors")
    tensors["linear.bias"][0] = float("nan")
    (members / "model.safetensors").write_bytes(safetensors.torch.save(tensors))


@forgery("weights")
def weights_of_another_network(members):
    save_weights(create_model("cnn_small", image_shape=(1, 8, 8)), members / "model.safetensors")


@forgery("examples")
def foreign_weights_with_their_own_hash(members):
    with_weights(members, create_model("cnn_tiny", image_shape=(1, 8, 8), seed=9))


@forgery("examples")
def weights_of_another_epoch_with_their_own_hash(members):
    network = create_model("cnn_tiny", image_shape=(1, 8, 8))
    load_weights(network, members / "model.safetensors")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(0.98)
    with_weights(members, network)


@forgery("predictions")
def labels_that_fit_the_answers(members):
    predictions = read_predictions(members / "predictions.npz")
    write_predictions(
        members / "predictions.npz", type(predictions)(predictions.by_condition["pgd20"], predictions.by_condition)
    )


@forgery("predictions")
def hard_images_are_left_out(members):
    def change(column, labels):
        column[np.flatnonzero(column != labels)[:5]] = -1

    recount(members, change=change)


@forgery("predictions")
def an_answer_that_is_no_class(members):
    predictions = read_predictions(members / "predictions.npz")
    predictions.by_condition["pgd20"][0] = 10
    write_predictions(members / "predictions.npz", predictions)


@forgery("predictions")
def an_attack_mends_an_image(members):
    clean = read_predictions(members / "predictions.npz").by_condition["clean"]

    def change(column, labels):
        lost = np.flatnonzero(clean != labels)[:1]
        column[lost] = labels[lost]

    recount(members, change=change)


@forgery("aggregates")
def a_class_takes_the_counts_of_another(members):
    def edit(values):
        condition = values["conditions"]["pgd20"]
        order = [1, 0, *range(2, 10)]
        confusion = np.array(condition["confusion"])[np.ix_(order, order)]
        labels = np.repeat(np.arange(100) // 10, confusion.ravel())
        answers = np.repeat(np.arange(100) % 10, confusion.ravel())
        new = summarise(answers, labels, 10, settings=condition["settings"], seconds=condition["seconds"])
        values["conditions"]["pgd20"] = new.model_dump(mode="json")

    edit_json(members / "record.json", edit)


@forgery("aggregates")
def another_number_of_images(members):
    in_record(lambda values: values["conditions"]["pgd20"]["settings"].update(images=1000))(members)


@forgery("examples")
def answers_that_are_invented(members):
    raise_outcomes(members, 1.0)


@forgery("examples")
def examples_of_other_images(members):
    arrays = read_arrays(members / "examples.npz", ("seed", "positions", "conditions", "images"))
    write_arrays(members / "examples.npz", arrays | {"positions": arrays["positions"] + 1})


@forgery("examples")
def examples_outside_the_ball(members):
    arrays = read_arrays(members / "examples.npz", ("seed", "positions", "conditions", "images"))
    write_arrays(members / "examples.npz", arrays | {"images": np.clip(arrays["images"] + 0.3, 0, 1)})


@forgery("examples")
def examples_that_are_no_numbers(members):
    arrays = read_arrays(members / "examples.npz", ("seed", "positions", "conditions", "images"))
    write_arrays(members / "examples.npz", arrays | {"images": arrays["images"] * np.nan})


@forgery("examples")
def no_examples(members):
    (members / "examples.npz").unlink()


@forgery("examples")
def a_batch_that_exhausts_the_memory(members):
    in_record(lambda values: values["conditions"]["fgsm"]["settings"].update(micro_batch=10**9))(members)


@forgery("masking")
def no_verdict_on_masking(members):
    in_record(lambda values: values.update(masking=None))(members)


@forgery("masking")
def signs_of_masking_that_nobody_saw(members):
    in_record(lambda values: values["masking"]["signs"][2]["counted"].__setitem__(0, 1))(members)


@forgery("masking")
def weaker_probes(members):
    in_record(lambda values: values["masking"]["settings"].update(square_queries=1))(members)


@forgery("record")
def a_verdict_that_its_counts_contradict(members):
    in_record(lambda values: values["masking"]["signs"][2]["counted"].__setitem__(0, 10))(members)


@forgery("config")
def fewer_looks_at_the_test_images(members):
    in_record(lambda values: values["ledger"].update(test_evaluations=0))(members)


@forgery("config")
def a_ledger_of_another_selection(members):
    in_record(lambda values: values["ledger"].update(selected_on="last"))(members)
