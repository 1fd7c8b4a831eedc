"""Holds what a `drover server` answers against the OpenAPI document that it serves: every live answer of every test that calls a
site. A field that the document does not name, or names with another type, is a failure; so is a status that it does not have."""
import json
import re
import urllib.request

DOCUMENT = "/api/ext/v1/openapi.json"
TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
# Clients with strict types do not take 4.0 for a whole number, nor true for 1.
TYPES = {"string": str, "boolean": bool, "integer": int, "number": (int, float), "array": list, "object": dict}
KNOWN = {"type", "format", "properties", "required", "items", "enum", "pattern", "nullable", "additionalProperties", "anyOf", "$ref"}


def problems(schemas, schema, value, where="body"):
    """What of the value is not as the schema has it; of schemas as the document writes them, and of nothing more."""
    unknown = set(schema) - KNOWN
    if unknown:
        raise AssertionError(f"{where}: this checker does not know {unknown}")
    if "$ref" in schema:
        return problems(schemas, schemas[schema["$ref"].rsplit("/", 1)[1]], value, where)
    if "anyOf" in schema:
        return min((problems(schemas, one, value, where) for one in schema["anyOf"]), key=len)
    if value is None:
        return [] if not schema or (schema.get("nullable") and "type" in schema) else [f"{where} is null"]
    found = []
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return found + [f"{where} is {value!r:.100}, and not of the type {kind}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where} is {value!r:.100}, and none of {schema['enum']}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{where} is {value!r:.100}, and not like {schema['pattern']}")
    if schema.get("format") == "date-time" and not TIME.fullmatch(value):
        found.append(f"{where} is {value!r:.100}, and no time")
    if kind == "array":
        found += [problem for number, item in enumerate(value) for problem in problems(schemas, schema["items"], item, f"{where}[{number}]")]
    if kind == "object" and "properties" in schema:
        found += [f"{where} has no {name}" for name in schema.get("required", ()) if name not in value]
        for name, item in value.items():
            if name in schema["properties"]:
                found += problems(schemas, schema["properties"][name], item, f"{where}.{name}")
            elif not schema.get("additionalProperties"):
                found.append(f"{where} has {name}, which the document does not name")
    return found


class Document:
    def __init__(self, url):
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url + DOCUMENT, timeout=30) as response:
            self.document = json.loads(response.read())
        self.schemas = self.document["components"]["schemas"]
        self.paths = [(self.pattern(path), path.count("{"), path, methods) for path, methods in self.document["paths"].items()]

    @staticmethod
    def pattern(path):
        return re.compile("".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", path)))

    def operation(self, method, path):
        found = [(names, template, methods[method.lower()]) for pattern, names, template, methods in self.paths
                 if pattern.fullmatch(path) and method.lower() in methods]
        return min(found, key=lambda one: one[0])[1:] if found else (None, None)

    def check(self, test, method, target, status, headers, body):
        path, _, query = target.partition("?")
        what = f"{method} {target} answered {status}"
        if status == 401 and body is None:
            return  # Python's digest handler has read what the second refusal said
        if status >= 400:
            test.assertEqual(problems(self.schemas, self.schemas["ApiError"], body), [], what)
            return
        if "envelope=true" in query:
            return
        template, operation = self.operation(method, path)
        test.assertIsNotNone(operation, f"{what}, and the document has no such operation")
        test.assertIn(str(status), operation["responses"], f"{what}, which {template} does not have")
        content = operation["responses"][str(status)].get("content")
        if content is None:
            test.assertIsNone(body, what)
            return
        media = headers["Content-Type"].partition(";")[0]
        test.assertIn(media, content, what)
        test.assertEqual(problems(self.schemas, content[media]["schema"], body), [], what)
