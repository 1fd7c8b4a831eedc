#include "sandbox/script/engine.h"

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"

namespace drover::sandbox::script {
namespace {

using bson::Document;

// One interpreter for all: a process has one.
std::unique_ptr<Engine> started;
class Interpreter : public testing::Environment {
  void SetUp() override { started = std::move(*Engine::start(64 << 20)); }
  void TearDown() override { started.reset(); }
};
const auto* const interpreter = testing::AddGlobalTestEnvironment(new Interpreter);
Engine& engine() { return *started; }

// As JSON, without the spaces between its parts.
std::string compact(bson::View document) {
  std::string text;
  bool quoted = false;
  for (const char c : bson::to_canonical_ejson(document)) {
    if (c == '"' && !text.ends_with('\\')) quoted = !quoted;
    if (c != ' ' || quoted) text += c;
  }
  return text;
}

Document from_json(std::string_view text) { return *bson::from_ejson(text); }

class EngineTest : public testing::Test {
 protected:
  void SetUp() override { engine().begin(Document(), Document()); }

  // What source(...arguments) gives, as canonical extended JSON, or the error.
  static std::string call(std::string_view source, std::string_view arguments = R"({"a": []})") {
    const Document wrapped = from_json(arguments);
    const auto list = wrapped.view().first().document_value();
    auto message = std::make_shared<std::vector<std::uint8_t>>(list.bytes().begin(), list.bytes().end());
    const auto result = engine().call(Globals::kPlain, source, message, bson::View(message->data()));
    if (!result) return std::to_string(result.error().server_code) + " " + result.error().message;
    bson::Builder value;
    value.append("", (*result)["value"]);
    return compact(std::move(value).finish());
  }
  static std::string test(std::string_view source, std::string_view document) {
    const auto result = engine().test(source, from_json(document));
    if (!result) return std::to_string(result.error().server_code) + " " + result.error().message;
    return *result ? "true" : "false";
  }
};

TEST_F(EngineTest, AFunctionABodyOrAnExpression) {
  EXPECT_EQ(test("this.a == 1", R"({"a": 1})"), "true");
  EXPECT_EQ(test("obj.a == 2;", R"({"a": 1})"), "false");
  EXPECT_EQ(test("function() { return this.a == 1 }", R"({"a": 1})"), "true");
  EXPECT_EQ(test("function named() { return this.a == 1; }", R"({"a": 1})"), "true");
  EXPECT_EQ(test("/* why */ function() { return this.a == 1 }", R"({"a": 1})"), "true");
  EXPECT_EQ(test("return this.a == 1;", R"({"a": 1})"), "true");
  EXPECT_EQ(test("var b = this.a; b == 1", R"({"a": 1})"), "true");
  EXPECT_EQ(test("var b = this.a;\nb == 2", R"({"a": 1})"), "false");
  EXPECT_EQ(test("(this.a == 2)", R"({"a": 1})"), "false");
  EXPECT_EQ(test("((this.a == 1))", R"({"a": 1})"), "true");
  EXPECT_EQ(test("this.a == 1 // is it?", R"({"a": 1})"), "true");
  EXPECT_EQ(test("if (this.a == 1) return true; else return false", R"({"a": 1})"), "true");
  EXPECT_EQ(test("() => false", R"({"a": 1})"), "true");  // a function is the value
  // What is behind a function is no part of it.
  for (const std::string_view behind : {" // why", "//", "; // why } )", "; /* why */ ;", "\n// why\n", " /* } */ // }"}) {
    EXPECT_EQ(test("function() { return this.a == 2 }" + std::string(behind), R"({"a": 1})"), "false") << behind;
    EXPECT_EQ(test("function named() { return this.a == 2 }" + std::string(behind), R"({"a": 1})"), "false") << behind;
  }
  EXPECT_EQ(test("function() { return '} // {' == 5; } // {", R"({"a": 1})"), "false");
}

TEST_F(EngineTest, NumbersBecomeDoubles) {
  EXPECT_EQ(call("function(a, b) { return a + b }", R"({"a": [1, 2]})"), R"({"":{"$numberDouble":"3.0"}})");
  EXPECT_EQ(call("NumberInt(3)"), R"({"":{"$numberInt":"3"}})");
  EXPECT_EQ(call("NumberLong(3)"), R"({"":{"$numberLong":"3"}})");
  EXPECT_EQ(call("NumberLong('9223372036854775807')"), R"({"":{"$numberLong":"9223372036854775807"}})");
  EXPECT_EQ(call("NumberDecimal('1.10')"), R"({"":{"$numberDecimal":"1.10"}})");
  EXPECT_EQ(call("function(a) { return a + 1 }", R"({"a": [{"$numberLong": "41"}]})"), R"({"":{"$numberDouble":"42.0"}})");
  EXPECT_EQ(call("function(a) { return [a == 5, a === 5, typeof a, a.toNumber(), a.toString()] }", R"({"a": [{"$numberLong": "5"}]})"),
            R"j({"":[true,false,"object",{"$numberDouble":"5.0"},"NumberLong(5)"]})j");
  EXPECT_EQ(call("NumberLong('9007199254740993').toString()"), R"j({"":"NumberLong(\"9007199254740993\")"})j");
}

TEST_F(EngineTest, EveryTypeGoesThereAndBack) {
  const std::string_view every = R"({"a": [{"d": {"$numberDouble": "1.5"}, "i": 7, "l": {"$numberLong": "8"}, "m": {"$numberDecimal": "1E+3"}, "s": "ü\u0000x",
      "o": {"$oid": "5f5000000000000000000001"}, "b": {"$binary": {"base64": "AQID", "subType": "80"}}, "u": {"$uuid": "00112233-4455-6677-8899-aabbccddeeff"},
      "t": {"$timestamp": {"t": 5, "i": 6}}, "w": {"$date": {"$numberLong": "-1"}}, "n": null, "f": true, "r": {"$regularExpression": {"pattern": "a.b", "options": "i"}},
      "x": {"$regularExpression": {"pattern": "a b", "options": "x"}}, "min": {"$minKey": 1}, "max": {"$maxKey": 1}, "arr": [1, [2, {"c": 3}]],
      "p": {"$dbPointer": {"$ref": "c", "$id": {"$oid": "5f5000000000000000000001"}}}, "ref": {"$ref": "c", "$id": 1}, "e": {}}]})";
  const Document wrapped = from_json(every);
  const std::string as_it_was = "{\"\":" + compact(wrapped.view().first().document_value().first().document_value()) + "}";
  EXPECT_EQ(call("function(d) { return d }", every), as_it_was);
  // Rebuilt, all but plain numbers are what they were.
  EXPECT_EQ(call("function(d) { return {l: d.l, m: d.m, o: d.o, b: d.b, u: d.u, t: d.t, w: d.w, r: d.r, x: d.x, min: d.min, p: d.p} }", every),
            R"({"":{"l":{"$numberLong":"8"},"m":{"$numberDecimal":"1E+3"},"o":{"$oid":"5f5000000000000000000001"},"b":{"$binary":{"base64":"AQID","subType":"80"}},)"
            R"("u":{"$binary":{"base64":"ABEiM0RVZneImaq7zN3u/w==","subType":"04"}},"t":{"$timestamp":{"t":5,"i":6}},"w":{"$date":{"$numberLong":"-1"}},)"
            R"("r":{"$regularExpression":{"pattern":"a.b","options":"i"}},"x":{"$regularExpression":{"pattern":"a b","options":"x"}},"min":{"$minKey":1},)"
            R"("p":{"$dbPointer":{"$ref":"c","$id":{"$oid":"5f5000000000000000000001"}}}}})");
}

