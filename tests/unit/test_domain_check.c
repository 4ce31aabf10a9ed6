#include "model/domain_check.h"
#include "model/domain_codes.h"
#include "tests/unit/unit.h"

#define TOKEN        "k8Hq3yJ0b1nX5c7V9m2L4p6R8t0W2z4Y6u8A1s3D5f7="
#define AUTODISCOVER "autodiscover.mail.us-east-1.service.test"
#define HERE         "inbound-smtp.us-east-1.service.test"
#define KEYS         "sel1.dkim.service.test"

static const struct domain_record records[] = {
    {DOMAIN_OWNERSHIP, "TXT", "_amazonses.example.com", TOKEN, 3600},
    {DOMAIN_MX, "MX", "example.com", "10 " HERE, 3600},
    {DOMAIN_AUTODISCOVER, "CNAME", "autodiscover.example.com", AUTODISCOVER, 3600},
    {DOMAIN_DKIM, "CNAME", "sel1._domainkey.example.com", KEYS, 3600},
    {DOMAIN_SPF, "TXT", "example.com", "v=spf1 include:service.test ~all", 3600},
    {DOMAIN_DMARC, "TXT", "_dmarc.example.com", "v=DMARC1;p=quarantine;pct=100;fo=1", 3600},
};

static struct domain_expectation expectation(bool is_interoperable)
{
    return (struct domain_expectation){.domain = "example.com",
                                       .records = records,
                                       .count = COUNT(records),
                                       .is_interoperable = is_interoperable};
}

/* --- questions --- */

static void test_each_name_is_asked_for_once_and_then_doubled(void **state)
{
    static const struct dns_question wanted[] = {
        {"example.com", DNS_TXT, NULL, 0}, /* the bare name, and SPF */
        {"_amazonses.example.com", DNS_TXT, NULL, 0},
        {"example.com", DNS_MX, NULL, 0},
        {"autodiscover.example.com", DNS_A, AUTODISCOVER, 0},
        {"sel1._domainkey.example.com", DNS_TXT, KEYS, 0},
        {"_dmarc.example.com", DNS_TXT, NULL, 0},
        {"_amazonses.example.com", DNS_TXT, NULL, 2},
        {"autodiscover.example.com", DNS_A, AUTODISCOVER, 4},
        {"sel1._domainkey.example.com", DNS_TXT, KEYS, 5},
        {"_dmarc.example.com", DNS_TXT, NULL, 6},
    };
    struct dns_question questions[DOMAIN_QUESTIONS_MAX];
    struct domain_expectation expected = expectation(false);
    (void)state;
    assert_int_equal(domain_check_questions(&expected, questions), COUNT(wanted));
    for (size_t i = 0; i < COUNT(wanted); i++) {
        assert_string_equal(questions[i].name, wanted[i].name);
        assert_int_equal(questions[i].type, wanted[i].type);
        assert_int_equal(questions[i].doubles, wanted[i].doubles);
        assert_row((questions[i].target == NULL) == (wanted[i].target == NULL), "target %zu", i);
        if (wanted[i].target != NULL)
            assert_string_equal(questions[i].target, wanted[i].target);
    }
}

/* --- findings --- */

#define SERVERS 2
#define MOST    4

/* What a server says; nothing of the kind when all is left out. */
struct said {
    enum dns_outcome outcome; /* left out: DNS_ANSWERED */
    const char *values[MOST];
    const char *aliases[MOST];
};

struct server_case {
    struct said at_name;
    struct said at_domain; /* its TXT records */
    struct said at_doubled;
};

static size_t count_of(const char *const list[MOST])
{
    size_t count = 0;
    while (count < MOST && list[count] != NULL)
        count++;
    return count;
}

static void say(struct dns_answer *answer, const struct said *said)
{
    *answer = (struct dns_answer){.outcome = said->outcome == DNS_NOT_ASKED ? DNS_ANSWERED : said->outcome,
                                  .values = said->values,
                                  .value_count = count_of(said->values),
                                  .aliases = said->aliases,
                                  .alias_count = count_of(said->aliases),
                                  .ttl = 60};
}

static enum dns_type asked_type(enum domain_purpose purpose)
{
    return purpose == DOMAIN_MX ? DNS_MX : purpose == DOMAIN_AUTODISCOVER ? DNS_A : DNS_TXT;
}

