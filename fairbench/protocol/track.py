"""A track: everything that must be equal for a fair comparison, read from YAML."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml
from pydantic import Field, field_validator

from fairbench.errors import UsageError, unknown_name
from fairbench.protocol.conditions import check_conditions
from fairbench.protocol.schema import Schema, validated


class Schedule(Schema):
    """How long and how fast to train; milestones are fractions of the epochs."""

    epochs: int = Field(ge=0, le=10_000)
    steps_per_epoch: int | None = Field(default=None, ge=1)
    """stop each epoch after this many steps, for a quick look; None is the whole training set."""
    batch_size: int = Field(default=128, ge=1)
    learning_rate: float = Field(gt=0)
    milestones: dict[float, float] = Field(default_factory=dict)
    """fraction of the epochs done -> factor on the learning rate from there on."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    nesterov: bool = False

    @field_validator("milestones")
    @classmethod
    def _fractions(cls, milestones: dict[float, float]) -> dict[float, float]:
        for fraction, factor in milestones.items():
            if not (0 < fraction < 1 and factor > 0):
                raise ValueError(f"a milestone is a fraction in (0, 1) and a factor above 0, got {fraction}: {factor}")
        return dict(sorted(milestones.items()))

    def learning_rate_factor(self, fraction: float) -> float:
        """The factor on the learning rate when this fraction of the epochs is done."""
        reached = [factor for start, factor in self.milestones.items() if fraction >= start - 1e-9]
        return reached[-1] if reached else 1.0


class Augmentation(Schema):
    """Random crop and flip of training images, in batch, on the device."""

    crop_padding: int = Field(default=0, ge=0)
    padding_mode: Literal["zero", "reflect"] = "zero"
    flip: bool = False


class TrainingAttack(Schema):
    """The inner maximisation of training; the step size is a share of epsilon."""

    steps: int = Field(default=10, ge=0)
    step_fraction: float = Field(default=0.25, gt=0)


class Compute(Schema):
    """How training computes; schedule, seeds and what is learned stay the same."""

    precision: Literal["auto", "float32", "mixed", "bfloat16"] = "auto"
    """``bfloat16`` for attack and losses, ``mixed`` for the attack alone, ``auto`` is ``bfloat16`` in runs of more than
    seconds where the device multiplies it; weights, logits and updates are float32 in all."""
    compile: Literal["auto"] | bool = "auto"
    """whether the network passes are compiled, a minute or two at the first start; ``auto`` compiles rounded passes of
    large networks in long runs."""


class Selection(Schema):
    """Which epoch's weights are reported."""

    rule: Literal["select", "last", "test"] = "select"
    """``test`` chooses on the test images, as several published codes do: for reproduction alone, never ranked."""
    steps: int = Field(default=10, ge=1)
    """PGD steps on the split ``select``."""
    seed: int = 0


class Battery(Schema):
    """What the evaluator runs."""

    conditions: list[str]
    subset: int | None = Field(default=None, ge=1)
    """AutoAttack and Square see this many test images, stratified, the same for all; None is all."""
    batch_size: int = Field(default=500, ge=1)
    square_queries: int = Field(default=5000, ge=1)
    search_precision: Literal["float32", "bfloat16"] = "float32"
    """what AutoAttack and Square search with; the verdict over what they find is float32."""
    seed: int = 0

    @property
    def settings(self) -> dict[str, Any]:
        """What ``evaluate`` is told beside the conditions."""
        return self.model_dump(exclude={"conditions"})

    @field_validator("conditions")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        return check_conditions(names)


class Source(Schema):
    """Where weights come from that a track names and that do not ship with the package."""

    where: str
    """file, authors, and page; nothing is downloaded from it."""
    architecture: str | None = None
    """None is the track's."""
    normalise: Literal["none", "cifar10", "cifar100"] | None = None
    """what the published network subtracts and divides by; None is what is usual for the data set."""
    train: str | None = None
    """the command that trains its like here; None for a base, which is a run of its own track."""
    is_method: bool = True
    """whether the name of a base is the written form that trains it; what no method here trains must be brought."""


class Track(Schema):
    """One comparison: data, network, radius, start, schedule, selection, battery."""

    name: str
    title: str
    summary: str
    dataset: str
    architecture: str
    epsilon: float = Field(gt=0, lt=1)
    init: str = "scratch"
    """``scratch`` or the base that methods start from."""
    bases: list[str] = Field(default_factory=list)
    """Written forms that are trained from scratch and offered as starts, and others that have a source."""
    teachers: dict[Literal["robust", "clean"], str] = Field(default_factory=dict)
    """role -> base, source or other shipped checkpoint that teaches in it, unless ``--teacher`` names another."""
    sources: dict[str, Source] = Field(default_factory=dict)
    """name of a base or teacher -> where the published one is and how to train its like."""
    schedule: Schedule
    scratch_schedule: Schedule | None = None
    """For ``--init scratch`` on a fine-tuning track, and for its bases."""
    augmentation: Augmentation = Augmentation()
    attack: TrainingAttack = TrainingAttack()
    compute: Compute = Compute()
    selection: Selection = Selection()
    battery: Battery

    def trains_base(self, name: str) -> bool:
        """Whether a base of that name is a run of this track."""
        return name in self.bases and (name not in self.sources or self.sources[name].is_method)


@cache
def track_names() -> list[str]:
    """The names of all tracks that ship with the package."""
    folder = resources.files("fairbench.protocol") / "tracks"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


@cache
def load_track(name: str) -> Track:
    """The track of that name.

    Raises:
        UsageError: if there is none, or its file breaks the schema.
    """
    if name not in track_names():
        raise unknown_name("track", name, track_names(), cure="List them with: fairbench tracks list")
    text = (resources.files("fairbench.protocol") / "tracks" / f"{name}.yaml").read_text("utf-8")
    track = validated(Track, yaml.safe_load(text), place=f"track {name}")
    if track.name != name:
        raise UsageError(f"track {name}: its file calls it {track.name!r}; make the two names equal")
    return track
