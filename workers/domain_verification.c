#include "workers/domain_verification.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "db/mail_domain_check.h"
#include "db/notifier.h"
#include "model/log.h"
#include "workers/dns.h"

#define STATEMENT_TIMEOUT_MS 10000
#define IN_PROGRESS_MAX      1000 /* checks at once, of those that nobody waits for */
#define AWAITED_MAX          200  /* claimed at once */
#define BATCH_MAX            200  /* claimed, and stored, at once */
#define POLL_MS              500  /* what falls due is looked for */
#define STORE_MS             200  /* so long what was seen waits for more of it */
#define WOKEN_MS             10
#define RUN_MS               50

/* When to look again. */
#define FIRST_S   2
#define SLOWEST_S 3600 /* of PENDING ones, and of VERIFIED ones of which something is missing */
#define DAILY_S   86400
#define UNKNOWN_S 60 /* no resolver was there */

struct domain_verification {
    const struct db_environment *environment;
    struct dns *dns;
    struct db *db;
    pthread_t thread;
    atomic_bool stopping;
    atomic_bool is_woken;
    struct check *asked; /* in progress */
    struct check *done;  /* plain ones, to be stored together */
    size_t done_count;
    int64_t done_since;
    int64_t claimed_at;
    bool has_more; /* the last claim was full */
};

