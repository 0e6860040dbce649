"""Forgeries of a bundle by the check that is there for each; ``edit(members)`` changes the files of a folder."""

import json
import pickle
import shutil

import numpy as np
import safetensors.torch
import torch
from bundle_tools import edit_json

from fairbench.arrays import read_arrays, write_arrays
from fairbench.evaluation.predictions import read_predictions, write_predictions
from fairbench.evaluation.summary import summarise
from fairbench.models import create_model, load_weights, save_weights, weights_sha256

FORGERIES = {}


def forgery(check):
    def enter(edit):
        FORGERIES[edit.__name__] = (edit, check)
        return edit

    return enter


class Payload:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


def recount(members, name="pgd20", change=None):
    """Change the answers and make the record fit them."""
    predictions = read_predictions(members / "predictions.npz")
    column = predictions.by_condition[name].copy()
    change(column, predictions.labels)
    write_predictions(
        members / "predictions.npz", type(predictions)(predictions.labels, {**predictions.by_condition, name: column})
    )

    def edit(values):
        condition = values["conditions"][name]
        seen = column >= 0
        settings = condition["settings"] | {"images": int(seen.sum())}
        new = summarise(column[seen], predictions.labels[seen], 10, settings=settings, seconds=condition["seconds"])
        values["conditions"][name] = new.model_dump(mode="json")
        if values["last"]["weights_sha256"] == values["model"]["weights_sha256"]:
            values["last"]["conditions"][name] = values["conditions"][name]

    edit_json(members / "record.json", edit)


def in_record(edit):
    return lambda members: edit_json(members / "record.json", edit)


def in_both(edit):
    """Edit config.json and the copy of it in the record alike."""

    def everywhere(members):
        edit_json(members / "config.json", edit)
        edit_json(members / "record.json", lambda values: edit(values["training"]["config"]) and None)

    return everywhere


def set_condition(name, key, value):
    return in_record(lambda values: values["conditions"][name].update({key: value}))


def set_setting(name, key, value):
    def edit(values):
        for block in (values["conditions"], values["last"]["conditions"]):
            block[name]["settings"][key] = value

    return in_record(edit)


@forgery("record")
def a_rate_is_raised(members):
    set_condition("pgd20", "average", 0.99)(members)


@forgery("record")
def the_worst_class_is_another(members):
    edit_json(
        members / "record.json", lambda v: v["conditions"]["pgd20"].update(worst=v["conditions"]["pgd20"]["balanced"])
    )


@forgery("record")
def an_unknown_key(members):
    in_record(lambda values: values.update(verified=True))(members)


@forgery("record")
def a_record_from_the_future(members):
    in_record(lambda values: values.update(schema_version=2))(members)


@forgery("record")
def a_protocol_from_the_future(members):
    in_record(lambda values: values.update(protocol_version=2))(members)


@forgery("record")
def a_key_twice(members):
    text = (members / "record.json").read_text("utf-8")
    (members / "record.json").write_text(text.replace("{", '{\n "epsilon": 0.001,', 1), "utf-8")


@forgery("record")
def not_a_number(members):
    text = (members / "record.json").read_text("utf-8")
    (members / "record.json").write_text(text.replace('"epsilon": 0.2', '"epsilon": NaN', 1), "utf-8")


@forgery("record")
def a_record_ten_thousand_lists_deep(members):
    (members / "record.json").write_text('{"a":' + "[" * 100_000 + "]" * 100_000 + "}", "utf-8")


@forgery("record")
def a_record_laid_out_otherwise(members):
    path = members / "record.json"
    path.write_text(json.dumps(json.loads(path.read_bytes())), "utf-8")


@forgery("contents")
def an_archive_instead_of_a_record(members):
    shutil.copyfile(members / "predictions.npz", members / "record.json")


@forgery("contents")
def a_record_that_is_no_text(members):
    (members / "record.json").write_bytes(b'{"a": "\xff\xfe"}')


