"""What a step looks like on the wire."""

from weir.demo.sending import bodies
from weir.demo.traffic import Hit
from weir.demo.visit import Step
from weir.demo.visitors import Person, Visitor
from weir.demo.world import COUNTRIES, DEVICES

VISITOR = Visitor(1, COUNTRIES[0], DEVICES[0], "73.1.2.3")
ADA = Person("customer-1", "Ada", "Weber", "ada@mail.example", "club")
SAID = {
    "profileId": "customer-1",
    "firstName": "Ada",
    "lastName": "Weber",
    "email": "ada@mail.example",
    "properties": {"plan": "club"},
}
SIGN_UP = Step("sign_up", {"place": "footer"}, 3.0, "customer-1", ADA)


def test_an_event_now() -> None:
    step = Step("screen_view", {"__path": "/"}, 0.0)
    assert bodies(Hit(VISITOR, step)) == [
        {"type": "track", "payload": {"name": "screen_view", "properties": {"__path": "/"}}}
    ]


def test_who_signs_up_now_identifies_after_the_event() -> None:
    track, identify = bodies(Hit(VISITOR, SIGN_UP))
    assert track["payload"] == {"name": "sign_up", "properties": {"place": "footer"}, "profileId": "customer-1"}
    assert identify == {"type": "identify", "payload": SAID}


def test_an_event_of_the_past_carries_its_time_and_person() -> None:
    (track,) = bodies(Hit(VISITOR, SIGN_UP, 1_700_000_000_123))
    assert track["payload"]["properties"] == {
        "place": "footer",
        "__timestamp": "2023-11-14T22:13:20.123Z",
        "__identify": SAID,
    }
    assert SIGN_UP.properties == {"place": "footer"}
