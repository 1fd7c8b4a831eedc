#include <gtest/gtest.h>

#include "net/address_range.h"
#include "bson/builder.h"
#include "control/cluster_processes.h"
#include "control/clusters.h"
#include "control/json_document.h"
#include "control/live_import.h"
#include "control/names.h"

namespace drover::control {
namespace {

TEST(AddressRanges, ContainWhatTheySay) {
  struct Row {
    const char* range;
    const char* address;
    bool inside;
  };
  for (const auto& row : {Row{"203.0.113.7", "203.0.113.7", true}, Row{"203.0.113.7", "203.0.113.8", false},
                          Row{"10.0.0.0/8", "10.255.1.2", true}, Row{"10.0.0.0/8", "11.0.0.1", false},
                          Row{"10.1.2.3/8", "10.9.9.9", true}, Row{"0.0.0.0/0", "8.8.8.8", true}, Row{"0.0.0.0/0", "::1", false},
                          Row{"192.168.1.128/25", "192.168.1.127", false}, Row{"192.168.1.128/25", "192.168.1.200", true},
                          Row{"2001:db8::/32", "2001:db8:1::5", true}, Row{"2001:db8::/32", "[2001:db9::]", false},
                          Row{"10.0.0.0/8", "::ffff:10.1.1.1", true}, Row{"10.0.0.0/8", "", false}}) {
    const auto range = net::AddressRange::parse(row.range);
    ASSERT_TRUE(range) << row.range;
    EXPECT_EQ(range->contains(row.address), row.inside) << row.range << " " << row.address;
  }
}

TEST(AddressRanges, AreSpelledOneWay) {
  EXPECT_EQ(net::AddressRange::parse("203.0.113.7")->cidr(), "203.0.113.7/32");
  EXPECT_EQ(net::AddressRange::parse("10.1.2.3/8")->cidr(), "10.0.0.0/8");
  EXPECT_TRUE(net::AddressRange::parse("::1/128")->is_single());
  EXPECT_FALSE(net::AddressRange::parse("10.0.0.0/31")->is_single());
  for (const auto* wrong : {"", "host", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "::/129", "1.2.3.4:80"})
    EXPECT_FALSE(net::AddressRange::parse(wrong)) << wrong;
}

TEST(AddressRanges, Peers) {
  EXPECT_EQ(net::host_of_peer("127.0.0.1:51000"), "127.0.0.1");
  EXPECT_EQ(net::host_of_peer("[::1]:51000"), "::1");
  EXPECT_TRUE(net::is_loopback("127.4.0.1") && net::is_loopback("::1") && !net::is_loopback("10.0.0.1"));
  EXPECT_TRUE(net::any_contains({"x", "10.0.0.0/8"}, "10.0.0.1"));
  EXPECT_FALSE(net::any_contains({}, "10.0.0.1"));
}

TEST(ClusterUris, ChangeTheirUserAndNothingElse) {
  struct Row {
    const char* uri;
    const char* nobody;
    const char* other;
  };
  for (const auto& row : {
           Row{"mongodb://h:1", "mongodb://h:1/?", "mongodb://u%2F1:p%40%25@h:1/?authSource=admin"},
           Row{"mongodb://a:b@h:1,i:2/db?replicaSet=rs0&authSource=x&tls=true&AuthMechanism=MONGODB-X509",
               "mongodb://h:1,i:2/?replicaSet=rs0&tls=true", "mongodb://u%2F1:p%40%25@h:1,i:2/?replicaSet=rs0&tls=true&authSource=admin"},
           Row{"mongodb+srv://a:b%40c@h.example.net/", "mongodb+srv://h.example.net/?", "mongodb+srv://u%2F1:p%40%25@h.example.net/?authSource=admin"},
           Row{"mongodb://h/?tlsCertificateKeyFile=/k&tlsCAFile=/c", "mongodb://h/?tlsCAFile=/c", "mongodb://u%2F1:p%40%25@h/?tlsCAFile=/c&authSource=admin"}}) {
    const auto parts = split_uri(row.uri);
    ASSERT_TRUE(parts) << row.uri;
    EXPECT_EQ(uri_for(*parts, "", ""), row.nobody);
    EXPECT_EQ(uri_for(*parts, "u/1", "p@%"), row.other);
  }
  for (const auto* wrong : {"", "http://h", "mongodb://", "mongodb://a:b@/x"}) {
    const auto parts = split_uri(wrong);
    ASSERT_FALSE(parts) << wrong;
    EXPECT_EQ(parts.error().message.find("a:b"), std::string::npos);
  }
}

TEST(ClusterProcesses, AreWhatTheSetTellsOfItsMembers) {
  bson::Builder reply;
  reply.append("set", "rs0");
  {
    auto members = reply.open_array("members");
    const auto add = [&](const char* name, int state, bool self, int health, std::int64_t heard) {
      auto member = members.open_document();
      member.append("name", name).append("state", state).append("health", static_cast<double>(health));
      if (self) member.append("self", true);
      else member.append("lastHeartbeat", bson::DateTime{heard});
    };
    add("a:27017", 1, true, 1, 0);
    add("b:27018", 2, false, 1, 5'000);
    add("c:27017", 7, false, 1, 6'000);
    add("d:27017", 2, false, 0, 1'000);  // it was a secondary, and is not reached
    add("e:27017", 3, false, 1, 7'000);
    add("f:27017", 8, false, 0, 0);
  }
  const auto all = processes_of_status(std::move(reply).finish(), "8.0.4", 9'000);
  struct Row {
    const char *host, *type, *version;
    std::int64_t last_ping;
  };
  const Row rows[] = {{"a:27017", "REPLICA_PRIMARY", "8.0.4", 9'000}, {"b:27018", "REPLICA_SECONDARY", "", 5'000}, {"c:27017", "REPLICA_ARBITER", "", 6'000},
                      {"d:27017", "NO_DATA", "", 1'000},              {"e:27017", "RECOVERING", "", 7'000},        {"f:27017", "NO_DATA", "", 0}};
  ASSERT_EQ(all.size(), std::size(rows));
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].host, rows[i].host);
    EXPECT_EQ(all[i].type, rows[i].type) << rows[i].host;
    EXPECT_EQ(all[i].version, rows[i].version) << rows[i].host;
    EXPECT_EQ(all[i].last_ping_millis, rows[i].last_ping) << rows[i].host;
    EXPECT_EQ(all[i].replica_set, "rs0");
  }
  EXPECT_TRUE(processes_of_status(bson::Document(), "8.0.4", 1).empty());
  EXPECT_EQ(host_and_port_of("h:1"), std::pair(std::string("h"), 1));
  EXPECT_EQ(host_and_port_of("h"), std::pair(std::string("h"), 27017));
  EXPECT_EQ(host_and_port_of("[::1]:1"), std::pair(std::string("[::1]"), 1));
  EXPECT_EQ(host_and_port_of("[::1]"), std::pair(std::string("[::1]"), 27017));
}

TEST(ClusterUris, NameNoKeys) {
  EXPECT_TRUE(check_no_keys(*split_uri("mongodb://h/?tls=true&tlsCAFile=/c&appName=a&replicaSet=profile1")));
  for (const auto* option : {"TLSCertificateKeyFile=/k", "tlscertificatekeyfile=%2Fk", "sslClientCertificateKeyFile=/k", "tlsCertificateKey%46ile=/k", "tls=true;tlsCertificateKeyFile=/k", "tlsCertificateKeyFilePassword=p"}) {
    const auto refused = check_no_keys(*split_uri(std::string("mongodb://h/?w=1&") + option));
    ASSERT_FALSE(refused) << option;
    EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  }
}

TEST(Names, AreWhatPeopleCanRead) {
  struct Row {
    std::string text;
    const char* as_name;  // what is wrong with it; "": nothing
    const char* as_text;
  };
  const std::string accented = "\u00fc", kanji = "\u5e97";
  for (const auto& row : {
           Row{"Shop (prod), 2+1", "", ""}, Row{"Caf\u00e9 \u5e97\u8216 \u0928\u093f", "", ""}, Row{std::string(64, 'x'), "", ""}, Row{std::string(65, 'x'), "it has 65", ""},
           Row{"", "it is empty", "it is empty"}, Row{" ", "blanks", "blanks"}, Row{"   ", "blanks", "blanks"}, Row{"\u00a0\u3000\u200b", "blanks", "blanks"},
           Row{"a\tb", "control character", "control character"}, Row{"a\nb", "control character", "control character"}, Row{"a\x1b[31m", "control character", "control character"},
           Row{std::string("a\0b", 3), "control character", "control character"}, Row{"a\x7f", "control character", "control character"},
           Row{"a\u0085", "control character", "control character"}, Row{"a\u2028", "control character", "control character"},
           Row{"a\u202egpj.exe", "control character", "control character"}, Row{"a\xff", "not UTF-8", "not UTF-8"}, Row{"\xc3", "not UTF-8", "not UTF-8"},
           Row{"\xc0\xaf", "not UTF-8", "not UTF-8"}, Row{"\xed\xa0\x80", "not UTF-8", "not UTF-8"}, Row{"a/b", "it has a /", ""}, Row{"a<b", "it has a <", ""},
           Row{"a \U0001f600", "neither letter nor digit", ""}}) {
    const auto name = check_name("name", row.text), text = check_text("desc", row.text, 250);
    EXPECT_EQ(!name, *row.as_name != '\0') << row.text;
    EXPECT_EQ(!text, *row.as_text != '\0') << row.text;
    EXPECT_NE((name ? std::string() : name.error().message).find(row.as_name), std::string::npos) << row.text;
    EXPECT_NE((text ? std::string() : text.error().message).find(row.as_text), std::string::npos) << row.text;
  }
  // Characters, not bytes.
  std::string long_name;
  for (int i = 0; i < 64; ++i) long_name += i % 2 == 0 ? accented : kanji;
  EXPECT_TRUE(check_name("name", long_name));
  EXPECT_FALSE(check_name("name", long_name + accented));
}

TEST(JsonDocuments, ComeBackAsTheyWere) {
  const auto text = R"({"a":1,"b":[1.5,"x",null,true,{"c":[]}],"d":{},"e":-9007199254740993})";
  const auto json = Json::parse(text);
  ASSERT_TRUE(json);
  EXPECT_EQ(json_of(document_of(*json)).dump(), json->dump());
  EXPECT_TRUE(document_of(Json(1)).empty());
  EXPECT_EQ(json_of(document_of(Json(Json::Object{{std::string("a\0b", 3), 1}}))).dump(), R"({"a":1})");
}

TEST(Failures, SayCauseAndRemedyInSentences) {
  const Json checks(Json::Array{check_json("a", "PASSED", "never told", "never"), check_json("b", "FAILED", "It cannot be.", "because\nof that; do this."),
                                check_json("c", "WARNING", "nor this", ""), check_json("d", "FAILED", "", ""), check_json("e", "FAILED", "No", "")});
  EXPECT_EQ(failures_of(checks), "It cannot be: because. of that; do this. d. No.");
  EXPECT_EQ(failures_of(Json(Json::Array{check_json("b", "WARNING", "x", "y")})), "");
  std::string accents;
  while (accents.size() < kMaxErrorBytes) accents += "\u00e9";
  const auto cut = failures_of(Json(Json::Array{check_json("b", "FAILED", "x", accents)}));
  EXPECT_LE(cut.size(), kMaxErrorBytes + 4);
  EXPECT_TRUE(cut.ends_with("\u00e9 \u2026")) << cut.substr(cut.size() - 8);
}

}  // namespace
}  // namespace drover::control
