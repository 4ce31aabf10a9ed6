#include "api/flow_rule.h"

#include "api/app.h"
#include "api/flow_cache.h"
#include "api/request.h"
#include "db/flow_rule.h"
#include "model/flow_explain.h"
#include "model/json_out.h"

enum code create_flow_rule(struct request *request)
{
    struct flow_rule rule = {0};
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &rule, &set);
    if (code == CODE_OK)
        code = flow_rule_parse_patterns(&rule, &request->problem);
    if (code == CODE_OK)
        code = flow_rule_create(request->db, &change, request->arguments[0], &rule);
    return response_change(request, &change, code);
}

enum code list_flow_rules(struct request *request)
{
    struct flow_rule_query query = {0};
    struct buffer body = request_buffer(request);
    const char *next_token;

    enum code code = request_list_query(request, &query, &query.page);
    if (code == CODE_OK)
        code = flow_rule_list(request->db, request->principal.account_id, request->arguments[0], &query,
                              &request->problem, &body, &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}

enum code queue_flow_rule(struct request *request)
{
    flow_rule_queue(request->db, request->principal.account_id, request->arguments[0], request->arguments[1]);
    return CODE_OK;
}

enum code get_flow_rule(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = flow_rule_collect(request->db, &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code update_flow_rule(struct request *request)
{
    struct flow_rule patch = {0};
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &patch, &set);
    if (code == CODE_OK && patch.sender_patterns != NULL)
        code = flow_rule_parse_patterns(&patch, &request->problem);
    if (code == CODE_OK)
        code =
            flow_rule_update(request->db, &change, request->arguments[0], request->arguments[1], &patch, set);
    return response_change(request, &change, code);
}

enum code delete_flow_rule(struct request *request)
{
    struct change change = request_change(request);
    enum code code = flow_rule_delete(request->db, &change, request->arguments[0], request->arguments[1]);
    return response_change(request, &change, code);
}

/* --- testing --- */

/* Of several senders each shows so many that lose; of one all. */
#define LOSING_OF_EACH 10

enum code queue_flow_rules(struct request *request)
{
    const char *account_id = request->principal.account_id;
    const char *organization_id = request->arguments[0];
    flow_set_release(request->flow_rules); /* when it is run once more */
    request->flow_rules =
        flow_cache_hold(request->app->flow_cache, account_id, organization_id, &request->flow_generation);
    if (request->flow_rules == NULL)
        flow_rule_queue_matcher(request->db, account_id, organization_id);
    return CODE_OK;
}

static enum code collect_flow_rules(struct request *request)
{
    struct flow_matcher *matcher;
    if (request->flow_rules != NULL)
        return CODE_OK;
    enum code code = flow_rule_collect_matcher(request->db, &request->problem, &matcher);
    if (code == CODE_OK)
        request->flow_rules = flow_cache_store(request->app->flow_cache, request->principal.account_id,
                                               request->arguments[0], request->flow_generation, matcher);
    return code;
}

/* NULL when there is none, or it is none: that is added to the problem. */
static const struct flow_sender *read_sender(struct request *request, const char *member, const char *text)
{
    const char *detail;
    if (text == NULL)
        return NULL;
    struct flow_sender *sender = arena_alloc_raw(request->arena, sizeof(*sender));
    if (flow_sender_parse(request->arena, text, sender, &detail))
        return sender;
    problem_add_member(&request->problem, member, "invalid_format", "%s", detail);
    return NULL;
}

static void write_one(const struct request *request, const struct flow_test *test,
                      const struct flow_sender *sender, const struct flow_sender *from, size_t limit,
                      struct buffer *out)
{
    out_begin_object(out);
    out_member(out, "sender", test->sender);
    out_member(out, "from", test->from);
    flow_write_decision(flow_set_matcher(request->flow_rules), sender, from, limit, out);
    out_end_object(out);
}

static enum code write_several(struct request *request, const char *const *senders, struct buffer *out)
{
    out_begin_object(out);
    out_name(out, "items");
    out_begin_array(out);
    for (size_t i = 0; senders[i] != NULL; i++) {
        struct flow_sender sender;
        const char *detail;
        if (flow_sender_parse(request->arena, senders[i], &sender, &detail))
            write_one(request, &(struct flow_test){.sender = senders[i]}, &sender, NULL, LOSING_OF_EACH, out);
        else
            problem_add_part(&request->problem, "senders", arena_printf(request->arena, "%zu", i),
                             "invalid_format", "%s", detail);
    }
    out_end_array(out);
    out_end_object(out);
    return request->problem.first_fault == NULL ? CODE_OK : CODE_VALIDATION_FAILED;
}

static enum code check_test(const struct flow_test *test, struct problem *problem)
{
    bool is_one = test->sender != NULL || test->from != NULL;
    if (is_one && test->senders != NULL)
        problem_add_member(problem, "senders", "contradiction",
                           "Give either senders, or sender and from of one message.");
    else if (!is_one && test->senders == NULL)
        problem_add_member(problem, "sender", "required", "Give sender, from, or senders.");
    return problem->first_fault == NULL ? CODE_OK : CODE_VALIDATION_FAILED;
}

enum code test_flow_rules(struct request *request)
{
    struct flow_test test = {0};
    struct buffer body = request_buffer(request);
    uint64_t set;

    enum code code = request_body(request, &test, &set);
    if (code == CODE_OK)
        code = check_test(&test, &request->problem);
    if (code == CODE_OK)
        code = collect_flow_rules(request);
    if (code != CODE_OK)
        return code;
    if (test.senders != NULL) {
        code = write_several(request, test.senders, &body);
    } else {
        const struct flow_sender *sender = read_sender(request, "sender", test.sender);
        const struct flow_sender *from = read_sender(request, "from", test.from);
        if (request->problem.first_fault != NULL)
            return CODE_VALIDATION_FAILED;
        write_one(request, &test, sender, from, SIZE_MAX, &body);
    }
    return code == CODE_OK ? response_json(request, 200, &body) : code;
}