struct check {
    struct check *next; /* that is done, or in progress */
    struct check **previous;
    struct domain_verification *verification;
    struct arena *arena;
    struct mail_domain_claim claim;
    struct domain_record records[MAIL_DOMAIN_RECORDS];
    struct domain_expectation expected;
    struct dns_question questions[DOMAIN_QUESTIONS_MAX];
    size_t question_count;
    struct domain_finding findings[MAIL_DOMAIN_RECORDS];
    struct mail_domain_result result;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- what came --- */

static bool is_complete(const struct check *check)
{
    for (size_t i = 0; i < check->result.count; i++)
        if (check->findings[i].status != DOMAIN_VERIFIED && check->findings[i].status != DOMAIN_NOT_EXPECTED)
            return false;
    return true;
}

/* An eighth of the time since it was registered, so that nobody waits long compared with the time that he took. */
static int64_t next_s(const struct check *check)
{
    const struct mail_domain_claim *claim = &check->claim;
    bool is_proven = check->result.proof == DOMAIN_PROVEN;
    if (check->result.proof == DOMAIN_PROOF_UNKNOWN)
        return UNKNOWN_S;
    if (is_proven && is_complete(check))
        return DAILY_S - random() % (DAILY_S / 8);
    int64_t wait = is_proven || claim->is_verified ? SLOWEST_S : claim->pending_s / 8;
    if (claim->attempts < MAIL_DOMAIN_FIRST_CHECKS || wait < FIRST_S)
        return FIRST_S;
    wait = wait < SLOWEST_S ? wait : SLOWEST_S;
    return wait - random() % (wait / 8 + 1);
}

static struct change change_of(struct arena *arena, struct problem *problem,
                               const struct mail_domain_claim *claim)
{
    return (struct change){.arena = arena,
                           .problem = problem,
                           .account_id = claim != NULL ? claim->account_id : NULL,
                           .actor = "service",
                           .operation = "CheckMailDomain",
                           .asked = {.action = claim != NULL ? "service:CheckMailDomain" : NULL}};
}

static void log_failure(struct db *db, enum code code)
{
    /* Without a database, or its room, the lease ends and another check is made. */
    if (code != CODE_OK && code != CODE_MAIL_DOMAIN_STATE && code != CODE_ORGANIZATION_NOT_FOUND)
        LOG(LOG_WARNING, "check of a domain not stored", LOG_TEXT("code", code_name(code)),
            LOG_TEXT("database", db_error(db)));
}

static void free_checks(struct check *check)
{
    while (check != NULL) {
        struct check *next = check->next;
        arena_free(check->arena);
        check = next;
    }
}

static void store_done(struct domain_verification *verification)
{
    struct arena *arena = arena_new();
    struct problem problem = {.arena = arena};
    struct change change = change_of(arena, &problem, NULL);
    struct mail_domain_result *results = arena_alloc(arena, verification->done_count * sizeof(results[0]));
    size_t count = 0;
    for (struct check *check = verification->done; check != NULL; check = check->next)
        results[count++] = check->result;
    if (db_connect(verification->db))
        log_failure(verification->db, mail_domain_store_plain(verification->db, &change, results, count));
    free_checks(verification->done);
    verification->done = NULL;
    verification->done_count = 0;
    arena_free(arena);
}

static void store_one(struct check *check)
{
    struct db *db = check->verification->db;
    struct problem problem = {.arena = check->arena};
    struct change change = change_of(check->arena, &problem, &check->claim);
    if (db_connect(db))
        log_failure(db, mail_domain_store(db, &change, &check->result));
    arena_free(check->arena);
}

static void surveyed(void *argument, const struct dns_survey *survey)
{
    struct check *check = argument;
    struct domain_verification *verification = check->verification;
    *check->previous = check->next;
    if (check->next != NULL)
        check->next->previous = check->previous;
    enum domain_proof proof = domain_check(check->arena, &check->expected, check->questions,
                                           check->question_count, survey, check->findings);
    check->result = (struct mail_domain_result){.claim = &check->claim,
                                                .proof = proof,
                                                .records = check->records,
                                                .findings = check->findings,
                                                .count = MAIL_DOMAIN_RECORDS};
    check->result.next_s = next_s(check);
    if (!mail_domain_result_is_plain(&check->result)) {
        store_one(check);
        return;
    }
    if (verification->done_count++ == 0)
        verification->done_since = now_ms();
    check->next = verification->done;
    verification->done = check;
}

/* --- what is due --- */

static void begin(struct domain_verification *verification, const struct mail_domain_claim *claim,
                  bool is_awaited)
{
    struct arena *arena = arena_new();
    struct check *check = arena_alloc(arena, sizeof(*check));
    struct mail_domain_facts facts = claim->facts;
    facts.domain = arena_string(arena, facts.domain);
    facts.region = arena_string(arena, facts.region);
    facts.ownership_token = arena_string(arena, facts.ownership_token);
    for (size_t i = 0; i < MAIL_DOMAIN_SELECTORS; i++)
        facts.dkim_selectors[i] = arena_string(arena, facts.dkim_selectors[i]);
    check->verification = verification;
    check->arena = arena;
    check->claim = *claim;
    check->claim.facts = facts;
    check->claim.account_id = arena_string(arena, claim->account_id);
    check->claim.organization_id = arena_string(arena, claim->organization_id);
    check->claim.claims = arena_string(arena, claim->claims);
    check->claim.operation_id = claim->operation_id != NULL ? arena_string(arena, claim->operation_id) : NULL;
    mail_domain_expect(arena, verification->environment->settings, &check->claim.facts, check->records);
    check->expected = (struct domain_expectation){
        .domain = facts.domain,
        .records = check->records,
        .count = MAIL_DOMAIN_RECORDS,
        .is_interoperable = facts.is_interoperable,
    };
    check->next = verification->asked;
    check->previous = &verification->asked;
    if (check->next != NULL)
        check->next->previous = &check->next;
    verification->asked = check;
    check->question_count = domain_check_questions(&check->expected, check->questions);
    dns_survey(verification->dns, facts.domain, check->questions, check->question_count,
               is_awaited || claim->operation_id != NULL, surveyed, check);
}

/* True when there may be more. */
static bool claim(struct domain_verification *verification, bool is_awaited, size_t limit)
{
    struct arena *arena = arena_new();
    struct problem problem = {.arena = arena};
    struct mail_domain_claim *claims = NULL;
    size_t count = 0;
    enum code code =
        mail_domain_claim_due(verification->db, arena, &problem, is_awaited, (int64_t)limit, &claims, &count);
    if (code != CODE_OK && code != CODE_DATABASE_UNAVAILABLE)
        LOG(LOG_ERROR, "claim of domains failed", LOG_TEXT("database", db_error(verification->db)));
    for (size_t i = 0; i < count; i++)
        begin(verification, &claims[i], is_awaited);
    arena_free(arena);
    return count == limit;
}

static void claim_due(struct domain_verification *verification)
{
    size_t in_progress = dns_in_progress(verification->dns);
    bool is_time = now_ms() - verification->claimed_at >= POLL_MS;
    bool has_room = in_progress < IN_PROGRESS_MAX;
    /* It is woken for every job of the service. */
    bool is_woken =
        now_ms() - verification->claimed_at >= WOKEN_MS && atomic_exchange(&verification->is_woken, false);
    if (!is_woken && !is_time && !(verification->has_more && has_room))
        return;
    if (!db_connect(verification->db)) {
        verification->claimed_at = now_ms();
        return;
    }
    bool has_more = in_progress < 2 * IN_PROGRESS_MAX && claim(verification, true, AWAITED_MAX);
    if (has_room && (is_time || verification->has_more))
        has_more |= claim(verification, false, BATCH_MAX);
    verification->has_more = has_more;
    verification->claimed_at = now_ms();
}

/* --- the thread --- */

static void *run(void *argument)
{
    struct domain_verification *verification = argument;
    while (!verification->stopping) {
        claim_due(verification);
        dns_run(verification->dns, verification->is_woken ? WOKEN_MS : RUN_MS);
        if (verification->done_count >= BATCH_MAX ||
            (verification->done_count > 0 && now_ms() - verification->done_since >= STORE_MS))
            store_done(verification);
    }
    if (verification->done_count > 0)
        store_done(verification);
    return NULL;
}

static void wake(void *argument)
{
    struct domain_verification *verification = argument;
    verification->is_woken = true;
    dns_wake(verification->dns);
}

struct domain_verification *domain_verification_start(const struct db_environment *environment)
{
    const struct settings *settings = environment->settings;
    struct dns_net_options options = {.resolvers = settings->dns_resolvers, .port = (int)settings->dns_port};
    struct domain_verification *verification = calloc(1, sizeof(*verification));
    if (verification == NULL)
        abort();
    verification->environment = environment;
    verification->dns = dns_new(&options);
    if (verification->dns == NULL) {
        free(verification);
        return NULL;
    }
    verification->db = db_new(environment, STATEMENT_TIMEOUT_MS);
    if (pthread_create(&verification->thread, NULL, run, verification) != 0) {
        db_free(verification->db);
        dns_free(verification->dns);
        free(verification);
        return NULL;
    }
    notifier_watch_jobs(environment->notifier, wake, verification);
    return verification;
}

void domain_verification_end(struct domain_verification *verification)
{
    if (verification == NULL)
        return;
    notifier_watch_jobs(verification->environment->notifier, NULL, verification);
    verification->stopping = true;
    dns_wake(verification->dns);
}

void domain_verification_stop(struct domain_verification *verification)
{
    if (verification == NULL)
        return;
    domain_verification_end(verification);
    pthread_join(verification->thread, NULL);
    dns_free(verification->dns);
    free_checks(verification->asked);
    db_free(verification->db);
    free(verification);
}
