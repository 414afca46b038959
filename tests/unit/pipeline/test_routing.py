import datetime as dt

from gateway.config import OfficeSection, RouteSection
from gateway.pipeline.routing import Router

TODAY = dt.date(2026, 11, 22)


def router(*routes):
    offices = [
        OfficeSection(name="tinh", adapter="pull", organs=("000.00.00.H08", "H08.VP")),
        OfficeSection(name="so-noi-vu", adapter="pull", organs=("000.00.13.H08",)),
    ]
    return Router(offices, [RouteSection.model_validate(route) for route in routes])


def test_an_organ_of_our_own_offices_is_reached_inside():
    routes = router({"organ": "*", "axis": "national"})
    assert routes.route("000.00.13.H08", TODAY) == "local"
    assert routes.office_of("000.00.13.H08") == "so-noi-vu"
    assert routes.organs_of("tinh") == ("000.00.00.H08", "H08.VP")


def test_an_exact_code_beats_a_pattern_and_a_longer_pattern_a_shorter_one():
    routes = router(
        {"organ": "*", "axis": "national"},
        {"organ": "*.H19", "axis": "dong-nai"},
        {"organ": "000.00.13.H19", "axis": "direct"},
    )
    assert routes.route("000.00.13.H19", TODAY) == "direct"
    assert routes.route("000.00.14.H19", TODAY) == "dong-nai"
    assert routes.route("000.00.00.G22", TODAY) == "national"


def test_a_prefix_pattern_matches_new_codes():
    routes = router({"organ": "H37.*", "axis": "lang-son"})
    assert routes.route("H37.DN.001", TODAY) == "lang-son"
    assert routes.route("H38.01", TODAY) is None


def test_a_route_holds_only_between_its_dates():
    routes = router(
        {"organ": "*.H42", "axis": "old", "until": "2026-06-30"},
        {"organ": "*.H42", "axis": "new", "from": "2026-07-01"},
    )
    assert routes.route("000.00.00.H42", dt.date(2026, 6, 30)) == "old"
    assert routes.route("000.00.00.H42", dt.date(2026, 7, 1)) == "new"


def test_an_organ_that_no_route_reaches_has_no_axis():
    assert router().route("000.00.00.G22", TODAY) is None
