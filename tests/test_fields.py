"""The page of all fields says what the models say."""

import runpy
from pathlib import Path

import pytest

from lava_ep.spec import ExperimentSpec, NeuronSpecBase, Spec

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(ROOT / "scripts" / "describe_fields.py"))


def test_the_page_is_the_one_that_the_script_writes(script):
    found = (ROOT / "docs" / "fields.md").read_text(encoding="utf-8")
    assert found == script["page"](), "run python scripts/describe_fields.py"


def test_the_page_has_all_models_and_says_what_their_fields_are(script):
    shown = {model for models in script["SECTIONS"].values() for model in models.values()}
    whole = {*Spec.__subclasses__(), *NeuronSpecBase.__subclasses__()} - {
        NeuronSpecBase,
        ExperimentSpec,
    }
    # Tests in the same process may have registered a kind of another package.
    assert shown == {model for model in whole if model.__module__.startswith("lava_ep.")}
    silent = {
        f"{model.__name__}.{name}"
        for model in shown
        for name, field in model.model_fields.items()
        if not field.description and name != "kind"
    }
    assert silent == set()