@forgery("contents")
def a_pickle_instead_of_weights(members):
    (members / "model.safetensors").write_bytes(pickle.dumps(Payload(members.parent / "mark")))


@forgery("contents")
def a_torch_file_instead_of_weights(members):
    torch.save({"weight": Payload(members.parent / "mark")}, members / "model.safetensors")


@forgery("contents")
def a_pickle_among_the_answers(members):
    np.savez(members / "predictions.npz", labels=np.array([Payload(members.parent / "mark")], dtype=object))


@forgery("contents")
def an_array_larger_than_the_memory(members):
    content = (members / "predictions.npz").read_bytes()
    assert b"(450,), }     " in content
    (members / "predictions.npz").write_bytes(content.replace(b"(450,), }     ", b"(45000000,), }", 1))


@forgery("contents")
def compressed_arrays(members):
    np.savez_compressed(members / "predictions.npz", labels=np.zeros(10**6, dtype=np.int16))


@forgery("card")
def a_card_that_grows(members):
    lines = ["a: &a [x, x]"] + [f"{b}: &{b} [*{a}, *{a}]" for a, b in zip("abcdefghi", "bcdefghij", strict=True)]
    (members / "card.yaml").write_text("\n".join(lines), "utf-8")


@forgery("card")
def a_card_that_calls_python(members):
    (members / "card.yaml").write_text("!!python/object/apply:os.system ['touch mark']\n", "utf-8")


@forgery("card")
def a_card_without_data(members):
    text = (members / "card.yaml").read_text("utf-8")
    (members / "card.yaml").write_text(text.replace("data:", "date:"), "utf-8")


@forgery("config")
def the_card_of_another_method(members):
    text = (members / "card.yaml").read_text("utf-8")
    (members / "card.yaml").write_text(text.replace("method: pgd_at", "method: faal"), "utf-8")


@forgery("config")
def a_smaller_radius_in_the_record(members):
    in_record(lambda values: values.update(epsilon=0.01))(members)


@forgery("config")
def another_seed(members):
    in_record(lambda values: values.update(seed=4))(members)


@forgery("config")
def another_configuration(members):
    edit_json(members / "config.json", lambda values: values.update(objective="trades"))


@forgery("config")
def fewer_departures(members):
    in_record(lambda values: values.update(departures=values["departures"][1:]))(members)


@forgery("protocol")
def a_run_that_says_it_is_standard(members):
    in_both(lambda config: config.update(departures=[]) or True)(members)
    in_record(lambda values: values.update(protocol="standard", departures=[]))(members)


@forgery("protocol")
def modified_for_no_reason(members):
    in_both(lambda config: config.update(departures=[]) or True)(members)
    in_record(lambda values: values.update(departures=[]))(members)


@forgery("protocol")
def a_weaker_attack(members):
    set_setting("pgd20", "steps", 1)(members)


@forgery("protocol")
def a_smaller_step(members):
    set_setting("pgd20", "step_size", 1e-9)(members)


@forgery("protocol")
def another_noise(members):
    set_setting("pgd20", "seed", 3)(members)


@forgery("protocol")
def a_condition_is_left_out(members):
    in_record(lambda values: values["conditions"].pop("pgd20") and None)(members)


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
    (members / "network.py").write_text(f"open({str(members.parent / 'mark')!r}, 'w')\n", "utf-8")


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


def with_weights(members, network):
    save_weights(network, members / "model.safetensors")
    in_record(lambda values: values["model"].update(weights_sha256=weights_sha256(network)))(members)
    if not (members / "last.safetensors").exists():
        in_record(lambda values: values.update(last=None))(members)


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


def raise_outcomes(members, share):
    """Say that this share of the images that the attack broke was held."""

    def change(column, labels):
        clean = read_predictions(members / "predictions.npz").by_condition["clean"]
        broken = np.flatnonzero((column != labels) & (clean == labels))
        moved = broken[: max(1, int(share * len(broken)))]
        column[moved] = labels[moved]

    recount(members, change=change)


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
