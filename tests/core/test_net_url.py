"""URLs of endpoints: which name is asked for, shown to the server, and sent in the request."""

from __future__ import annotations

import pytest

from cockpit.connect.net.url import parse
from cockpit.errors import BlindError, Reason


@pytest.mark.parametrize(
    ("url", "host", "name", "authority"),
    [
        pytest.param("https://shop.example/", "shop.example", "shop.example", "shop.example",
                     id="plain"),
        pytest.param("https://Shop.Example:8443/", "shop.example", "shop.example",
                     "shop.example:8443", id="case and port"),
        pytest.param("https://shop.example./", "shop.example.", "shop.example", "shop.example",
                     id="an absolute name"),
        pytest.param("tcp://shop.example.:5432", "shop.example.", "shop.example",
                     "shop.example:5432", id="an absolute name with a port"),
        pytest.param("https://straße.de/", "xn--strae-oqa.de", "xn--strae-oqa.de",
                     "xn--strae-oqa.de", id="ß is a letter of its own"),
        pytest.param("https://BÜCHER.example/", "xn--bcher-kva.example", "xn--bcher-kva.example",
                     "xn--bcher-kva.example", id="capital letters of others"),
        pytest.param("https://xn--bcher-kva.example/", "xn--bcher-kva.example",
                     "xn--bcher-kva.example", "xn--bcher-kva.example", id="encoded already"),
        pytest.param("https://例え。テスト/", "xn--r8jz45g.xn--zckzah", "xn--r8jz45g.xn--zckzah",
                     "xn--r8jz45g.xn--zckzah", id="an ideographic full stop"),
        pytest.param("https://a_b.internal/", "a_b.internal", "a_b.internal", "a_b.internal",
                     id="an underscore, as private names have"),
        pytest.param("http://[::1]:8080/", "::1", "::1", "[::1]:8080", id="an IPv6 address"),
    ],
)  # fmt: skip
def test_the_name_is_the_one_that_browsers_ask_for(
    url: str, host: str, name: str, authority: str
) -> None:
    place = parse(url)
    assert (place.host, place.name, place.authority) == (host, name, authority)


@pytest.mark.parametrize("host", [".", "..", "a..b", "a..", "ab\u200dc.example", "-\u00e4.example"])
def test_what_is_no_name_is_refused(host: str) -> None:
    with pytest.raises(BlindError) as caught:
        parse(f"https://{host}/")
    assert caught.value.reason is Reason.MISCONFIGURED


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        pytest.param("/new", "/new", id="relative"),
        pytest.param("https://shop.example/new", "/new", id="the same name without the dot"),
        pytest.param("https://other.example/new", None, id="another host"),
    ],
)
def test_redirects_of_an_absolute_name_stay_within_it(location: str, leads_to: str | None) -> None:
    onward = parse("https://shop.example./old").onward(location)
    assert (onward.path if onward else None) == leads_to
    assert onward is None or onward.host == "shop.example."
