"""Exact equality of two deployments, by the bytes of every document. Shares nothing with `drover verify`."""
import bson
from bson.raw_bson import RawBSONDocument
from bson.codec_options import CodecOptions

RAW = CodecOptions(document_class=RawBSONDocument)
SYSTEM_DATABASES = {"admin", "local", "config", "__mdb_internal_mongosync"}


def user_databases(client):
    return sorted(set(client.list_database_names()) - SYSTEM_DATABASES)


def catalog(client, names=None):
    """{ns: {options, type, indexes}} of all user collections."""
    found = {}
    for database in user_databases(client) if names is None else names:
        for entry in client[database].list_collections():
            if entry["name"].startswith("system."):
                continue
            indexes = {}
            if entry["type"] == "collection":
                for index in client[database][entry["name"]].list_indexes():
                    facts = dict(index)
                    facts.pop("ns", None)
                    facts["key"] = list(dict(facts["key"]).items())
                    indexes[facts["name"]] = facts
            found[f"{database}.{entry['name']}"] = {
                "type": entry["type"], "options": dict(entry.get("options", {})), "indexes": indexes}
    return found


def raw_documents(client, namespace):
    """{bytes of a document: how often}. Every document once, whatever its _id."""
    database, _, name = namespace.partition(".")
    counts = {}
    for document in client[database].get_collection(name, codec_options=RAW).find({}):
        counts[document.raw] = counts.get(document.raw, 0) + 1
    return counts


def shown(raw):
    try:
        text = repr(bson.BSON(raw).decode())
    except Exception:  # a document that this driver cannot read is still compared by its bytes
        text = raw.hex()
    return text if len(text) < 400 else text[:400] + f"… ({len(raw)} bytes)"


def differences(source, destination, limit=10):
    """A list of sentences; empty when the two are equal."""
    found = []
    left, right = catalog(source), catalog(destination)
    for namespace in sorted(set(left) | set(right)):
        if namespace not in right:
            found.append(f"{namespace} is not on the destination")
        elif namespace not in left:
            found.append(f"{namespace} is only on the destination")
        else:
            if left[namespace] != right[namespace]:
                found.append(f"{namespace} differs:\n  source      {left[namespace]}\n  destination {right[namespace]}")
            if left[namespace]["type"] == "collection":
                found += document_differences(source, destination, namespace, limit)
    return found


def document_differences(source, destination, namespace, limit):
    left, right = raw_documents(source, namespace), raw_documents(destination, namespace)
    if left == right:
        return []
    only_left = [raw for raw in left if left[raw] != right.get(raw, 0)]
    only_right = [raw for raw in right if right[raw] != left.get(raw, 0)]
    sentences = [f"{namespace}: {len(only_left)} documents only on the source, {len(only_right)} only on the destination"]
    sentences += [f"  source      {shown(raw)}" for raw in only_left[:limit]]
    sentences += [f"  destination {shown(raw)}" for raw in only_right[:limit]]
    return sentences
