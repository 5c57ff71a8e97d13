"""The notebooks' parameters."""

import papermill
import pytest

from fmnist_lib.course import execute
from fmnist_lib.errors import CourseError

KNOWN = {
    "epochs": {"inferred_type_name": "int"},
    "learning_rate": {"inferred_type_name": "float"},
    "published_report": {"inferred_type_name": "bool"},
    "data_source": {"inferred_type_name": "str"},
}


def test_parameters_take_the_declared_types():
    texts = [("epochs", "2"), ("learning_rate", "1e-3"), ("published_report", "False"),
             ("data_source", "csv")]  # fmt: skip
    values = execute.parse_parameters(texts, KNOWN)
    assert values == {"epochs": 2, "learning_rate": 0.001, "published_report": False,
                      "data_source": "csv"}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("epoch", "2", "There is no parameter 'epoch'. Did you mean epochs"),
        ("epochs", "2.5", "epochs='2.5' is not of type int"),
        ("learning_rate", "fast", "is not of type float"),
        ("published_report", "maybe", "is not of type bool"),
    ],
)
def test_wrong_parameters(name, text, message):
    with pytest.raises(CourseError, match=message):
        execute.parse_parameters([(name, text)], KNOWN)


def test_every_parameter_has_a_type_and_a_meaning():
    for path in execute.notebooks():
        for name, spec in papermill.inspect_notebook(path).items():
            assert spec["inferred_type_name"] in ("int", "float", "bool", "str"), (path.name, name)
            assert len(spec["help"]) > 10, (path.name, name)
