"""Random events, most of them nearly right: what clients send, and what nobody should."""

import base64
import json
from urllib.parse import quote

from hypothesis import strategies as st

from tasador.events import read

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
# With halves of surrogate pairs, NUL and noncharacters, which ``st.text`` leaves out by default.
ANY_CHARACTER = st.text(st.characters(codec=None, exclude_categories=()), max_size=12)
TIMES = st.sampled_from(
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31t12:00:00.5z",
        "2016-12-31T23:59:60Z",
        "2026-01-31T12:00:60Z",
        "2026-01-31",
        "now",
        "",
    ]
)
CONTENT_TYPES = st.sampled_from(
    [
        "application/json",
        "application/json; charset=UTF-8",
        "application/vnd.x+json",
        read.STRUCTURED,
        f"{read.STRUCTURED}; charset=utf-8",
        read.BATCHED,
        "application/cloudevents",
        "application/xml",
        "text/plain",
        "",
        "a/b; charset=nonsense",
    ]
)
_NAMES = st.sampled_from(["correlationid", "x", "a1", "my-name", "Upper", "data", "a_b"])
_HEADER_TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)


@st.composite
def mostly(draw, good, otherwise):
    """``good`` nine times in ten."""
    return draw(otherwise) if draw(st.integers(0, 9)) == 7 else good


@st.composite
def attributes(draw, values, *, type_="t"):
    """The attributes of an event, some of them spoilt; ``values`` makes those."""
    made = {
        "specversion": draw(mostly("1.0", values)),
        "id": draw(mostly(f"id-{draw(st.integers(0, 10**9))}", values)),
        "source": draw(mostly("/test", values)),
        "type": draw(mostly(type_, values)),
    }
    for name, good in (("subject", "a subject"), ("time", "2026-01-31T12:00:00Z")):
        if draw(st.booleans()):
            made[name] = draw(mostly(good, TIMES if name == "time" else values))
    extensions = st.dictionaries(mostly("x", _NAMES), mostly("an extension", values), max_size=2)
    made.update(draw(extensions))
    if (gone := draw(mostly("", st.sampled_from(sorted(made))))) != "":
        del made[gone]
    return made


def header_value(text):
    """A text as a header's value: percent-encoded as far as UTF-8 has it."""
    return quote(text.encode(errors="surrogatepass"))


@st.composite
def binary_requests(draw, *, type_="t", data=ANY_JSON):
    """(headers, body) of a request in binary mode. Values are encoded, quoted or as they are."""
    encoded = ANY_CHARACTER.map(header_value)
    quoted = _HEADER_TEXT.map(lambda text: f'"{text}"')
    values = encoded | quoted | _HEADER_TEXT | st.sampled_from(["%FF", "%", "a%zz", "\xe9"])
    headers = {f"ce-{k}": v for k, v in draw(attributes(values, type_=type_)).items()}
    headers["content-type"] = draw(mostly("application/json", CONTENT_TYPES))
    return headers, draw(bodies(data))


@st.composite
def structured_requests(draw, *, type_="t", data=ANY_JSON):
    """(headers, body) of a request in structured mode."""
    members = draw(attributes(ANY_CHARACTER | ANY_JSON, type_=type_))
    if draw(st.booleans()):
        members["datacontenttype"] = draw(mostly("application/json", CONTENT_TYPES))
    if draw(st.integers(0, 9)) != 7:
        members["data"] = draw(data)
    else:
        members["data_base64"] = base64.b64encode(draw(bodies(data))).decode()
    content_type = draw(mostly(read.STRUCTURED, CONTENT_TYPES))
    return {"content-type": content_type}, as_json(members)


@st.composite
def bodies(draw, data):
    """The bytes of a body: JSON as Python writes it, or none at all."""
    return draw(mostly(as_json(draw(data)), st.binary(max_size=40)))


def as_json(value):
    """JSON with NaN, infinities and halves of surrogate pairs, as careless clients write them."""
    return json.dumps(value).encode()
