#include "sandbox/script/prelude.h"

namespace drover::sandbox::script {

// Where a piece is written as it is because the server's has an odd result, it says so.
const std::string_view kPrelude = R"js((function (native) {
"use strict";
const global = globalThis;
const { make, kind, first, second, fail } = native;
const kObjectId = 0, kLong = 1, kInt = 2, kDecimal = 3, kTimestamp = 4, kBinary = 5, kMinKey = 6, kMaxKey = 7, kDbPointer = 8, kCode = 9, kRegex = 10;
const kBadValue = 2;
const prototypes = [];
// What scripts may change afterwards is used through these.
const { BigInt, Math, Number, String, Object, Array, RegExp, Date, Error, JSON } = global;
const { trunc, floor, round } = Math, { asIntN, asUintN } = BigInt, { fromCharCode } = String, { isNaN } = Number;
const regexpSource = Object.getOwnPropertyDescriptor(RegExp.prototype, "source").get;
const NativeMap = global.Map;
const parse = global.Reflect.parse;
delete global.Reflect.parse;

function put(target, members) {
  for (const name of Object.keys(members)) {
    const described = Object.getOwnPropertyDescriptor(members, name);
    described.enumerable = false;
    Object.defineProperty(target, name, described);
  }
}

// A type: `construct` makes its values, with new or without.
function type(name, number, construct, members) {
  const prototype = construct.prototype;
  prototypes[number] = prototype;
  put(prototype, members);
  put(prototype, {
    tojson() { return this.toString(); },
  });
  if ("tojson" in members) put(prototype, { tojson: members.tojson });
  Object.defineProperty(construct, "name", { value: name });
  put(global, { [name]: construct });
}

function need(value, number, what) {
  if (kind(value) !== number) fail(kBadValue, what);
  return value;
}

// ---- numbers ----

const kLeastLong = -(2n ** 63n), kMostLong = 2n ** 63n - 1n;
function longOf(value) {
  if (typeof value === "number") {
    if (isNaN(value)) return 0n;
    if (value >= 9223372036854775807) return kMostLong;
    if (value <= -9223372036854775808) return kLeastLong;
    return BigInt(trunc(value));
  }
  if (typeof value === "string") {
    if (!/^[+-]?[0-9]+$/.test(value)) fail(9, "Did not consume any digits");
    const number = BigInt(value.replace(/^\+/, ""));
    if (number < kLeastLong || number > kMostLong) fail(9, "Number of the string is out of range");
    return number;
  }
  const of = kind(value);
  if (of === kLong) return first(value);
  if (of === kInt) return BigInt(first(value));
  return longOf(Number(value));
}

type("NumberLong", kLong, function NumberLong(...args) {
  if (args.length !== 0 && args.length !== 1 && args.length !== 3) fail(kBadValue, "NumberLong needs 0, 1 or 3 arguments");
  if (args.length === 3) {
    for (const [at, name] of [[0, "floatApprox"], [1, "top"], [2, "bottom"]]) {
      if (typeof args[at] !== "number") fail(kBadValue, at === 0 ? "floatApprox must be a number" : name + " must be a 32 bit unsigned number");
    }
    return make(kLong, asIntN(64, (BigInt(args[1] >>> 0) << 32n) + BigInt(args[2] >>> 0)));
  }
  return make(kLong, args.length === 0 ? 0n : longOf(args[0]));
}, {
  toNumber() { return Number(first(need(this, kLong, "a NumberLong is needed"))); },
  valueOf() { return Number(first(need(this, kLong, "a NumberLong is needed"))); },
  toJSON() { return { $numberLong: String(first(need(this, kLong, "a NumberLong is needed"))) }; },
  toString() {
    const number = first(need(this, kLong, "a NumberLong is needed"));
    return number <= -2147483648n || number >= 2147483648n ? `NumberLong("${number}")` : `NumberLong(${number})`;
  },
  compare(other) {
    if (arguments.length !== 1) fail(kBadValue, "NumberLong.compare() needs 1 argument");
    if (typeof other !== "object" || other === null) fail(kBadValue, "NumberLong.compare() argument must be an object");
    const a = first(need(this, kLong, "a NumberLong is needed")), b = longOf(other);
    return a < b ? -1 : a > b ? 1 : 0;
  },
  equals(other) { return kind(other) === kLong && first(this) === first(other); },
  get exactValueString() { return String(first(this)); },
  get floatApprox() { return Number(first(this)); },
  get top() { return isLarge(first(this)) ? Number(asUintN(64, first(this)) >> 32n) : undefined; },
  get bottom() { return isLarge(first(this)) ? Number(asUintN(32, first(this))) : undefined; },
});
function isLarge(number) { return number >= 9007199254740992n || number <= -9007199254740992n; }

type("NumberInt", kInt, function NumberInt(...args) {
  if (args.length > 1) fail(kBadValue, "NumberInt needs 0 or 1 arguments");
  if (args.length === 0) return make(kInt, 0);
  const value = args[0];
  if (typeof value === "string" && !/^\s*[+-]?[0-9]+(\.[0-9]+)?\s*$/.test(value)) fail(9, `Failed to parse number '${value}'`);
  return make(kInt, kind(value) === kLong ? Number(asIntN(32, first(value))) : Number(value) | 0);
}, {
  toNumber() { return first(need(this, kInt, "a NumberInt is needed")); },
  valueOf() { return first(need(this, kInt, "a NumberInt is needed")); },
  toString() { return `NumberInt(${first(need(this, kInt, "a NumberInt is needed"))})`; },
  equals(other) { return kind(other) === kInt && first(this) === first(other); },
});

type("NumberDecimal", kDecimal, function NumberDecimal(...args) {
  if (args.length > 1) fail(kBadValue, "NumberDecimal needs 0 or 1 arguments");
  if (args.length === 0) return make(kDecimal, native.decimal("0"));
  const value = args[0];
  if (kind(value) === kDecimal) return make(kDecimal, first(value));
  if (kind(value) === kLong || kind(value) === kInt) return make(kDecimal, native.decimal(String(first(value))));
  if (typeof value !== "number" && typeof value !== "string") fail(kBadValue, "Input is not a valid Decimal128 value.");
  return make(kDecimal, native.decimal(String(value)));
}, {
  toJSON() { return { $numberDecimal: native.decimalText(first(need(this, kDecimal, "a NumberDecimal is needed"))) }; },
  toString() { return `NumberDecimal("${native.decimalText(first(need(this, kDecimal, "a NumberDecimal is needed")))}")`; },
  equals(other) { return kind(other) === kDecimal && first(this) === first(other); },
});

// ---- identities and bytes ----

function bytesOfHex(text) {
  let bytes = "";
  for (let i = 0; i + 1 < text.length; i += 2) bytes += fromCharCode(parseInt(text.slice(i, i + 2), 16));
  return bytes;
}

type("ObjectId", kObjectId, function ObjectId(value) {
  if (value === undefined) return make(kObjectId, native.newObjectId());
  if (kind(value) === kObjectId) return make(kObjectId, first(value));
  const text = String(value);
  if (text.length !== 24) fail(10448, "invalid object id: length");
  if (!/^[0-9a-fA-F]{24}$/.test(text)) fail(10430, "invalid object id: not hex");
  return make(kObjectId, bytesOfHex(text));
}, {
  get str() { return native.toHex(first(need(this, kObjectId, "an ObjectId is needed"))); },
  toString() { return `ObjectId("${this.str}")`; },
  toJSON() { return { $oid: this.str }; },
  valueOf() { return this.str; },
  isObjectId: true,
  equals(other) { return other !== null && other !== undefined && this.str === other.str; },
  getTimestamp() { return new Date(parseInt(this.str.slice(0, 8), 16) * 1000); },
});
put(global.ObjectId, {
  fromDate(date) {
    if (!date) throw Error("date missing or undefined");
    if (!(date instanceof Date)) throw Error(`Cannot create ObjectId from ${typeof date}: ${tojson(date)}`);
    return global.ObjectId(floor(date.getTime() / 1000).toString(16).padStart(8, "0") + "0000000000000000");
  },
});

type("BinData", kBinary, function BinData(subtype, text) {
  if (arguments.length !== 2) fail(kBadValue, "BinData takes 2 arguments -- BinData(subtype,data)");
  if (typeof subtype !== "number" || !(subtype >= 0 && subtype <= 255)) fail(kBadValue, "BinData subtype must be a Number between 0 and 255 inclusive");
  if (typeof text !== "string") fail(kBadValue, "BinData data must be a String");
  return make(kBinary, subtype | 0, native.fromBase64(text));
}, {
  get type() { return first(need(this, kBinary, "a BinData is needed")); },
  get len() { return second(need(this, kBinary, "a BinData is needed")).length; },
  subtype() { return this.type; },
  length() { return this.len; },
  base64() { return native.toBase64(second(need(this, kBinary, "a BinData is needed"))); },
  hex() { return native.toHex(second(need(this, kBinary, "a BinData is needed"))); },
  toJSON() { return { $binary: this.base64(), $type: this.type.toString(16).padStart(2, "0") }; },
  toString() { return isUuid(this) ? `UUID("${dashed(this.hex())}")` : `BinData(${this.type},"${this.base64()}")`; },
  equals(other) { return kind(other) === kBinary && first(this) === first(other) && second(this) === second(other); },
});
function isUuid(binary) { return first(binary) === 4 && second(binary).length === 16; }
function dashed(hex) { return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-"); }
function hexBinary(subtype, text, length, what) {
  const hex = String(text).replace(/-/g, "");
  if (hex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(hex)) fail(kBadValue, `${what} needs a string of hex digits`);
  if (length !== undefined && hex.length !== length) fail(kBadValue, `${what} string must have ${length} hex characters`);
  return make(kBinary, subtype | 0, bytesOfHex(hex));
}
function randomHex() { return (native.toHex(native.newObjectId()) + native.toHex(native.newObjectId()).slice(8)).slice(8, 40).padEnd(32, "0"); }

type("Timestamp", kTimestamp, function Timestamp(...args) {
  if (args.length !== 0 && args.length !== 2) fail(kBadValue, "Timestamp needs 0 or 2 arguments");
  for (const [at, name] of [[0, "time"], [1, "increment"]]) {
    if (args.length === 0) break;
    if (typeof args[at] !== "number") fail(kBadValue, `Timestamp ${name} must be a number`);
    if (!(args[at] >= 0 && args[at] <= 4294967295)) fail(kBadValue, `Timestamp ${name} must be non-negative and not greater than 4294967295, got ${args[at]}`);
  }
  return make(kTimestamp, args.length ? trunc(args[0]) : 0, args.length ? trunc(args[1]) : 0);
}, {
  get t() { return first(need(this, kTimestamp, "a Timestamp is needed")); },
  get i() { return second(need(this, kTimestamp, "a Timestamp is needed")); },
  getTime() { return this.t; },
  getInc() { return this.i; },
  toString() { return `Timestamp(${this.t}, ${this.i})`; },
  toJSON() { return { $timestamp: { t: this.t, i: this.i } }; },
  equals(other) { return kind(other) === kTimestamp && first(this) === first(other) && second(this) === second(other); },
});

type("MinKey", kMinKey, function MinKey() { return make(kMinKey); }, { toString() { return "[object MinKey]"; }, toJSON() { return { $minKey: 1 }; }, tojson() { return '{ "$minKey" : 1 }'; } });
type("MaxKey", kMaxKey, function MaxKey() { return make(kMaxKey); }, { toString() { return "[object MaxKey]"; }, toJSON() { return { $maxKey: 1 }; }, tojson() { return '{ "$maxKey" : 1 }'; } });

type("DBPointer", kDbPointer, function DBPointer(ns, id) {
  if (typeof ns !== "string") fail(kBadValue, "DBPointer namespace must be a string");
  return make(kDbPointer, ns, first(need(id, kObjectId, "2nd parameter to DBPointer must be an ObjectId")));
}, {
  get ns() { return first(need(this, kDbPointer, "a DBPointer is needed")); },
  get id() { return make(kObjectId, second(need(this, kDbPointer, "a DBPointer is needed"))); },
  toJSON() { return { ns: this.ns, id: this.id }; },
  getCollection() { return this.ns; },
  getId() { return this.id; },
  toString() { return `DBPointer(${tojson(this.ns)}, ${tojson(this.id)})`; },
});

type("Code", kCode, function Code(code, scope) {
  return make(kCode, String(code === undefined ? "" : code), scope);
}, {
  get code() { return first(need(this, kCode, "a Code is needed")); },
  get scope() { return second(need(this, kCode, "a Code is needed")); },
  toJSON() { return { code: this.code, scope: this.scope }; },
  toString() { return `Code({"code":${tojson(this.code)},"scope":${tojson(this.scope)}"})`; },
});

// A pattern that JavaScript cannot have.
prototypes[kRegex] = { get source() { return first(this); }, get flags() { return second(this); }, toString() { return `/${first(this)}/${second(this)}`; } };

function DBRef(collection, id, db) {
  if (typeof collection !== "string") fail(kBadValue, "DBRef 1st parameter must be a string");
  const made = Object.create(DBRef.prototype);
  made.$ref = collection;
  made.$id = id;
  if (db !== undefined) made.$db = db;
  return made;
}
put(DBRef.prototype, {
  getDb() { return this.$db || undefined; },
  getCollection() { return this.$ref; },
  getRef() { return this.$ref; },
  getId() { return this.$id; },
  toString() { return `DBRef(${tojson(this.$ref)}, ${tojson(this.$id)}${this.$db ? ", " + tojson(this.$db) : ""})`; },
  tojson() { return this.toString(); },
});

// ---- text ----

function quoted(text) {
  return '"' + text.replace(/["\\\u0000-\u001f]/g, (c) => {
    switch (c) {
      case '"': return '\\"';
      case "\\": return "\\\\";
      case "\b": return "\\b";
      case "\f": return "\\f";
      case "\n": return "\\n";
      case "\r": return "\\r";
      case "\t": return "\\t";
    }
    return "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0");
  }) + '"';
}

function tojson(value, indent, oneLine) {
  switch (typeof value) {
    case "string": return quoted(value);
    case "number":
    case "boolean": return String(value);
    case "undefined": return "undefined";
    case "function": return value.toString();
    case "object": break;
    default: throw Error("tojson can't handle type " + typeof value);
  }
  if (value === null) return "null";
  const text = tojsonObject(value, indent || "", oneLine);
  const short = (oneLine === undefined || oneLine === null || oneLine === true) && text.length < 80 && !indent;
  return short ? text.replace(/[\t\r\n]+/g, " ") : text;
}

function tojsonObject(value, indent, oneLine) {
  if (typeof value.tojson === "function" && value.tojson !== tojson) return value.tojson(indent, oneLine);
  if (value instanceof Error) return value.toString();
  const inner = oneLine ? "" : (indent || "") + "\t";
  const end = oneLine ? " " : "\n";
  const list = Array.isArray(value);
  const keys = list ? value : Object.keys(value);
  if (keys.length === 0) return list ? "[ ]" : "{" + (oneLine ? "  " : end + (oneLine ? "" : indent || "")) + "}";
  const parts = [];
  for (let i = 0; i < keys.length; ++i) {
    parts.push(inner + (list ? tojson(value[i], inner, oneLine) : `"${keys[i]}" : ${tojson(value[keys[i]], inner, oneLine)}`));
  }
  return (list ? "[" : "{") + end + parts.join("," + end) + end + (oneLine ? "" : indent || "") + (list ? "]" : "}");
}

function tojsononeline(value) { return tojson(value, " ", true); }

function ISODate(text) {
  if (!text) return new Date();
  const parts = /^(\d{4})-?(\d{2})-?(\d{2})(?:[T ](\d{2})(?::?(\d{2})(?::?(\d{2})(\.\d+)?)?)?(Z|[+-]\d{2}(?::?\d{2})?)?)?/.exec(text);
  if (!parts) throw Error("invalid ISO date: " + text);
  const [, year, month, day, hour, minute, second, fraction, zone] = parts;
  let time = Date.UTC(2000, month - 1, day, hour || 0, minute || 0, second || 0, round((fraction || 0) * 1000));
  const date = new Date(time);
  // Years up to 99 are those years.
  date.setUTCFullYear(Number(year) + (date.getUTCFullYear() - 2000));
  time = date.getTime();
  if (zone && zone !== "Z") {
    const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3).replace(":", "") || 0);
    time += (zone[0] === "+" ? -1 : 1) * minutes * 60000;
  }
  if (Number.isNaN(time)) throw Error("invalid ISO date: " + text);
  return new Date(time);
}