TEST_F(EngineTest, ADocumentThatIsChangedKeepsItsIntegers) {
  EXPECT_EQ(call("function(d) { d.b = 2; return d }", R"({"a": [{"a": 1, "b": 1, "list": [1], "c": {"$numberDouble": "1.0"}}]})"),
            R"({"":{"a":{"$numberInt":"1"},"b":{"$numberInt":"2"},"list":[{"$numberDouble":"1.0"}],"c":{"$numberDouble":"1.0"}}})");
  EXPECT_EQ(call("function(d) { d.a = 1.5; delete d.b; d.n = 3; return d }", R"({"a": [{"a": 1, "b": 1}]})"),
            R"({"":{"a":{"$numberDouble":"1.5"},"n":{"$numberDouble":"3.0"}}})");
  EXPECT_EQ(call("({b: 1, _id: 2})"), R"({"":{"_id":{"$numberDouble":"2.0"},"b":{"$numberDouble":"1.0"}}})");
}

TEST_F(EngineTest, ConstructorsAndMethods) {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {"ObjectId('5f5000000000000000000001').str", "\"5f5000000000000000000001\""},
      {"ObjectId('5f5000000000000000000001').toString()", "\"ObjectId(\\\"5f5000000000000000000001\\\")\""},
      {"ObjectId('5f5000000000000000000001').equals(new ObjectId('5f5000000000000000000001'))", "true"},
      {"ObjectId('5f5000000000000000000001') instanceof ObjectId", "true"},
      {"ObjectId().str.length", "{\"$numberDouble\":\"24.0\"}"},
      {"ObjectId('5f5000000000000000000001').getTimestamp()", "{\"$date\":{\"$numberLong\":\"1599078400000\"}}"},
      {"BinData(0, 'AQID').hex()", "\"010203\""},
      {"HexData(0, '010203').base64()", "\"AQID\""},
      {"UUID('00112233-4455-6677-8899-aabbccddeeff').toString()", "\"UUID(\\\"00112233-4455-6677-8899-aabbccddeeff\\\")\""},
      {"Timestamp(1, 2)", "{\"$timestamp\":{\"t\":1,\"i\":2}}"},
      {"Timestamp(1, 2).t + Timestamp(1, 2).getInc()", "{\"$numberDouble\":\"3.0\"}"},
      {"ISODate('2020-01-02T03:04:05.678Z')", "{\"$date\":{\"$numberLong\":\"1577934245678\"}}"},
      {"ISODate('2020-01-02T03:04:05+01:00')", "{\"$date\":{\"$numberLong\":\"1577930645000\"}}"},
      {"ISODate('20200102')", "{\"$date\":{\"$numberLong\":\"1577923200000\"}}"},
      {"ISODate('2020-02-29').tojson()", "\"ISODate(\\\"2020-02-29T00:00:00Z\\\")\""},
      {"MinKey()", "{\"$minKey\":1}"},
      {"new MaxKey()", "{\"$maxKey\":1}"},
      {"new DBRef('c', 1)", "{\"$ref\":\"c\",\"$id\":{\"$numberDouble\":\"1.0\"}}"},
      {"Code('x')", "{\"$code\":\"x\"}"},
      {"Code('x', {a: 1})", "{\"$code\":\"x\",\"$scope\":{\"a\":{\"$numberDouble\":\"1.0\"}}}"},
      {"function() { return function(x) { return x } }", "{\"$code\":\"function(x) { return x }\"}"},
      {"Array.sum([1, 2, 3])", "{\"$numberDouble\":\"6.0\"}"},
      {"Array.contains([1, 2], '2')", "true"},
      {"Array.avg([1, 2])", "{\"$numberDouble\":\"1.5\"}"},
      {"tojson({a: 1, b: [1, 'x\\n'], c: null})", "\"{ \\\"a\\\" : 1, \\\"b\\\" : [ 1, \\\"x\\\\n\\\" ], \\\"c\\\" : null }\""},
      {"tojsononeline(NumberLong(1))", "\"NumberLong(1)\""},
      {"hex_md5('abc')", "\"900150983cd24fb0d6963f7d28e17f72\""},
      {"isString('x') && isNumber(1) && isObject({})", "true"},
      {"Object.extend({a: 1}, {b: 2}).b", "{\"$numberDouble\":\"2.0\"}"},
      {"NumberLong(2).compare(NumberLong(3))", "{\"$numberDouble\":\"-1.0\"}"},
      {"function() { var m = new Map(); m.put({a: 1}, 2); return m.get({a: 1}) }", "{\"$numberDouble\":\"2.0\"}"},
      {"function() { print('x'); printjson({}); gc(); sleep(1) }", "null"},
      {"Code('x', [1])", "{\"$code\":\"x\"}"},
      {"Code('x', NumberLong(1))", "{\"$code\":\"x\"}"},
      {"Code('x', MinKey())", "{\"$code\":\"x\"}"},
      {"new RegExp('a/b', 'i')", "{\"$regularExpression\":{\"pattern\":\"a\\\\/b\",\"options\":\"i\"}}"},
      {"new RegExp('')", "{\"$regularExpression\":{\"pattern\":\"(?:)\",\"options\":\"\"}}"},
      {"[undefined, null, NaN, -0]", "[{\"$undefined\":true},null,{\"$numberDouble\":\"NaN\"},{\"$numberDouble\":\"-0.0\"}]"},
      {"'\\ud800'", "\"\xEF\xBF\xBD\""},
  };
  for (const auto& [source, expected] : kCases) EXPECT_EQ(call(source), "{\"\":" + std::string(expected) + "}") << source;
}