/* What is found of the record when all else is not there. */
static enum domain_proof check(struct arena *arena, enum domain_purpose purpose, bool is_interoperable,
                               const struct server_case servers[SERVERS], size_t count,
                               struct domain_finding *ret_finding)
{
    static const struct said nothing;
    struct dns_question questions[DOMAIN_QUESTIONS_MAX];
    struct dns_answer answers[SERVERS][DOMAIN_QUESTIONS_MAX];
    struct dns_server told[SERVERS];
    struct domain_finding findings[COUNT(records)];
    struct domain_expectation expected = expectation(is_interoperable);
    size_t question_count = domain_check_questions(&expected, questions);
    size_t index = 0;
    while (records[index].purpose != purpose)
        index++;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < question_count; j++) {
            bool is_it = strcmp(questions[j].name, records[index].name) == 0 &&
                         questions[j].type == asked_type(purpose);
            bool is_bare = strcmp(questions[j].name, "example.com") == 0 && questions[j].type == DNS_TXT;
            say(&answers[i][j], is_it && questions[j].doubles > 0 ? &servers[i].at_doubled
                                : is_it                           ? &servers[i].at_name
                                : is_bare                         ? &servers[i].at_domain
                                                                  : &nothing);
        }
        told[i] = (struct dns_server){i == 0 ? "ns1.test" : "ns2.test", i == 0 ? "192.0.2.1" : "192.0.2.2",
                                      answers[i]};
    }
    struct dns_survey survey = {.zone = "example.com", .servers = told, .server_count = count};
    enum domain_proof proof = domain_check(arena, &expected, questions, question_count, &survey, findings);
    *ret_finding = findings[index];
    return proof;
}

#define GONE                        \
    {                               \
        .outcome = DNS_NO_SUCH_NAME \
    }
#define TEXT(...)                 \
    {                             \
        .values = { __VA_ARGS__ } \
    }
#define ALIAS(...)                 \
    {                              \
        .aliases = { __VA_ARGS__ } \
    }
#define OWN     "\nPublish: _amazonses.example.com. 3600 IN TXT \"" TOKEN "\""
#define OLD     "\nRemove: _amazonses.example.com. IN "
#define MX_OWN  "\nPublish: example.com. 3600 IN MX 10 " HERE "."
#define AUTO    "autodiscover.example.com. "
#define SPF_NEW "\nPublish: example.com. 3600 IN TXT \"v=spf1 include:service.test "
#define SPF_OLD "\nRemove: example.com. IN TXT "
#define DMARC   "\nPublish: _dmarc.example.com. 3600 IN TXT \"v=DMARC1;p=quarantine;pct=100;fo=1\""
#define TEN                                                                                         \
    "include:a.test include:b.test exists:c.test a a:d.test a/24 mx mx:e.test redirect=f.test ptr " \
    "ip4:192.0.2.0/24"

