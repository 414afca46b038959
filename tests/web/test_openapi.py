import pytest
from jsonschema import Draft202012Validator

from gateway.pipeline.record import Record
from gateway.web.answers import StatusReport
from tests.web.offices import open_street


@pytest.fixture
async def spec(tmp_path):
    async with open_street(tmp_path) as street:
        return await (await street.client.get("/v1/openapi.json")).json()


def test_the_openapi_document_says_what_every_field_and_parameter_means(spec):
    def untold(place, node):
        if isinstance(node, list):
            for each in node:
                yield from untold(place, each)
        if not isinstance(node, dict):
            return
        for name, field in node.get("properties", {}).items():
            if not field.get("description", "").strip():
                yield f"{place}.{name}"
        if "in" in node and not node.get("description", "").strip():
            yield f"{place} parameter {node.get('name')}"
        for name, each in node.items():
            yield from untold(f"{place}.{name}", each)

    assert list(untold("", spec)) == []


@pytest.mark.parametrize("model", [Record, StatusReport])
def test_its_examples_are_taken_by_the_gateway_and_fit_their_own_schema(spec, model):
    schema = spec["components"]["schemas"][model.__name__]
    assert schema["examples"]
    for example in schema["examples"]:
        model.model_validate(example)
        Draft202012Validator({**schema, "components": spec["components"]}).validate(example)
