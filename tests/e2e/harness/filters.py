"""What documents a filter finds, told without a server: a second opinion for the embedded one. It knows comparisons, $in, $all,
$exists, $size, $not, $elemMatch, $and, $or and $nor, over dotted paths, with the simple collation."""
import datetime
import math
from decimal import Decimal
from fractions import Fraction

from bson import Binary, Decimal128, ObjectId, Timestamp

MISSING = object()
NULL_RANK, NUMBER_RANK, DOCUMENT_RANK, ARRAY_RANK = 5, 10, 20, 25
RANKS = ((bool, 40), ((int, float, Decimal128), NUMBER_RANK), (str, 15), (dict, DOCUMENT_RANK), (list, ARRAY_RANK), ((bytes, Binary), 30), (ObjectId, 35),
         (datetime.datetime, 45), (Timestamp, 47))
NAN = (0, 0)


class Item:
    """The value at a place of an array that the path names last: an array there is not looked into."""
    def __init__(self, value):
        self.value = value


def matches(document, query):
    return all(clause(document, path, asked) for path, asked in query.items())


def clause(document, path, asked):
    if path == "$and":
        return all(matches(document, each) for each in asked)
    if path == "$or":
        return any(matches(document, each) for each in asked)
    if path == "$nor":
        return not any(matches(document, each) for each in asked)
    return holds_all(document, path, asked if is_operators(asked) else {"$eq": asked})


def is_operators(value):
    return isinstance(value, dict) and bool(value) and next(iter(value)).startswith("$")


def holds_all(document, path, operators):
    return all(holds(document, path, operator, value) for operator, value in operators.items())


def holds(document, path, operator, asked):
    if operator in ("$ne", "$nin"):
        return not holds(document, path, "$eq" if operator == "$ne" else "$in", asked)
    if operator == "$in":
        return any(holds(document, path, "$eq", each) for each in asked)
    if operator == "$all":
        return bool(asked) and all(holds(document, path, "$eq", each) for each in asked)
    if operator == "$not":
        return not holds_all(document, path, asked)
    if operator == "$exists":
        return any(found is not MISSING for found in values(document, path)) == asked
    if operator == "$size":
        return any(isinstance(each, list) and len(each) == asked for each in wholes(document, path))
    if operator == "$elemMatch":
        return any(item_matches(item, asked) for each in wholes(document, path) if isinstance(each, list) for item in each)
    return any(compares(each, operator, asked) for each in leaves(document, path))


def item_matches(item, asked):
    if is_operators(asked):
        return all(not compares(item, "$eq", value) if operator == "$ne" else compares(item, operator, value) for operator, value in asked.items())
    if isinstance(item, list):
        item = {str(place): each for place, each in enumerate(item)}
    return isinstance(item, dict) and matches(item, asked)


def compares(value, operator, asked):
    """One value, as it is."""
    if asked is None:
        return operator in ("$eq", "$gte", "$lte") and (value is None or value is MISSING)
    if value is MISSING or rank(value) != rank(asked):
        return False
    if rank(asked) == NUMBER_RANK and NAN in (number(value), number(asked)):
        return number(value) == number(asked) and operator in ("$eq", "$gte", "$lte")
    order = compare(value, asked)
    return {"$eq": order == 0, "$gt": order > 0, "$gte": order >= 0, "$lt": order < 0, "$lte": order <= 0}[operator]


def values(value, path):
    """What stands at a path, MISSING where nothing does; nothing at all where only items that cannot have it are on the way."""
    name, _, rest = path.partition(".")
    if not isinstance(value, dict) or name not in value:
        yield MISSING
    elif rest:
        yield from below(value[name], rest)
    else:
        yield value[name]


def below(value, path):
    if not isinstance(value, list):
        yield from values(value, path)
        return
    for item in value:
        if isinstance(item, dict):
            yield from values(item, path)
    name, _, rest = path.partition(".")
    if name.isdigit() and str(int(name)) == name and int(name) < len(value):
        item = value[int(name)]
        if not rest:
            yield Item(item)
        elif isinstance(item, (dict, list)):
            yield from below(item, rest)


def wholes(document, path):
    for found in values(document, path):
        yield found.value if isinstance(found, Item) else found


def leaves(document, path):
    """The same, and the items of arrays."""
    for found in values(document, path):
        if isinstance(found, list):
            yield from found
        yield found.value if isinstance(found, Item) else found


def rank(value):
    if value is None or value is MISSING:
        return NULL_RANK
    return next(place for kinds, place in RANKS if isinstance(value, kinds))


def number(value):
    """NaN, -inf, numbers by their exact values, inf."""
    if isinstance(value, Decimal128):
        value = value.to_decimal()
    special = value.is_nan() if isinstance(value, Decimal) else math.isnan(value)
    if special:
        return NAN
    if value.is_infinite() if isinstance(value, Decimal) else math.isinf(value):
        return (3, 0) if value > 0 else (1, 0)
    return (2, Fraction(value))


def sortable(value):
    kind = rank(value)
    if kind == NUMBER_RANK:
        return number(value)
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, Binary)):
        return (len(value), getattr(value, "subtype", 0), bytes(value))
    return (value.time, value.inc) if isinstance(value, Timestamp) else value


def compare(left, right):
    if rank(left) != rank(right):
        return -1 if rank(left) < rank(right) else 1
    kind = rank(left)
    if kind == NULL_RANK:
        return 0
    if kind in (DOCUMENT_RANK, ARRAY_RANK):
        return compare_parts(parts(left), parts(right))
    left, right = sortable(left), sortable(right)
    return (left > right) - (left < right)


def parts(value):
    return list(value.items()) if isinstance(value, dict) else [("", each) for each in value]


def compare_parts(left, right):
    for (left_name, left_value), (right_name, right_value) in zip(left, right):
        heads = (rank(left_value), left_name.encode()), (rank(right_value), right_name.encode())
        if heads[0] != heads[1]:
            return -1 if heads[0] < heads[1] else 1
        order = compare(left_value, right_value)
        if order:
            return order
    return (len(left) > len(right)) - (len(left) < len(right))
