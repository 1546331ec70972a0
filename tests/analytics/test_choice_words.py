"""Which value of a dimension to use, in words, and what they rest on."""

import re

from learning_instrument.analytics import Selection, side_by_side
from learning_instrument.analytics.headings import of_side_by_side

from .test_side_by_side import some


def test_best_tier_is_named_with_its_figures(database):
    """Where it dominates the others."""
    database.append(some(400, 0.92, 0.002, model_tier="small") + some(400, 0.8, 0.05, model_tier="large"))

    heading = of_side_by_side(side_by_side(database, "model_tier"))

    assert re.fullmatch(
        r"Use tier small: 92% succeed; large does worse \(80%\) and costs \d\d times as much", heading.text
    )
    assert re.fullmatch(
        r"success: \w+ \d+% \(\d+ to \d+\), \w+ \d+% \(\d+ to \d+\); same mix of tasks", heading.evidence
    )


def test_task_types_are_no_choice(database):
    """An execution has the type of its task."""
    database.append(some(400, 0.92, 0.002, task_type="a") + some(400, 0.8, 0.05, task_type="b"))

    assert of_side_by_side(side_by_side(database, "task_type")).text == (
        "Task type a succeeds most (92%), b least (80%)"
    )


def test_cheaper_tier_that_is_shown_to_fail_more_is_not_advised(database):
    """It is named with what it saves."""
    database.append(some(400, 0.8, 0.002, model_tier="small") + some(400, 0.97, 0.05, model_tier="large"))

    text = of_side_by_side(side_by_side(database, "model_tier")).text

    assert re.fullmatch(r"Use tier large: 97% succeed; with small only 80% do, at \d% of the cost", text)


def test_equal_pools_are_not_told_apart(database):
    """No difference is made of chance."""
    database.append(some(200, 0.9, pool_type="a") + some(200, 0.9, pool_type="b", seed=2))

    heading = of_side_by_side(side_by_side(database, "pool_type"))

    assert heading.text == "Nothing tells the 2 pools apart: 90% succeed"


def test_dominated_one_of_three_is_not_told_of(database):
    """A reader asks of the cheaper one."""
    database.append(some(600, 0.8, 0.002, model="cheap") + some(600, 0.97, 0.05, model="good"))
    database.append(some(600, 0.7, 0.06, model="bad"))

    text = of_side_by_side(side_by_side(database, "model")).text

    assert re.fullmatch("Use model good: 97% succeed; with cheap only 80% do, at [45]% of the cost", text)


def test_unknown_costs_are_said_to_be_unknown(database):
    """Success alone tells the best where its interval is apart from the others'."""
    database.append(some(400, 0.8, None, model_tier="small") + some(400, 0.97, None, model_tier="large"))
    database.append(some(400, 0.9, None, worker_id="a") + some(400, 0.9, None, worker_id="b"))

    tiers = of_side_by_side(side_by_side(database, "model_tier", Selection(where="worker_id=unknown")))
    workers = of_side_by_side(side_by_side(database, "worker_id", Selection(model_tier="unknown")))

    assert tiers.text == "Use tier large: 97% succeed; with small 80% do; no cost was reported"
    assert workers.text == "No cost of worker ids was reported, and success differs little: 90%"


def test_lower_bound_is_at_least(database):
    """A part of its cost is unknown."""
    database.append(some(300, 0.9, 0.001, model_tier="small", cost_source="partial"))

    heading = of_side_by_side(side_by_side(database, "model_tier"))

    assert re.fullmatch(
        r"All executions are of tier small; 90% succeed, for at least \$0\.001\d each",
        heading.text,
    )