put(Date.prototype, {
  tojson() {
    const two = (n) => String(n).padStart(2, "0");
    const millis = this.getUTCMilliseconds();
    return `ISODate("${String(this.getUTCFullYear()).padStart(4, "0")}-${two(this.getUTCMonth() + 1)}-${two(this.getUTCDate())}T` +
           `${two(this.getUTCHours())}:${two(this.getUTCMinutes())}:${two(this.getUTCSeconds())}${millis ? "." + String(millis).padStart(3, "0") : ""}Z")`;
  },
});
put(RegExp, { escape(text) { return text.replace(/[-[\]{}()*+?.,\\^$|#\s]/g, "\\$&"); } });
put(RegExp.prototype, { tojson() { return this.toString(); } });
put(String.prototype, {
  ltrim: String.prototype.trimStart,
  rtrim: String.prototype.trimEnd,
  pad(length, right, c) { return right ? this.padEnd(length, c) : this.padStart(length, c); },
});
put(Number.prototype, {
  toPercentStr() { return (this * 100).toFixed(2) + "%"; },
  zeroPad(width) { return String(this).padStart(width, "0"); },
});

// ---- arrays and objects ----

put(Array, {
  contains(array, value) {
    for (let i = 0; i < array.length; ++i) {
      if (array[i] == value) return true;
    }
    return false;
  },
  unique(array) {
    const found = [];
    for (let i = 0; i < array.length; ++i) {
      if (!Array.contains(found, array[i])) found.push(array[i]);
    }
    return found;
  },
  shuffle(array) {
    for (let i = 0; i < array.length - 1; ++i) {
      const at = i + Math.floor(Math.random() * (array.length - i));
      [array[i], array[at]] = [array[at], array[i]];
    }
    return array;
  },
  tojson(array, indent, oneLine) { return tojsonObject(array, indent || "", oneLine); },
  sum(array) {
    if (array.length === 0) return null;
    let sum = array[0];
    for (let i = 1; i < array.length; ++i) sum += array[i];
    return sum;
  },
  avg(array) { return array.length === 0 ? null : Array.sum(array) / array.length; },
  stdDev(array) {
    const average = Array.avg(array);
    let sum = 0;
    for (let i = 0; i < array.length; ++i) sum += Math.pow(array[i] - average, 2);
    return Math.sqrt(sum / array.length);
  },
});
put(Object, {
  extend(target, source, deep) {
    for (const name in source) {
      let value = source[name];
      if (deep && typeof value === "object" && value !== null && kind(value) < 0 && !(value instanceof Date)) {
        value = Object.extend(typeof value.length === "number" ? [] : {}, value, true);
      }
      target[name] = value;
    }
    return target;
  },
  merge(target, source, deep) { return Object.extend(Object.extend({}, target, deep), source, deep); },
  keySet(object) {
    const names = [];
    for (const name in object) {
      if (!(name in Object.getPrototypeOf(object) && object[name] === Object.getPrototypeOf(object)[name])) names.push(name);
    }
    return names;
  },
});

// A map whose keys are compared by value.
class ValueMap {
  #entries = new NativeMap();
  static hash(value) { return value && (typeof value === "object" ? tojsononeline(value) : String(value)); }
  put(key, value) {
    const name = tojsononeline(key), old = this.#entries.get(name);
    this.#entries.set(name, { key, value });
    return old && old.value;
  }
  get(key) {
    const entry = this.#entries.get(tojsononeline(key));
    return entry ? entry.value : null;
  }
  values() { return Array.from(this.#entries.values(), (entry) => entry.value); }
}

function doassert(message) { throw Error(String(message)); }
function assert(holds, message) {
  if (!holds) doassert(message === undefined ? "assert failed" : "assert failed : " + (typeof message === "function" ? message() : message));
}
function sameValue(a, b) { return a === b || tojson(a) === tojson(b); }
put(assert, {
  eq(a, b, message) { if (!sameValue(a, b)) doassert(`[${tojson(a)}] != [${tojson(b)}] are not equal${message === undefined ? "" : " : " + message}`); },
  neq(a, b, message) { if (sameValue(a, b)) doassert(`[${tojson(a)}] == [${tojson(b)}] are equal${message === undefined ? "" : " : " + message}`); },
});

put(global, {
  Map: ValueMap, DBRef, ISODate, tojson, tojsonObject, tojsononeline, assert, doassert,
  UUID(text) { return text === undefined ? make(kBinary, 4, bytesOfHex(randomHex())) : hexBinary(4, text, 32, "UUID"); },
  MD5(text) { return hexBinary(5, text, 32, "MD5"); },
  HexData(subtype, text) { return hexBinary(subtype, text, undefined, "HexData"); },
  hex_md5: native.hexMd5,
  isString(value) { return typeof value === "string"; },
  isNumber(value) { return typeof value === "number"; },
  isObject(value) { return typeof value === "object"; },
  print() {},
  printjson() {},
  printjsononeline() {},
  sleep: native.sleep,
  gc() {},
});

// A function's text without the comments and semicolons behind it.
function functionAlone(source) {
  const isAlone = (text) => {
    try {
      parse("(" + text + ")");
      return true;
    } catch (error) {
      return false;
    }
  };
  if (isAlone(source)) return source;
  for (let at = source.lastIndexOf("}"); at > 0; at = source.lastIndexOf("}", at - 1)) {
    const text = source.slice(0, at + 1);
    if (!isAlone(text)) continue;
    return parse(source.slice(at + 1)).body.every((statement) => statement.type === "EmptyStatement") ? text : source;
  }
  return source;
}

// The text of a function for what was given: a function, the body of one, or an expression, whose last statement is what it returns.
function asFunction(given) {
  let source = given.replace(/^\/\*[^]*?\*\//, "").trim();
  while (source.endsWith(";")) source = source.slice(0, -1).trimEnd();
  let tree;
  try {
    tree = parse(source);
  } catch (error) {
    const message = String(error);
    if (message === "SyntaxError: function statement requires a name") return functionAlone(source);
    if (message === "SyntaxError: return not in function") return `function() { ${source} }`;
    throw error;
  }
  const last = tree.body.filter((statement) => statement.type !== "EmptyStatement").pop();
  if (last !== undefined && last.type === "FunctionDeclaration") return functionAlone(source);
  if (last === undefined || last.type !== "ExpressionStatement") return `function() { ${source} }`;
  const lines = source.split("\n");
  let at = last.loc.start.column;
  for (let line = 0; line < last.loc.start.line - 1; ++line) at += lines[line].length + 1;
  // An expression within parentheses is said to begin behind them.
  for (; at >= 0; --at) {
    for (const end of [" }", "\n }"]) {
      const text = `{ ${source.slice(0, at)}return ${source.slice(at)}${end}`;
      try {
        parse("function x() " + text);
        return "function() " + text;
      } catch (error) {
        if (at === 0 && end !== " }") throw error;
      }
    }
  }
  return source;
}

return { prototypes, dbRef: DBRef.prototype, regexpSource, asFunction };
}))js";

}  // namespace drover::sandbox::script
