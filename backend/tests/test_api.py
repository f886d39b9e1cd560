"""The API, from the outside."""

import dataclasses

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings


def test_items_are_kept_and_listed_newest_first(client: TestClient) -> None:
    assert client.get("/api/items").json() == []
    first = client.post("/api/items", json={"name": "  bread "})
    assert first.status_code == 201
    assert first.json()["name"] == "bread"
    client.post("/api/items", json={"name": "milk"})
    assert [item["name"] for item in client.get("/api/items").json()] == ["milk", "bread"]
    assert [item["name"] for item in client.get("/api/items?limit=1").json()] == ["milk"]


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "   "}, {"name": "x" * 201}, {"name": None}])
def test_bad_items_are_refused(client: TestClient, body: dict[str, object]) -> None:
    assert client.post("/api/items", json=body).status_code == 422
    assert client.get("/api/items").json() == []


@pytest.mark.parametrize("limit", ["0", "501", "x"])
def test_the_limit_is_bounded(client: TestClient, limit: str) -> None:
    assert client.get(f"/api/items?limit={limit}").status_code == 422


def test_ready_while_the_database_answers(client: TestClient) -> None:
    assert client.get("/api/readyz").status_code == 200
    assert client.get("/api/revision").json() == {"revision": "abc123"}


def test_alive_but_not_ready_without_a_database(server: Settings) -> None:
    nowhere = TestClient(create_app(dataclasses.replace(server, port=1)))
    assert nowhere.get("/api/healthz").status_code == 200
    answer = nowhere.get("/api/readyz")
    assert answer.status_code == 503
    assert server.password not in answer.text