TEST_F(EngineTest, AsJSONExtendedJSON) {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {"NumberLong('9007199254740993')", R"({"$numberLong":"9007199254740993"})"},
      {"NumberDecimal('1.10')", R"({"$numberDecimal":"1.10"})"},
      {"ObjectId('5f5000000000000000000001')", R"({"$oid":"5f5000000000000000000001"})"},
      {"BinData(2, 'AQID')", R"({"$binary":"AQID","$type":"02"})"},
      {"UUID('00112233-4455-6677-8899-aabbccddeeff')", R"({"$binary":"ABEiM0RVZneImaq7zN3u/w==","$type":"04"})"},
      {"Timestamp(1, 2)", R"({"$timestamp":{"t":1,"i":2}})"},
      {"[MinKey(), MaxKey()]", R"([{"$minKey":1},{"$maxKey":1}])"},
      {"NumberInt(3)", "{}"},
  };
  for (const auto& [value, expected] : kCases) {
    const auto result = engine().call(Globals::kPlain, "JSON.stringify(" + std::string(value) + ")", nullptr, Document());
    ASSERT_TRUE(result) << value;
    EXPECT_EQ((*result)["value"].to_string_view(), expected) << value;
  }
}

TEST_F(EngineTest, PromisesAreDoneWithTheCall) {
  EXPECT_EQ(call("function() { Promise.resolve(1).then((x) => { done = x + 1 }); return typeof done }"), "{\"\":\"undefined\"}");
  EXPECT_EQ(call("done"), "{\"\":{\"$numberDouble\":\"2.0\"}}");
  EXPECT_EQ(call("async function f() { for (let i = 0; i < 3; ++i) await i; late = 3 }"), "{\"\":{}}");
  EXPECT_EQ(call("late"), "{\"\":{\"$numberDouble\":\"3.0\"}}");
  EXPECT_EQ(call("function() { (async function*() { yield 1 })().next().then((x) => { given = x.value }); return 1 }"), "{\"\":{\"$numberDouble\":\"1.0\"}}");
  EXPECT_EQ(call("given"), "{\"\":{\"$numberDouble\":\"1.0\"}}");
  EXPECT_EQ(call("function() { Promise.reject(5); return 1 }"), "{\"\":{\"$numberDouble\":\"1.0\"}}");
}

