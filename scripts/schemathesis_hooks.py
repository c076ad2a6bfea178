"""Components as bodies of requests and responses."""

import schemathesis


@schemathesis.serializer("application/wasm")
def to_component(context, value):
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.deserializer("application/wasm")
def from_component(context, response):
    return response.content
