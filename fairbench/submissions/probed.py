"""The verdict on masked gradients, probed again: a flagged row has no rank, so a forger would rather not be flagged."""

from __future__ import annotations

from fairbench.data import Dataset
from fairbench.errors import FairbenchError
from fairbench.evaluation.probes import is_probed, probe_masking, searched_checks
from fairbench.evaluation.spot import recorded_shape
from fairbench.protocol.masking import MaskingVerdict
from fairbench.submissions.bundle import Bundle
from fairbench.submissions.checks import FailedCheckError, require
from fairbench.submissions.measured import Answers
from fairbench.submissions.rerun import TOLERATED, Again
from fairbench.threads import computing_threads


def check_masking(bundle: Bundle, dataset: Dataset, answers: Answers, again: Again) -> str:
    """That probing the selected weights gives the recorded verdict, sign by sign and class by class.

    On another kind of machine ``TOLERATED`` images of a class may show a sign on one of the two only.

    Args:
        bundle: the bundle.
        dataset: that it was evaluated on.
        answers: of the selected weights.
        again: how strictly counts are compared.

    Raises:
        FailedCheckError: ``masking``.
    """
    recorded, conditions = bundle.record.masking, answers.conditions
    if not is_probed(conditions):
        require(recorded is None, "masking", "the record has a verdict, and nothing was attacked")
        return "nothing was attacked"
    if recorded is None:
        raise FailedCheckError("masking", "the record has no verdict on masked gradients; evaluate it again")
    try:
        with computing_threads(recorded_shape(next(iter(conditions.values()))).threads):
            came = probe_masking(
                answers.network,
                dataset,
                bundle.record.epsilon,
                seed=bundle.config.track.battery.seed,
                device=again.device,
                checks=searched_checks(conditions),
            )
    except FairbenchError as error:
        raise FailedCheckError("masking", str(error)) from None
    _compare(recorded, came, exact=again.exact)
    return recorded.in_words(bundle.record.data.classes) or "no sign"


def _compare(recorded: MaskingVerdict, came: MaskingVerdict, *, exact: bool) -> None:
    same = (recorded.settings, recorded.not_probed) == (came.settings, came.not_probed)
    require(same, "masking", f"it was probed with {recorded.settings}, the protocol has {came.settings}")
    names = [sign.name for sign in recorded.signs]
    require(names == [sign.name for sign in came.signs], "masking", f"the signs are {', '.join(names)}")
    tolerated = 0 if exact else TOLERATED
    for ours, theirs in zip(came.signs, recorded.signs, strict=True):
        for kind in ("counted", "images"):
            here, there = getattr(ours, kind), getattr(theirs, kind)
            fits = len(here) == len(there) and all(abs(a - b) <= tolerated for a, b in zip(here, there, strict=True))
            require(fits, "masking", f"{ours.name}: {kind} by class is {there}, probed again it is {here}")
        if exact or ours.counted == theirs.counted:
            require(ours.classes == theirs.classes, "masking", f"{ours.name} holds for {ours.classes}")