TEST_F(EngineTest, ErrorsAsTheServerHasThem) {
  EXPECT_EQ(test("nothing", R"({"a": 1})"), "139 ReferenceError: nothing is not defined :\n@:1:15\n");
  EXPECT_EQ(call("function() { return this.a.b; }"), "139 TypeError: this.a is undefined :\n@:1:15\n");
  EXPECT_EQ(call("function() { throw 'no' }"), "8 uncaught exception: no");
  EXPECT_EQ(call("function() { throw new Error('no') }"), "139 Error: no :\n@:1:21\n");
  EXPECT_EQ(call("ObjectId('x')").substr(0, 34), "10448 invalid object id: length :\n");
  EXPECT_EQ(call("function() { var a = {}; a.a = a; return a }"), "17279 Exceeded depth limit of 150 when converting js object to BSON. Do you have a cycle?");
  EXPECT_EQ(call("({'a\\0b': 1})").substr(0, 50), "16985 JavaScript property (name) contains a null c");
  EXPECT_EQ(call("Math.sin"), "16716 cannot convert native function to BSON");
  EXPECT_EQ(call("({a: 1n})"), "16662 unable to convert JavaScript property to mongo element a");
  const auto compiled = engine().compile(Globals::kStored, "function( {");
  ASSERT_FALSE(compiled);
  EXPECT_EQ(compiled.error().server_code, 139);
  EXPECT_EQ(compiled.error().message.substr(0, 13), "SyntaxError: ");
}

