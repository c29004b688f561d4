"""Pages show what is chosen, in the order in which it is chosen."""

import pytest
from pydantic import ValidationError

from kener.db import reading
from kener.domain.inputs import PageInput
from kener.models import Monitor, Page, PageMonitor
from kener.queries import pages as rows
from kener.services import monitors, pages, trash
from kener.services.errors import Conflict, NotFound, Refused
from tests.factories import SAM, count, every, make_monitor

pytestmark = pytest.mark.usefixtures("app")


def make(path: str = "shop", *tags: str, **fields: object) -> int:
    given = {"path": path, "title": path.capitalize(), "monitor_tags": tags, **fields}
    return pages.create(PageInput.model_validate(given), actor=SAM)


def shown(page_id: int) -> tuple[str, ...]:
    found = rows.by_id(reading(), page_id)
    assert found is not None
    return found.monitor_tags


def change(page_id: int, *tags: str, version: int | None = None, **fields: object) -> None:
    given = {"path": "shop", "title": "Shop", "monitor_tags": tags, **fields}
    pages.update(page_id, PageInput.model_validate(given), actor=SAM, version=version)


def test_monitors_stand_in_the_order_in_which_they_were_given() -> None:
    for tag in ("a", "b", "c"):
        make_monitor(tag)
    page_id = make("shop", "c", "a", "c")
    assert shown(page_id) == ("c", "a")
    change(page_id, "b", "c")
    assert shown(page_id) == ("b", "c")
    with pytest.raises(Refused) as caught:
        change(page_id, "b", "nobody")
    assert caught.value.errors == {"monitor_tags": "There is no monitor nobody."}
    assert shown(page_id) == ("b", "c")


def test_a_deleted_monitor_keeps_its_place_until_it_is_gone_for_good() -> None:
    make_monitor("a")
    make_monitor("b")
    page_id = make("shop", "a", "b")
    monitors.delete("a", actor=SAM)
    assert shown(page_id) == ("b",)
    change(page_id, "b", header="New words")
    trash.restore("a", actor=SAM)
    assert sorted(shown(page_id)) == ["a", "b"]
    monitors.delete("a", actor=SAM)
    trash.purge("a", actor=SAM)
    assert count(PageMonitor) == 1


def test_an_address_is_taken_once_and_a_page_is_changed_by_one_at_a_time() -> None:
    first, second = make("shop"), make("blog")
    with pytest.raises(Refused) as caught:
        change(second)
    assert caught.value.errors == {"path": "There is a page at /shop already."}
    change(first, version=1, title="Our shop")
    with pytest.raises(Conflict):
        change(first, version=1)
    for act in (pages.delete, lambda page_id, actor: pages.move(page_id, up=True, actor=actor)):
        with pytest.raises(NotFound):
            act(2_000_000, actor=SAM)


def test_pages_are_moved_and_deleted_without_their_monitors() -> None:
    make_monitor("a")
    ids = [make(path, "a") for path in ("one", "two", "three")]
    pages.move(ids[2], up=True, actor=SAM)
    assert [page.path for page in rows.listed(reading())] == ["one", "three", "two"]
    pages.move(ids[0], up=True, actor=SAM)
    pages.move(ids[1], up=False, actor=SAM)
    assert [page.path for page in rows.listed(reading())] == ["one", "three", "two"]
    pages.delete(ids[0], actor=SAM)
    assert (count(Page), count(Monitor), len(every(PageMonitor))) == (2, 1, 2)


@pytest.mark.parametrize(
    "path", ["", "Shop", "a b", "manage", "/api/", "rss.xml", "a/b", "-a", "ä", "x" * 129, "monitors"]
)
def test_an_address_that_cannot_be_one_is_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        PageInput(path=path, title="Shop")
    assert PageInput(path="/shop-2/", title="Shop").path == "shop-2"
