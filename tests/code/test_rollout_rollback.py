"""What a rollback means: the version of that number, or a refusal that names the choices."""

import pytest

from tasador.errors import RolloutError
from tasador.rollout.rollback import choose
from tests.kit.records import make_decision


def decided(promotion, version, digest, decision="promoted", **changes):
    return make_decision(
        promotion=promotion, version=version, digest=digest, decision=decision, **changes
    )


# The model was deleted from MLflow after version 2 and begun again at 1.
HISTORY = [
    decided(5, 2, "new2"),
    decided(4, 1, "new1"),
    decided(3, 3, "old3", "rejected", reasons=["no better"]),
    decided(2, 2, "old2"),
    decided(1, 1, "old1"),
]


def test_rollback_without_a_version_returns_to_the_one_before():
    made = choose(HISTORY, None)
    assert (made.version, made.digest, made.decision) == (1, "new1", "rolled_back")
    assert (made.champion_version, made.champion_digest) == (2, "new2")
    assert made.promotion is None


def test_number_with_two_meanings_is_refused_with_the_choices():
    with pytest.raises(RolloutError, match=r"2 versions 1.*--digest new1.*--digest old1"):
        choose(HISTORY, 1)
    assert choose(HISTORY, 1, "old").digest == "old1"
    assert choose(HISTORY, 1, "new1").digest == "new1"


def test_other_version_of_the_same_number_can_serve_again():
    assert choose(HISTORY, 2, "old2").digest == "old2"


@pytest.mark.parametrize(
    ("version", "digest", "message"),
    [
        (2, "new2", "in service already"),
        (3, "", "was rejected"),
        (4, "", "no version 4"),
        (1, "x", "no version 1 with digest x"),
    ],
)
def test_refusals(version, digest, message):
    with pytest.raises(RolloutError, match=message):
        choose(HISTORY, version, digest)


def test_nothing_to_go_back_to():
    with pytest.raises(RolloutError, match="no version has been promoted"):
        choose(HISTORY[2:3], None)
    with pytest.raises(RolloutError, match="no one before it"):
        choose(HISTORY[-1:], None)
