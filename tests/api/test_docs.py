"""The pages under /docs: they work without any other server."""
import html.parser
import re

import pytest

from raw_http import Connection

TYPES = {"css": "text/css", "js": "text/javascript", "png": "image/png", "txt": "text/plain"}


@pytest.fixture
def anonymous(service):
    return service.anonymous()


class Page(html.parser.HTMLParser):
    """What a page refers to, and what it has of its own."""

    def __init__(self, text):
        super().__init__()
        self.references, self.loads, self.inline = [], [], []
        self.inside = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.inside = tag
        for name, value in attrs:
            if name in ("href", "src", "action", "data", "srcset"):
                self.references.append(value)
                if tag in ("link", "script", "img", "iframe", "object"):
                    self.loads.append(value)
            if name.startswith("on") or name == "style":
                self.inline.append((tag, name))
        if tag == "style" or (tag == "script" and "src" not in attributes):
            self.inline.append((tag, None))

    def handle_endtag(self, tag):
        self.inside = None


@pytest.fixture
def page(anonymous):
    return Page(anonymous.get("/docs").raw.decode())


def test_page_refers_to_nothing_outside_and_has_no_script_or_style_of_its_own(page):
    assert len(page.loads) >= 5 and page.inline == []
    for reference in page.references:
        assert not re.match(r"[a-z]+:|//|/", reference), reference


def test_everything_that_the_page_loads_is_there_with_its_type(anonymous, page):
    for reference in page.loads:
        answer = anonymous.get("/" + reference)
        assert answer.headers.get_content_type() == TYPES[reference.rsplit(".", 1)[1]]
        assert answer.headers["X-Content-Type-Options"] == "nosniff" and len(answer.raw) > 50


def test_styles_load_nothing_from_elsewhere(anonymous, page):
    styles = [anonymous.get("/" + reference).raw.decode() for reference in page.loads if reference.endswith(".css")]
    assert len(styles) == 2
    for style in styles:
        assert "@import" not in style
        for target in re.findall(r"url\(\s*[\"']?([^\"')]{1,40})", style):
            assert target.startswith("data:"), target


def test_script_shows_the_services_own_description_and_asks_no_validator(anonymous):
    script = anonymous.get("/docs/page.js").raw.decode()
    url = re.search(r'url: "([^"]+)"', script).group(1)
    assert anonymous.get("/" + url).raw.startswith(b"openapi: 3.1")
    assert 'validatorUrl: "none"' in script and "://" not in script
    bundle = anonymous.get("/docs/swagger-ui-bundle.js").raw
    assert b"SwaggerUIBundle" in bundle and len(bundle) > 1_000_000


@pytest.mark.parametrize("path", ["/docs", "/docs/page.js", "/docs/swagger-ui.css"])
def test_policy_allows_nothing_but_the_services_own_files(anonymous, path):
    policy = anonymous.get(path).headers["Content-Security-Policy"]
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules["default-src"] == ["'none'"] and rules["frame-ancestors"] == ["'none'"]
    for sources in rules.values():
        assert set(sources) <= {"'none'", "'self'", "data:"}
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == ["'self'"]


@pytest.mark.parametrize("path", ["/docs", "/docs/swagger-ui-bundle.js", "/docs/favicon-32x32.png"])
def test_what_a_browser_has_is_not_sent_again(anonymous, path):
    first = anonymous.get(path)
    assert first.headers["Cache-Control"] == "no-cache"
    again = anonymous.get(path, expect=304, headers={"If-None-Match": first.headers["ETag"]})
    assert again.raw == b"" and again.headers["ETag"] == first.headers["ETag"]
    assert anonymous.get(path, headers={"If-None-Match": '"other"'}).raw == first.raw
    assert anonymous.head(path).headers["Content-Length"] == str(len(first.raw))


ASKS = {"Accept-Encoding": "gzip"}


@pytest.mark.parametrize("path", ["/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/docs/LICENSE"])
def test_text_is_compressed_for_who_asks(anonymous, path):
    plain, small = anonymous.get(path), anonymous.get(path, headers=ASKS)
    assert small.headers["Content-Encoding"] == "gzip" and small.raw == plain.raw
    assert int(small.headers["Content-Length"]) == len(small.wire) < len(plain.wire) / 2
    assert anonymous.head(path, headers=ASKS).headers["Content-Length"] == str(len(small.wire))
    assert small.headers["ETag"] == plain.headers["ETag"][:-1] + '-gzip"'
    for headers in ({}, ASKS):
        for tag in (plain.headers["ETag"], small.headers["ETag"]):
            again = anonymous.get(path, expect=304, headers={**headers, "If-None-Match": tag})
            assert again.headers["ETag"] == (small if headers else plain).headers["ETag"]
            assert again.headers["Vary"] == plain.headers["Vary"] == small.headers["Vary"] == "Accept-Encoding"


def test_picture_is_the_same_for_everybody(anonymous):
    path = "/docs/favicon-32x32.png"
    plain, same = anonymous.get(path), anonymous.get(path, headers=ASKS)
    assert same.wire == plain.wire and same.headers["ETag"] == plain.headers["ETag"]
    again = anonymous.get(path, expect=304, headers={**ASKS, "If-None-Match": plain.headers["ETag"]})
    assert again.headers["ETag"] == plain.headers["ETag"]
    assert plain.headers["Vary"] is same.headers["Vary"] is again.headers["Vary"] is None


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fpage.js", "%2e%2e", "page.html", "PAGE.JS", "..%2f..%2fetc%2fpasswd"])
def test_what_is_no_file_of_the_pages_is_not_there(anonymous, name):
    anonymous.get(f"/docs/{name}", expect="route_not_found")


def test_licences_travel_with_the_files(anonymous):
    assert b"Apache License" in anonymous.get("/docs/LICENSE").raw
    assert anonymous.get("/docs/NOTICE").raw
    assert anonymous.get("/docs/swagger-ui-bundle.js.LICENSE.txt").raw


def test_whole_bundle_arrives_over_one_connection_as_often_as_wanted(service, anonymous):
    with Connection(anonymous) as connection:
        for _ in range(3):
            connection.request("GET", "/docs/swagger-ui-bundle.js")
            connection.request("GET", "/healthz")
            assert len(connection.answer().raw) > 1_000_000
            assert connection.answer().status == 200