static const struct finding_row {
    const char *what;
    enum domain_purpose purpose;
    bool is_interoperable;
    struct server_case servers[SERVERS]; /* the second says what the first says, unless is_two */
    bool is_two;
    enum domain_status status;
    const char *code; /* NULL: none */
    const char *todo; /* the lines that the help ends with */
} rows[] = {
    /* ownership */
    {"nothing", DOMAIN_OWNERSHIP, .status = DOMAIN_PENDING, .code = "not_published", .todo = OWN},
    {"the proof", DOMAIN_OWNERSHIP, .servers = {{.at_name = TEXT(TOKEN)}}, .status = DOMAIN_VERIFIED},
    {"beside others", DOMAIN_OWNERSHIP, .servers = {{.at_name = TEXT("a", TOKEN)}},
     .status = DOMAIN_VERIFIED},
    {"by an alias", DOMAIN_OWNERSHIP, .servers = {{.at_name = {.aliases = {"x.test"}, .values = {TOKEN}}}},
     .status = DOMAIN_VERIFIED},
    {"at the bare name", DOMAIN_OWNERSHIP, .servers = {{.at_name = GONE, .at_domain = TEXT("a", TOKEN)}},
     .status = DOMAIN_VERIFIED, .code = "found_at_bare_name", .todo = ""},
    {"at the bare name, beside what is in the way", DOMAIN_OWNERSHIP,
     .servers = {{.at_name = {.outcome = DNS_SERVER_FAILED}, .at_domain = TEXT(TOKEN)}},
     .status = DOMAIN_VERIFIED, .code = "found_at_bare_name", .todo = ""},
    {"another value", DOMAIN_OWNERSHIP, .servers = {{.at_name = TEXT("say \\\"x\\\"")}},
     .status = DOMAIN_PENDING, .code = "wrong_value"},
    {"the case of letters", DOMAIN_OWNERSHIP,
     .servers = {{.at_name = TEXT("K8"
                                  "Hq3")}},
     .status = DOMAIN_PENDING, .code = "wrong_value", .todo = OLD "TXT \"K8Hq3\"" OWN},
    {"a beginning by chance", DOMAIN_OWNERSHIP, .servers = {{.at_name = TEXT("k8Hq3")}},
     .status = DOMAIN_PENDING, .code = "wrong_value", .todo = OLD "TXT \"k8Hq3\"" OWN},
    {"a beginning", DOMAIN_OWNERSHIP, .servers = {{.at_name = TEXT("k8Hq3y")}}, .status = DOMAIN_PENDING,
     .code = "txt_truncated", .todo = OLD "TXT \"k8Hq3y\"" OWN},
    {"quotes", DOMAIN_OWNERSHIP, .servers = {{.at_name = TEXT("\"" TOKEN "\"")}}, .status = DOMAIN_PENDING,
     .code = "txt_quoted", .todo = OLD "TXT \"\\\"" TOKEN "\\\"\"" OWN},
    {"a blank and a tab", DOMAIN_OWNERSHIP, .servers = {{.at_name = TEXT(" " TOKEN "\\009")}},
     .status = DOMAIN_PENDING, .code = "txt_quoted", .todo = OLD "TXT \" " TOKEN "\\009\"" OWN},
    {"two records", DOMAIN_OWNERSHIP,
     .servers = {{.at_name = TEXT("9m2L4p6R8t0W2z4Y6u8A1s3D5f7=", "k8Hq3yJ0b1nX5c7V")}},
     .status = DOMAIN_PENDING, .code = "txt_split",
     .todo = OLD "TXT \"9m2L4p6R8t0W2z4Y6u8A1s3D5f7=\"" OLD "TXT \"k8Hq3yJ0b1nX5c7V\"" OWN},
    {"the doubled name", DOMAIN_OWNERSHIP, .servers = {{.at_name = GONE, .at_doubled = TEXT(TOKEN)}},
     .status = DOMAIN_PENDING, .code = "doubled_name",
     .todo = "\nRemove: _amazonses.example.com.example.com. IN TXT \"" TOKEN "\"" OWN},
    {"another at the doubled name", DOMAIN_OWNERSHIP, .servers = {{.at_name = GONE, .at_doubled = TEXT("a")}},
     .status = DOMAIN_PENDING, .code = "not_published", .todo = OWN},
    {"an alias to nothing", DOMAIN_OWNERSHIP, .servers = {{.at_name = ALIAS("x.test", "y.test")}},
     .status = DOMAIN_PENDING, .code = "cname_in_the_way", .todo = OLD "CNAME x.test." OWN},
    {"an alias to something else", DOMAIN_OWNERSHIP,
     .servers = {{.at_name = {.aliases = {"x.test"}, .values = {"a"}}}}, .status = DOMAIN_PENDING,
     .code = "cname_in_the_way", .todo = OLD "CNAME x.test." OWN},
    {"aliases without end", DOMAIN_OWNERSHIP,
     .servers = {{.at_name = {.outcome = DNS_CHAIN_TOO_LONG, .aliases = {"x.test"}}}},
     .status = DOMAIN_PENDING, .code = "cname_chain_too_long", .todo = OLD "CNAME x.test." OWN},
    {"aliases in a circle", DOMAIN_OWNERSHIP,
     .servers = {{.at_name = {.outcome = DNS_CHAIN_LOOPS, .aliases = {"x.test"}}}}, .status = DOMAIN_PENDING,
     .code = "cname_loop", .todo = OLD "CNAME x.test." OWN},
    {"no such domain", DOMAIN_OWNERSHIP, .servers = {{.at_name = GONE, .at_domain = GONE}},
     .status = DOMAIN_PENDING, .code = "domain_not_found", .todo = OWN},
    /* several servers */
    {"one has it", DOMAIN_OWNERSHIP, .servers = {{.at_name = TEXT(TOKEN)}, {.at_name = GONE}}, .is_two = true,
     .status = DOMAIN_PENDING, .code = "name_servers_differ", .todo = OWN},
    {"one has another", DOMAIN_OWNERSHIP, .servers = {{.at_name = TEXT("a")}, {.at_name = TEXT(TOKEN)}},
     .is_two = true, .status = DOMAIN_PENDING, .code = "name_servers_differ", .todo = OWN},
    {"nothing beside what is wrong", DOMAIN_OWNERSHIP,
     .servers = {{.at_name = GONE, .at_domain = GONE}, {.at_name = TEXT("a")}}, .is_two = true,
     .status = DOMAIN_PENDING, .code = "wrong_value", .todo = OLD "TXT \"a\"" OWN},
    {"one does not answer", DOMAIN_OWNERSHIP,
     .servers = {{.at_name = TEXT(TOKEN)}, {.at_name = {.outcome = DNS_UNREACHABLE}}}, .is_two = true,
     .status = DOMAIN_VERIFIED, .code = "name_server_unreachable", .todo = ""},
    {"one is lame, the other has nothing", DOMAIN_OWNERSHIP,
     .servers = {{.at_name = {.outcome = DNS_LAME}}, {.at_name = GONE}}, .is_two = true,
     .status = DOMAIN_PENDING, .code = "not_published", .todo = OWN},
    {"all are lame", DOMAIN_OWNERSHIP, .servers = {{.at_name = {.outcome = DNS_LAME}}},
     .status = DOMAIN_PENDING, .code = "name_server_lame", .todo = ""},
    {"all fail", DOMAIN_MX, .servers = {{.at_name = {.outcome = DNS_SERVER_FAILED}}},
     .status = DOMAIN_PENDING, .code = "name_server_failed", .todo = ""},
    {"all talk nonsense", DOMAIN_DKIM, .servers = {{.at_name = {.outcome = DNS_MALFORMED}}},
     .status = DOMAIN_PENDING, .code = "malformed_answer", .todo = ""},
    {"all answer something else", DOMAIN_SPF, .servers = {{.at_name = {.outcome = DNS_MISMATCHED}}},
     .status = DOMAIN_PENDING, .code = "mismatched_answer", .todo = ""},
    /* MX */
    {"no MX", DOMAIN_MX, .status = DOMAIN_MISSING, .code = "mx_missing", .todo = MX_OWN},
    {"the MX", DOMAIN_MX, .servers = {{.at_name = TEXT("10 " HERE)}}, .status = DOMAIN_VERIFIED},
    {"no mail at all", DOMAIN_MX, .servers = {{.at_name = TEXT("0 .")}}, .status = DOMAIN_INCONSISTENT,
     .code = "mx_elsewhere", .todo = "\nRemove: example.com. IN MX 0 ." MX_OWN},
    {"another preference", DOMAIN_MX, .servers = {{.at_name = TEXT("5 " HERE)}}, .status = DOMAIN_VERIFIED,
     .code = "mx_preference", .todo = "\nRemove: example.com. IN MX 5 " HERE "." MX_OWN},
    {"two preferences", DOMAIN_MX, .servers = {{.at_name = TEXT("5 " HERE, "10 " HERE)}},
     .status = DOMAIN_VERIFIED},
    {"another server beside", DOMAIN_MX, .servers = {{.at_name = TEXT("10 " HERE, "20 x.test")}},
     .status = DOMAIN_INCONSISTENT, .code = "mx_additional",
     .todo = "\nRemove: example.com. IN MX 20 x.test."},
    {"another server beside another preference", DOMAIN_MX,
     .servers = {{.at_name = TEXT("5 " HERE, "20 x.test")}}, .status = DOMAIN_INCONSISTENT,
     .code = "mx_elsewhere",
     .todo = "\nRemove: example.com. IN MX 5 " HERE ".\nRemove: example.com. IN MX 20 x.test." MX_OWN},
    {"a target without its dot", DOMAIN_MX, .servers = {{.at_name = TEXT("10 " HERE ".example.com")}},
     .status = DOMAIN_INCONSISTENT, .code = "doubled_target",
     .todo = "\nRemove: example.com. IN MX 10 " HERE ".example.com." MX_OWN},
    {"the domain is an alias", DOMAIN_MX,
     .servers = {{.at_name = {.aliases = {"x.test"}, .values = {"1 y.test"}}}}, .status = DOMAIN_INCONSISTENT,
     .code = "cname_in_the_way", .todo = "\nRemove: example.com. IN CNAME x.test." MX_OWN},
    {"no MX is expected", DOMAIN_MX, .is_interoperable = true, .servers = {{.at_name = TEXT("20 x.test")}},
     .status = DOMAIN_NOT_EXPECTED},
    {"yet one points here", DOMAIN_MX, .is_interoperable = true,
     .servers = {{.at_name = TEXT("10 " HERE, "20 x.test")}}, .status = DOMAIN_NOT_EXPECTED,
     .code = "mx_points_here", .todo = "\nRemove: example.com. IN MX 10 " HERE "."},
    /* autodiscover and DKIM */
    {"no autodiscover", DOMAIN_AUTODISCOVER, .status = DOMAIN_MISSING, .code = "autodiscover_missing",
     .todo = "\nPublish: " AUTO "3600 IN CNAME " AUTODISCOVER "."},
    {"autodiscover", DOMAIN_AUTODISCOVER, .servers = {{.at_name = ALIAS(AUTODISCOVER)}},
     .status = DOMAIN_VERIFIED},
    {"autodiscover over another alias", DOMAIN_AUTODISCOVER,
     .servers = {{.at_name = ALIAS("x.test", AUTODISCOVER)}}, .status = DOMAIN_VERIFIED},
    {"autodiscover elsewhere", DOMAIN_AUTODISCOVER, .servers = {{.at_name = ALIAS("x.test")}},
     .status = DOMAIN_INCONSISTENT, .code = "autodiscover_elsewhere",
     .todo = "\nRemove: " AUTO "IN CNAME x.test.\nPublish: " AUTO "3600 IN CNAME " AUTODISCOVER "."},
    {"addresses", DOMAIN_AUTODISCOVER, .servers = {{.at_name = TEXT("192.0.2.1", "192.0.2.2")}},
     .status = DOMAIN_INCONSISTENT, .code = "not_a_cname",
     .todo = "\nRemove: " AUTO "IN A 192.0.2.1\nRemove: " AUTO "IN A 192.0.2.2\nPublish: " AUTO
             "3600 IN CNAME " AUTODISCOVER "."},
    {"autodiscover without its dot", DOMAIN_AUTODISCOVER,
     .servers = {{.at_name = ALIAS(AUTODISCOVER ".example.com")}}, .status = DOMAIN_INCONSISTENT,
     .code = "doubled_target",
     .todo = "\nRemove: " AUTO "IN CNAME " AUTODISCOVER ".example.com.\nPublish: " AUTO
             "3600 IN CNAME " AUTODISCOVER "."},
    {"autodiscover at the doubled name", DOMAIN_AUTODISCOVER,
     .servers = {{.at_name = GONE, .at_doubled = ALIAS(AUTODISCOVER)}}, .status = DOMAIN_INCONSISTENT,
     .code = "doubled_name",
     .todo = "\nRemove: autodiscover.example.com.example.com. IN CNAME " AUTODISCOVER ".\nPublish: " AUTO
             "3600 IN CNAME " AUTODISCOVER "."},
    {"autodiscover is not expected", DOMAIN_AUTODISCOVER, .is_interoperable = true,
     .servers = {{.at_name = ALIAS("x.test")}}, .status = DOMAIN_NOT_EXPECTED},
    {"yet it points here", DOMAIN_AUTODISCOVER, .is_interoperable = true,
     .servers = {{.at_name = ALIAS(AUTODISCOVER)}}, .status = DOMAIN_NOT_EXPECTED,
     .code = "autodiscover_points_here", .todo = "\nRemove: " AUTO "IN CNAME " AUTODISCOVER "."},
    {"no keys", DOMAIN_DKIM, .servers = {{.at_name = GONE}}, .status = DOMAIN_MISSING, .code = "dkim_missing",
     .todo = "\nPublish: sel1._domainkey.example.com. 3600 IN CNAME " KEYS "."},
    {"keys", DOMAIN_DKIM, .servers = {{.at_name = ALIAS(KEYS)}}, .status = DOMAIN_VERIFIED},
    {"other keys", DOMAIN_DKIM, .servers = {{.at_name = ALIAS("x.test")}}, .status = DOMAIN_INCONSISTENT,
     .code = "dkim_elsewhere",
     .todo = "\nRemove: sel1._domainkey.example.com. IN CNAME x.test.\n"
             "Publish: sel1._domainkey.example.com. 3600 IN CNAME " KEYS "."},
    /* SPF */
    {"no SPF", DOMAIN_SPF, .servers = {{.at_name = TEXT("v=spf10 x")}}, .status = DOMAIN_MISSING,
     .code = "spf_missing", .todo = SPF_NEW "~all\""},
    {"SPF", DOMAIN_SPF, .servers = {{.at_name = TEXT("V=SPF1 mx +INCLUDE:Service.test -all")}},
     .status = DOMAIN_VERIFIED},
    {"an include that is refused", DOMAIN_SPF,
     .servers = {{.at_name = TEXT("v=spf1 -include:service.test ~all")}}, .status = DOMAIN_INCONSISTENT,
     .code = "spf_without_include",
     .todo = SPF_OLD "\"v=spf1 -include:service.test ~all\"" SPF_NEW "-include:service.test ~all\""},
    {"SPF of others", DOMAIN_SPF, .servers = {{.at_name = TEXT("v=spf1 mx  ip4:192.0.2.1 -all")}},
     .status = DOMAIN_INCONSISTENT, .code = "spf_without_include",
     .todo = SPF_OLD "\"v=spf1 mx  ip4:192.0.2.1 -all\"" SPF_NEW "mx ip4:192.0.2.1 -all\""},
    /* What ends a record makes that a redirection does not count (RFC 7208, 6.1). */
    {"SPF that is elsewhere", DOMAIN_SPF, .servers = {{.at_name = TEXT("v=spf1 redirect=_spf.x.test")}},
     .status = DOMAIN_INCONSISTENT, .code = "spf_without_include",
     .todo = SPF_OLD "\"v=spf1 redirect=_spf.x.test\"" SPF_NEW "redirect=_spf.x.test\""},
    {"several", DOMAIN_SPF, .servers = {{.at_name = TEXT("v=spf1 mx ~all", "v=spf1 mx a ?all")}},
     .status = DOMAIN_INCONSISTENT, .code = "spf_several",
     .todo = SPF_OLD "\"v=spf1 mx ~all\"" SPF_OLD "\"v=spf1 mx a ?all\"" SPF_NEW "mx a ~all\""},
    {"several, one of which is elsewhere", DOMAIN_SPF,
     .servers = {{.at_name = TEXT("v=spf1 redirect=x.test", "v=spf1 mx -all")}},
     .status = DOMAIN_INCONSISTENT, .code = "spf_several",
     .todo = SPF_OLD "\"v=spf1 redirect=x.test\"" SPF_OLD "\"v=spf1 mx -all\"" SPF_NEW
                     "redirect=x.test mx -all\""},
    {"ten lookups", DOMAIN_SPF,
     .servers = {{.at_name = TEXT("v=spf1 include:service.test a mx ptr exists:x a:b a:c a:d a:e a:f ~all")}},
     .status = DOMAIN_VERIFIED},
    {"more lookups", DOMAIN_SPF, .servers = {{.at_name = TEXT("v=spf1 " TEN " ~include:service.test -all")}},
     .status = DOMAIN_INCONSISTENT, .code = "spf_too_many_lookups",
     .todo = SPF_OLD "\"v=spf1 " TEN " ~include:service.test -all\"" SPF_NEW "ip4:192.0.2.0/24 -all\""},
    {"ten without ours", DOMAIN_SPF, .servers = {{.at_name = TEXT("v=spf1 " TEN " ?all")}},
     .status = DOMAIN_INCONSISTENT, .code = "spf_too_many_lookups",
     .todo = SPF_OLD "\"v=spf1 " TEN " ?all\"" SPF_NEW "ip4:192.0.2.0/24 ?all\""},
    /* DMARC */
    {"no DMARC", DOMAIN_DMARC, .status = DOMAIN_MISSING, .code = "dmarc_missing", .todo = DMARC},
    {"DMARC", DOMAIN_DMARC, .servers = {{.at_name = TEXT("v=DMARC1; rua=mailto:x@y.test; P = Reject")}},
     .status = DOMAIN_VERIFIED},
    {"DMARC by an alias", DOMAIN_DMARC,
     .servers = {{.at_name = {.aliases = {"x.test"}, .values = {"v=DMARC1;p=none"}}}},
     .status = DOMAIN_VERIFIED},
    {"DMARC without a policy", DOMAIN_DMARC, .servers = {{.at_name = TEXT("v=DMARC1; pct=100; sp=none")}},
     .status = DOMAIN_INCONSISTENT, .code = "dmarc_invalid",
     .todo = "\nRemove: _dmarc.example.com. IN TXT \"v=DMARC1; pct=100; sp=none\"" DMARC},
    {"something else", DOMAIN_DMARC, .servers = {{.at_name = TEXT("v=DMARC10; p=none")}},
     .status = DOMAIN_INCONSISTENT, .code = "dmarc_invalid",
     .todo = "\nRemove: _dmarc.example.com. IN TXT \"v=DMARC10; p=none\"" DMARC},
    {"two policies", DOMAIN_DMARC, .servers = {{.at_name = TEXT("v=DMARC1;p=none", "v=DMARC1;p=reject")}},
     .status = DOMAIN_INCONSISTENT, .code = "dmarc_several",
     .todo = "\nRemove: _dmarc.example.com. IN TXT \"v=DMARC1;p=none\""
             "\nRemove: _dmarc.example.com. IN TXT \"v=DMARC1;p=reject\"" DMARC},
    {"a policy at the doubled name", DOMAIN_DMARC,
     .servers = {{.at_name = GONE, .at_doubled = TEXT("v=DMARC1;p=quarantine;pct=100;fo=1")}},
     .status = DOMAIN_INCONSISTENT, .code = "doubled_name",
     .todo = "\nRemove: _dmarc.example.com.example.com. IN TXT \"v=DMARC1;p=quarantine;pct=100;fo=1\"" DMARC},
};