TEST_F(EngineTest, HostileScriptsHarmNobody) {
  EXPECT_EQ(call("function f() { return f() }").substr(0, 43), "139 InternalError: too much recursion :\nf@:");
  EXPECT_EQ(call("function() { return {get a() { throw new TypeError('got you') }} }").substr(0, 31), "139 TypeError: got you :\nget a@");
  EXPECT_EQ(call("new Proxy({}, {ownKeys() { throw 5 }})"), "8 uncaught exception: 5");
  EXPECT_EQ(call("function() { var a = []; a.length = 4294967295; return a }").substr(0, 5), "10334");
  EXPECT_EQ(call("'x'.repeat(20000000)").substr(0, 5), "10334");
  EXPECT_EQ(call("function() { return typeof require + typeof load + typeof Components + typeof db + typeof Reflect.parse }"),
            "{\"\":\"undefinedundefinedundefinedundefinedundefined\"}");
  EXPECT_EQ(call("typeof WebAssembly + typeof SharedArrayBuffer"), "{\"\":\"undefinedundefined\"}");
  // Values of BSON's hold what they are to hold, whatever has become of the functions that made them.
  for (const std::string_view source :
       {"function() { Math.trunc = function() { return {} }; return Timestamp(1, 1) }", "function() { BigInt.asIntN = () => 1.5; return NumberLong(0, 1, 2) }",
        "function() { String.fromCharCode = () => 5; return ObjectId('5f5000000000000000000001') }", "function() { Number.isNaN = () => ({}); return NumberLong(1) }"}) {
    const auto result = call(source);
    EXPECT_TRUE(result == R"({"":{"$timestamp":{"t":1,"i":1}}})" || result == R"({"":{"$numberLong":"4294967298"}})" || result == R"({"":{"$oid":"5f5000000000000000000001"}})" ||
                result == R"({"":{"$numberLong":"1"}})") << source << ": " << result;
  }
  for (const std::string_view source :
       {"function() { String.prototype.slice = () => ''; return ObjectId('5f5000000000000000000001') }", "function() { parseInt = () => NaN; return UUID('00112233-4455-6677-8899-aabbccddeeff') }",
        "function() { Array.prototype[Symbol.iterator] = function*() { yield {} }; return [Timestamp(1, 2), NumberLong(5)] }",
        "function() { String.prototype.replace = () => ({}); return [NumberLong('5'), HexData(0, 'ab')] }", "Object.getOwnPropertyDescriptor(DBPointer.prototype, 'id').get.call({})",
        "Object.getOwnPropertyDescriptor(DBPointer.prototype, 'ns').get.call(ObjectId())", "Object.getOwnPropertyDescriptor(NumberLong.prototype, 'top').get.call({})",
        "Object.getOwnPropertyDescriptor(Code.prototype, 'scope').get.call(BinData(0, ''))", "NumberLong.prototype.exactValueString", "BinData(1.5, '')", "Timestamp(1.5, 2.5)",
        "function() { RegExp.prototype.test = () => true; return NumberLong('1e5') }", "function() { RegExp.prototype[Symbol.replace] = () => 5; return MD5('00') }"}) {
    const auto result = call(source);  // a value or an error: this process goes on
    EXPECT_NE(result, "") << source;
  }
  engine().begin(Document(), Document());
  EXPECT_EQ(call("Object.getOwnPropertyDescriptor(DBPointer.prototype, 'id').get.call({})").substr(0, 24), "2 a DBPointer is needed ");
  // What is changed in one operation is as it was in the next.
  EXPECT_EQ(call("function() { Array.prototype.map = Object.prototype.toString = ObjectId = 5; leak = 7; return leak }"), "{\"\":{\"$numberDouble\":\"7.0\"}}");
  EXPECT_EQ(call("leak"), "{\"\":{\"$numberDouble\":\"7.0\"}}");
  engine().begin(Document(), Document());
  EXPECT_EQ(call("typeof leak + typeof ObjectId + typeof [].map"), "{\"\":\"undefinedfunctionfunction\"}");
}

TEST_F(EngineTest, StoredFunctionsAndVariables) {
  Document stored = from_json(R"j({"twice": {"$code": "function(x) { return 2 * x }"}, "limit": 5})j");
  engine().begin(stored, from_json(R"({"factor": 3})"));
  EXPECT_EQ(test("twice(this.a) * factor == 12 && limit == 5", R"({"a": 2})"), "true");
  EXPECT_EQ(call("typeof twice + factor"), "{\"\":\"undefined3\"}");
}

TEST_F(EngineTest, EmitsComeInOrderUndefinedKeysAsNull) {
  const Document documents = from_json(R"({"": [{"a": 1}, {"a": 2}]})");
  const auto result = engine().map("function() { emit(this.a, 1); emit(undefined, {x: this.a}) }", documents.view().first().document_value());
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(compact(*result),
            R"({"emits":[{"k":{"$numberDouble":"1.0"},"v":{"$numberDouble":"1.0"}},{"k":null,"v":{"x":{"$numberDouble":"1.0"}}},)"
            R"({"k":{"$numberDouble":"2.0"},"v":{"$numberDouble":"1.0"}},{"k":null,"v":{"x":{"$numberDouble":"2.0"}}}],"done":{"$numberInt":"2"}})");
  const auto failed = engine().map("function() { emit(1) }", documents.view().first().document_value());
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().server_code, 31220);
  EXPECT_EQ(failed.error().message.substr(0, 21), "emit takes 2 args :\n@");
}

TEST_F(EngineTest, FoldHandsTheStateOn) {
  const Document state = from_json(R"({"": {"n": 0}})");
  const Document calls = from_json(R"({"": [[1], [2], [3]]})");
  const auto result = engine().fold(Globals::kPlain, "function(state, x) { state.n += x; return state }", state, calls.view().first().document_value());
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(compact(*result), R"({"value":{"n":{"$numberDouble":"6.0"}}})");
}

}  // namespace
}  // namespace drover::sandbox::script
