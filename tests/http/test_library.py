"""The library over HTTP: the timeline and its pages, what is looked for, and many photos done to at once."""

from __future__ import annotations

from typing import Any

import httpx
from tests.pictures import dated, jpeg
from tests.running import Client

UNKNOWN = "ph_unknown"


def library(client: Client) -> dict[str, str]:
    """Four photos, by name their ids."""
    pictures = {
        "new.jpg": dated("2024:05:04 23:59:59", seed=1),
        "old.jpg": dated("2023:12:31 08:00:00", seed=2),
        "noon.jpg": dated("2024:05:04 12:00:00", seed=3),
        "undated.jpg": jpeg(seed=4),
    }
    found = {}
    for name, picture in pictures.items():
        job_id, found[name] = client.ingest(picture, name)
        assert client.ended(job_id)["status"] == "COMPLETED"
    return found


def names(client: Client, path: str = "/queries/photos", **asked: Any) -> list[str]:
    answer = client.get(path, params={"order": "captured", **asked})
    assert answer.status_code == 200, answer.text
    return [each["filename"] for each in answer.json()["items"]]


def many(client: Client, what: str, *ids: str) -> list[str]:
    """Those of the photos that are now as was asked."""
    answer = client.post(f"/commands/photos/{what}", json={"photoIds": list(ids)})
    assert answer.status_code == 200, answer.text
    return sorted(answer.json()["photoIds"])


def test_l1_the_timeline_and_its_pages(client: Client) -> None:
    photos = library(client)
    arrival = client.get(f"/queries/photos/{photos['undated.jpg']}").json()
    told = client.get("/queries/photos/timeline").json()
    assert told["days"] == [
        {"day": arrival["createdAt"][:10], "count": 1, "undated": 1},
        {"day": "2024-05-04", "count": 2, "undated": 0},
        {"day": "2023-12-31", "count": 1, "undated": 0},
    ]
    assert (told["totalElements"], told["trashDays"]) == (4, 30)
    in_order = ["undated.jpg", "new.jpg", "noon.jpg", "old.jpg"]
    assert names(client) == in_order
    assert names(client, order="added") == ["undated.jpg", "noon.jpg", "old.jpg", "new.jpg"]
    assert names(client, to="2024-05-04", size=2, page=0) == ["new.jpg", "noon.jpg"]
    assert names(client, **{"from": "2024-01-01", "to": "2024-12-31"}) == ["new.jpg", "noon.jpg"]
    assert client.get("/queries/photos", params={"from": "4 May"}).status_code == 422
    first = client.get("/queries/photos", params={"order": "captured", "size": 3}).json()
    assert [each["day"] for each in first["items"]] == [arrival["createdAt"][:10], "2024-05-04", "2024-05-04"]
    assert names(client, size=3, cursor=first["nextCursor"]) == ["old.jpg"]
    assert names(client, search="2024-05") == names(client, search="nikon 2024")[:2] == ["new.jpg", "noon.jpg"]
    assert client.get("/queries/photos/timeline", params={"search": "nowhere"}).json()["days"] == []

    asked = client.get("/queries/photos/ids", params={"size": 3}).json()
    rest = client.get("/queries/photos/ids", params={"size": 3, "cursor": asked["nextCursor"]}).json()
    assert asked["photoIds"] + rest["photoIds"] == [photos[name] for name in in_order]
    assert "nextCursor" not in {k: v for k, v in rest.items() if v is not None}


def test_l3_many_go_to_the_trash_come_back_and_are_gone_for_good(client: Client) -> None:
    photos = library(client)
    under_way = client.declare(("slow.jpg", 9))["items"][0]["photoId"]
    new, old, undated = (photos[name] for name in ("new.jpg", "old.jpg", "undated.jpg"))

    for _ in range(2):
        assert many(client, "trash", new, old, undated, under_way, UNKNOWN) == sorted([new, old, undated])
    assert names(client) == ["noon.jpg"]
    trash = client.get("/queries/photos/trash", params={"order": "deleted"}).json()["items"]
    assert {each["photoId"] for each in trash} == {new, old, undated}
    assert {each["day"] for each in trash} == {each["deletedAt"][:10] for each in trash}
    assert all(each["goneAt"] > each["deletedAt"] for each in trash)
    timeline = client.get("/queries/photos/timeline", params={"shelf": "trash"}).json()
    assert [(day["day"], day["count"]) for day in timeline["days"]] == [(trash[0]["day"], 3)]
    listed = client.get("/queries/photos/ids", params={"shelf": "trash"}).json()
    assert set(listed["photoIds"]) == {new, old, undated}

    assert many(client, "restore", new, UNKNOWN) == [new]
    assert names(client) == ["new.jpg", "noon.jpg"]
    assert client.post("/commands/photos/trash", json={"photoIds": []}).status_code == 422


def test_l4_only_what_lies_in_the_trash_is_deleted_for_good(client: Client) -> None:
    (job_id, old), (other_job, noon) = client.ingest(jpeg(seed=5)), client.ingest(jpeg(seed=6))
    for each in (job_id, other_job):
        client.ended(each)
    assert many(client, "trash", old) == [old]
    thumbnail = client.get(f"/queries/photos/{old}").json()["thumbnailUrl"]
    assert many(client, "permanent", old, noon) == [old]
    assert many(client, "permanent", old) == many(client, "restore", old) == []
    assert httpx.get(thumbnail).status_code == 404
    assert names(client) == ["a.jpg"]
    assert client.post("/commands/photos/permanent", json={"photoIds": ["ph_x"] * 101}).status_code == 422


def test_j7_many_photos_of_another_user_are_passed_over(client: Client, server: Any) -> None:
    job_id, photo_id = client.ingest(jpeg(seed=8))
    client.ended(job_id)
    with server.client() as stranger:
        for what in ("trash", "restore", "permanent"):
            answer = stranger.post(f"/commands/photos/{what}", json={"photoIds": [photo_id]})
            assert answer.json() == {"photoIds": []}
        assert stranger.get("/queries/photos/timeline").json()["days"] == []
        assert stranger.get("/queries/photos/ids").json()["photoIds"] == []
    assert [each["photoId"] for each in client.get("/queries/photos").json()["items"]] == [photo_id]