/* The help from the first line of what to do on. */
static const char *todo_of(const char *help)
{
    const char *line = strchr(help, '\n');
    return line != NULL ? line : "";
}

static void test_what_is_found(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct finding_row *row = &rows[i];
        struct server_case servers[SERVERS] = {row->servers[0], row->servers[row->is_two]};
        struct domain_finding finding;
        enum domain_proof proof =
            check(*state, row->purpose, row->is_interoperable, servers, SERVERS, &finding);
        const char *code = finding.code != NULL ? finding.code : "";
        assert_row(strcmp(code, row->code != NULL ? row->code : "") == 0, "%s: %s", row->what, code);
        assert_row(finding.status == row->status, "%s: %s", row->what, domain_statuses[finding.status]);
        assert_row((finding.help != NULL) == (row->code != NULL), "%s: help", row->what);
        bool is_proof = row->purpose == DOMAIN_OWNERSHIP && row->status == DOMAIN_VERIFIED;
        assert_row((proof == DOMAIN_PROVEN) == is_proof, "%s: the proof", row->what);
        if (row->todo != NULL)
            assert_row(strcmp(todo_of(finding.help), row->todo) == 0, "%s:%s", row->what,
                       todo_of(finding.help));
        if (finding.help != NULL)
            assert_row(strpbrk(finding.help, "{}") == NULL, "%s: %s", row->what, finding.help);
    }
}

