"""What is computed again: the adversarial examples of the bundle, and images drawn after it was submitted.

On the same kind of machine every answer must come back exactly. On another kind, libraries round differently and an
image on the edge may flip; then ``TOLERATED`` outcomes of each ``images_needed(TOLERATED)`` may differ, and at least
that many images are asked, so that the chance to catch false ones stays the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fairbench.data import Dataset, to_unit
from fairbench.errors import FairbenchError
from fairbench.evaluation.battery import Condition, condition_of_battery, make_condition
from fairbench.evaluation.predictions import NOT_EVALUATED
from fairbench.evaluation.spot import answers_to, ask_again, recorded_shape
from fairbench.progress import Progress
from fairbench.submissions.bundle import Bundle
from fairbench.submissions.checks import FailedCheckError, require
from fairbench.submissions.draw import drawn, images_needed
from fairbench.submissions.examples import EXAMPLES, EXAMPLES_NAME, content_seed, read_examples
from fairbench.submissions.measured import Answers

TOLERATED = 1
"""outcomes per condition that may differ on another kind of machine."""
_ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True)
class Again:
    """How much is asked again, and how strictly it is compared."""

    seed: int
    images: int
    full: bool
    exact: bool
    """whether the machine is of the kind that made the numbers."""
    device: torch.device
    progress: Progress

    @property
    def count(self) -> int:
        """Images per condition, before there may be fewer."""
        return self.images if self.exact else max(self.images, images_needed(TOLERATED))


def check_rerun(bundle: Bundle, dataset: Dataset, answers: Answers, again: Again) -> str:
    """That images drawn by the seed are answered as recorded, under every condition.

    Raises:
        FailedCheckError: ``rerun``.
    """
    asked = 0
    for name, record in answers.conditions.items():
        where = f"{answers.title}, {name}"
        column = answers.predictions.by_condition[name]
        seen = np.flatnonzero(column != NOT_EVALUATED)
        positions = seen if again.full else drawn(again.seed, f"{answers.title}/{name}", seen, again.count)
        condition = condition_of(bundle, name)
        try:
            shape = recorded_shape(record)
            came = ask_again(
                answers.network,
                dataset,
                condition,
                torch.from_numpy(positions),
                shape,
                device=again.device,
                progress=again.progress,
            )
        except FairbenchError as error:
            raise FailedCheckError("rerun", f"{where}: {error}") from None
        _compare(where, column[positions], came, answers.predictions.labels[positions], again)
        asked += len(positions)
    kind = "the same kind of machine" if again.exact else f"another kind of machine, {TOLERATED} flip tolerated"
    return f"{answers.title}: {asked} answers came back ({kind})"


def check_examples(bundle: Bundle, dataset: Dataset, answers: Answers, again: Again, seed: int | None) -> str:
    """That the examples are of the images that their seed draws, stay in the ball, and are answered as recorded.

    Args:
        bundle: the bundle.
        dataset: whose images they change.
        answers: of the selected weights.
        again: how strictly answers are compared.
        seed: that a maintainer asked for; None is the one that follows from the content.

    Raises:
        FailedCheckError: ``examples``.
    """
    attacked = attacked_conditions(list(answers.conditions))
    if not attacked:
        return "nothing was attacked"
    require(bundle.has(EXAMPLES_NAME), "examples", f"{EXAMPLES_NAME} is not there")
    examples = read_examples(bundle.folder / EXAMPLES_NAME)
    expected = content_seed(bundle.folder) if seed is None else seed
    require(examples.seed == expected, "examples", f"they are of seed {examples.seed}, asked for was {expected}")
    require(examples.conditions == attacked, "examples", f"they are under {', '.join(examples.conditions)[:200]}")
    positions = example_positions(answers, expected)
    same = np.array_equal(examples.positions, positions)
    require(same, "examples", f"their images are not those that seed {expected} draws")
    originals = to_unit(dataset.test.take(torch.from_numpy(positions)).images).numpy()
    shape = recorded_shape(answers.conditions[attacked[0]])
    for name, images in zip(examples.conditions, examples.images, strict=True):
        _check_contained(name, images, originals, bundle.record.epsilon)
        tensor = torch.from_numpy(np.ascontiguousarray(images))
        came = answers_to(answers.network, tensor, shape, device=again.device)
        column = answers.predictions.by_condition[name][positions]
        clean = answers.predictions.by_condition.get("clean")
        labels = answers.predictions.labels[positions]
        # An image that is lost without attack keeps that answer, whatever the attack made of it.
        held = np.ones(len(positions), dtype=bool) if clean is None else clean[positions] == labels
        _compare(f"examples, {name}", column[held], came[held], labels[held], again, check="examples")
    return f"{len(positions)} images of seed {expected} under {', '.join(attacked)}"


def attacked_conditions(names: list[str]) -> tuple[str, ...]:
    """The conditions under which somebody looked for the worst image, in the order given."""
    return tuple(name for name in names if make_condition(name, eps=0.5).adversarial)


def condition_of(bundle: Bundle, name: str) -> Condition:
    """A condition as the bundle's battery runs it."""
    return condition_of_battery(name, bundle.config.track.battery, eps=bundle.record.epsilon)


def example_positions(answers: Answers, seed: int) -> NDArray[np.int64]:
    """The images of the examples: drawn from those that every condition was asked about."""
    columns = [answers.predictions.by_condition[name] for name in answers.conditions]
    seen = np.flatnonzero(np.all([column != NOT_EVALUATED for column in columns], axis=0))
    return drawn(seed, "examples", seen, EXAMPLES)


def _check_contained(name: str, images: NDArray[np.float32], originals: NDArray[np.float32], epsilon: float) -> None:
    require(images.shape == originals.shape, "examples", f"{name}: shape {images.shape}, expected {originals.shape}")
    require(bool(np.isfinite(images).all()), "examples", f"{name}: pixels that are not finite")
    outside = max(float(np.abs(images - originals).max()) - epsilon, float(-images.min()), float(images.max()) - 1)
    require(outside <= _ROUNDING, "examples", f"{name}: an image leaves the ball or the unit box by {outside:.2g}")


def _compare(
    where: str,
    recorded: NDArray[np.int16],
    came: NDArray[np.int16],
    labels: NDArray[np.int16],
    again: Again,
    *,
    check: str = "rerun",
) -> None:
    flips = int(((recorded == labels) != (came == labels)).sum())
    others = int((recorded != came).sum())
    text = f"{where}: of {len(came)} images {others} are answered otherwise than recorded, {flips} outcomes differ"
    tolerated = max(TOLERATED, TOLERATED * len(came) // images_needed(TOLERATED))
    require(others == 0 if again.exact else flips <= tolerated, check, text)
