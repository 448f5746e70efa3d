"""Nobody sees what belongs to somebody else, on any route."""

from typing import Any

import pytest

from control.clients import NewClient
from query_api.app import openapi_document
from tests.integration.query_api.conftest import OpenApi, World, credentials

pytestmark = pytest.mark.integration

_VALUES = {"dimension": "country", "profileId": "device-1"}


_OF_NO_PROJECT = ("/projects", "/audit")
"""What tells of the caller's organisation, or of the installation."""


def routes() -> list[str]:
    """Every documented GET route, its project left open."""
    paths: dict[str, Any] = openapi_document()["paths"]
    return [path for path, operations in paths.items() if "get" in operations]


def address(route: str, project: str) -> str:
    """The route for a project, wherever it names it."""
    filled = route.replace("{projectId}", project)
    for name, value in _VALUES.items():
        filled = filled.replace("{" + name + "}", value)
    if "{" in filled:
        raise AssertionError(f"{route} needs a value here")
    return filled if "{projectId}" in route or route in _OF_NO_PROJECT else f"{filled}?projectId={project}"


def test_the_routes_are_found() -> None:
    assert {"/insights/{projectId}/metrics", "/insights/{projectId}/{dimension}", "/export/events"} <= set(routes())


@pytest.mark.parametrize("route", routes())
async def test_only_read_and_root_clients_of_the_project_get_in(open_api: OpenApi, world: World, route: str) -> None:
    shop = world.read["shop"]
    refused: list[dict[str, str]] = [
        credentials(world.write),
        credentials(NewClient(shop.client_id, world.root.client_secret)),
        credentials(NewClient("3f2504e0-4f89-41d3-9a0c-0305e82c3301", shop.client_secret)),
        credentials(NewClient("' or 1=1 --", "x" * 10_000)),
        {"openpanel-client-id": shop.client_id},
        {},
    ]
    async with open_api() as http:
        for headers in refused:
            http.headers.pop("openpanel-client-id", None)
            http.headers.pop("openpanel-client-secret", None)
            response = await http.get(address(route, "shop"), headers=headers)
            assert response.status_code == 401, headers
            assert response.json().keys() == {"status", "error", "message"}
            assert response.json()["error"] == "Unauthorized"
        for client in (shop, world.root):
            allowed = await http.get(address(route, "shop"), headers=credentials(client))
            assert allowed.status_code == 200, allowed.text
            assert allowed.headers["cache-control"] == "no-store"
        if route in _OF_NO_PROJECT:
            return
        for client, project in (
            (shop, "rival"),
            (shop, "blog"),
            (shop, "nowhere"),
            (world.root, "rival"),
            (world.read["rival"], "shop"),
        ):
            response = await http.get(address(route, project), headers=credentials(client))
            assert response.status_code == 404, (project, response.text)
            assert response.json()["message"] == "Project not found"
        own = await http.get(address(route, "blog"), headers=credentials(world.root))
        assert own.status_code == 200


async def test_projects_are_those_one_may_read(open_api: OpenApi, world: World) -> None:
    async with open_api() as http:
        for client, expected in (
            (world.read["shop"], ["shop"]),
            (world.read["rival"], ["rival"]),
            (world.root, ["blog", "empty", "shop"]),
        ):
            answer = (await http.get("/projects", headers=credentials(client))).json()
            assert [project["id"] for project in answer] == expected
    assert answer[0] == {
        "id": "blog",
        "name": "Blog",
        "organizationId": "acme",
        "timezone": "America/New_York",
        "weekStart": 7,
        "currency": "USD",
    }


async def test_a_root_client_must_name_the_project_it_exports(open_api: OpenApi, world: World) -> None:
    async with open_api(world.root) as http:
        assert (await http.get("/export/events")).status_code == 400
        both = [
            (await http.get("/export/events", params={name: "blog"})).json() for name in ("projectId", "project_id")
        ]
    assert both[0] == both[1]
    assert {event["projectId"] for event in both[0]["data"]} == {"blog"}


async def test_another_project_s_rows_are_in_no_answer(open_api: OpenApi, world: World) -> None:
    """The rival has the same devices and pages; its event ids and session ids are its own."""
    own = {hit.event_id for visit in world.visits["shop"] for hit in visit.hits}
    async with open_api() as http:
        answer = (await http.get("/export/events", params={"limit": 1000})).json()
    ids = {event["id"] for event in answer["data"] if event["name"] != "invoice_paid"}
    assert ids <= own
    assert not any("rival" in event["sessionId"] or "blog" in event["sessionId"] for event in answer["data"])