static void test_help_names_the_servers_that_it_is_about(void **state)
{
    static const struct {
        struct server_case servers[SERVERS];
        const char *named, *not_named;
    } cases[] = {
        {{{.at_name = TEXT(TOKEN)}, {.at_name = GONE}}, "ns2.test (192.0.2.2)", "ns1.test"},
        {{{.at_name = {.outcome = DNS_UNREACHABLE}}, {.at_name = TEXT(TOKEN)}},
         "ns1.test (192.0.2.1)",
         "ns2.test"},
        {{{.at_name = {.outcome = DNS_LAME}}, {.at_name = {.outcome = DNS_LAME}}},
         "ns1.test (192.0.2.1), ns2.test (192.0.2.2)",
         NULL},
        {{{.at_name = {.outcome = DNS_LAME}}, {.at_name = {.outcome = DNS_UNREACHABLE}}},
         "ns1.test",
         "ns2.test"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct domain_finding finding;
        check(*state, DOMAIN_OWNERSHIP, false, cases[i].servers, SERVERS, &finding);
        assert_row(strstr(finding.help, cases[i].named) != NULL, "%zu: %s", i, finding.help);
        if (cases[i].not_named != NULL)
            assert_row(strstr(finding.help, cases[i].not_named) == NULL, "%zu: %s", i, finding.help);
    }
}

/* --- what is shown --- */

static void test_what_was_seen_is_shown_and_no_more_than_fits(void **state)
{
    const char *most = unit_repeat(*state, "x", 500);
    const char *more = unit_repeat(*state, "y", 501);
    struct server_case servers[SERVERS] = {
        {.at_name = {.aliases = {"x.test"}, .values = {"a\"b", most, more}}},
        {.at_name = {.outcome = DNS_UNREACHABLE}},
    };
    struct domain_finding finding;
    check(*state, DOMAIN_OWNERSHIP, false, servers, SERVERS, &finding);
    assert_string_equal(
        buffer_string(&finding.observed),
        arena_printf(*state,
                     "[{\"server\":\"ns1.test (192.0.2.1)\",\"outcome\":\"ANSWERED\",\"values\":"
                     "[\"CNAME x.test\",\"a\\\"b\",\"%s\",\"%.500s…\"],\"ttl\":60},"
                     "{\"server\":\"ns2.test (192.0.2.2)\",\"outcome\":\"UNREACHABLE\",\"values\":[]}]",
                     most, more));
}

static void test_long_values_are_removed_in_strings_or_by_name(void **state)
{
    const char *two = unit_repeat(*state, "x", 256);
    const char *huge = unit_repeat(*state, "x", 2001);
    struct server_case servers[SERVERS] = {{.at_name = TEXT(two, huge, "\\000\\255")}};
    struct domain_finding finding;
    check(*state, DOMAIN_OWNERSHIP, false, servers, 1, &finding);
    assert_string_equal(
        todo_of(finding.help),
        arena_printf(*state, OLD "TXT \"%.255s\" \"x\"" OLD "TXT" OLD "TXT \"\\000\\255\"" OWN, two));
}

/* A value is cut where it is too long, perhaps within the escape of an odd byte. */
static void test_spf_record_that_ends_within_an_escape(void **state)
{
    static const char *const ends[] = {"\\", "\\0", "\\00", "\\000"};
    for (size_t i = 0; i < COUNT(ends); i++) {
        struct server_case servers[SERVERS] = {
            {.at_name = TEXT(arena_printf(*state, "v=spf1 redirect=x.test %s", ends[i]))}};
        struct domain_finding finding;
        check(*state, DOMAIN_SPF, false, servers, 1, &finding);
        assert_string_equal(finding.code, "spf_without_include");
        const char *end = arena_printf(*state, "redirect=x.test %s\"", ends[i]);
        assert_string_equal(finding.help + strlen(finding.help) - strlen(end), end);
    }
}

/* --- nobody to ask --- */

static void test_obstacles(void **state)
{
    static const struct {
        struct dns_survey survey;
        enum domain_proof proof;
        const char *code, *says;
    } cases[] = {
        {{.obstacle = DNS_RESOLVER_UNREACHABLE},
         DOMAIN_PROOF_UNKNOWN,
         "resolver_unreachable",
         "--dns-resolvers"},
        {{.obstacle = DNS_NO_DELEGATION}, DOMAIN_NOT_PROVEN, "no_delegation", "answers for example.com. At"},
        {{.obstacle = DNS_NO_DELEGATION, .name_servers = "ns1.x.test, ns2.x.test"},
         DOMAIN_NOT_PROVEN,
         "no_delegation",
         "example.com: its name servers (ns1.x.test, ns2.x.test) have no address. At"},
    };
    struct domain_expectation expected = expectation(false);
    struct dns_question questions[DOMAIN_QUESTIONS_MAX];
    size_t count = domain_check_questions(&expected, questions);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct domain_finding findings[COUNT(records)];
        assert_int_equal(domain_check(*state, &expected, questions, count, &cases[i].survey, findings),
                         cases[i].proof);
        for (size_t j = 0; j < COUNT(records); j++) {
            assert_int_equal(findings[j].status, DOMAIN_PENDING);
            assert_string_equal(findings[j].code, cases[i].code);
            assert_row(strstr(findings[j].help, cases[i].says) != NULL, "%zu: %s", i, findings[j].help);
            assert_string_equal(buffer_string(&findings[j].observed), "[]");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_each_name_is_asked_for_once_and_then_doubled),
        UNIT_TEST(test_what_is_found),
        UNIT_TEST(test_help_names_the_servers_that_it_is_about),
        UNIT_TEST(test_what_was_seen_is_shown_and_no_more_than_fits),
        UNIT_TEST(test_long_values_are_removed_in_strings_or_by_name),
        UNIT_TEST(test_spf_record_that_ends_within_an_escape),
        UNIT_TEST(test_obstacles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
