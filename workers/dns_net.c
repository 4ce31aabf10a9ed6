#include "workers/dns_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <search.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "workers/dns_channel.h"

#define IN_FLIGHT_MAX       64 /* of one authoritative server */
#define RESOLVERS_IN_FLIGHT 512
#define TICK_MS             20
#define IDLE_MS             5000 /* then a server is forgotten */
#define DEAD_AFTER          3    /* questions in a row without any answer */
#define DEAD_MS             5000 /* nothing is asked of it */
#define REREAD_MS           500  /* so often the file that names the resolvers is looked at */
#define EVENTS              64
#define ROUNDS              64

struct query {
    struct query *next;      /* of those that wait for the server, that were sent to it, or that are done */
    struct query **previous; /* of those that were sent */
    struct server *server;
    dns_replied *replied;
    void *argument;
    unsigned char *sent;
    int sent_length;
    unsigned char *data; /* the answer */
    size_t length;
    enum dns_match instead;
    int type;
    char name[];
};

struct queue {
    struct query *first;
    struct query **end;
};

/* One address, or the resolvers. */
struct server {
    char *address; /* first: what they are found by */
    struct dns_net *net;
    struct server *next;
    struct dns_channel_options options;
    ares_channel channel;
    struct queue urgent;
    struct queue waiting;
    struct query *sent;
    unsigned in_flight;
    unsigned in_flight_max;
    unsigned silent;        /* questions in a row that no answer came to … */
    enum dns_match instead; /* … but this, to the last */
    int64_t dead_until;
    int64_t used_at;
};

struct dns_net {
    struct dns_net_options options;
    int epoll;
    int wake;
    bool has_ipv6;
    void *by_address; /* of tsearch */
    struct server *servers;
    struct server *resolvers;
    struct stat resolv_conf; /* as it was read */
    int64_t reread_at;
    struct server **by_descriptor;
    size_t descriptors;
    struct queue done;
    int64_t ticked_at;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void *must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static void queue_init(struct queue *queue)
{
    queue->first = NULL;
    queue->end = &queue->first;
}

static void queue_add(struct queue *queue, struct query *query)
{
    query->next = NULL;
    *queue->end = query;
    queue->end = &query->next;
}

static struct query *queue_take(struct queue *queue)
{
    struct query *query = queue->first;
    if (query != NULL && (queue->first = query->next) == NULL)
        queue->end = &queue->first;
    return query;
}

/* --- servers --- */

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Called by c-ares: what it wants to hear of a socket. */
static void watch(void *argument, ares_socket_t descriptor, int readable, int writable)
{
    struct server *server = argument;
    struct dns_net *net = server->net;
    struct epoll_event event = {.events =
                                    (readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0),
                                .data.fd = descriptor};
    size_t index = (size_t)descriptor;
    if (!readable && !writable) {
        epoll_ctl(net->epoll, EPOLL_CTL_DEL, descriptor, NULL);
        if (index < net->descriptors)
            net->by_descriptor[index] = NULL;
        return;
    }
    if (index >= net->descriptors) {
        size_t wanted = index * 2 + 64;
        net->by_descriptor = must(realloc(net->by_descriptor, wanted * sizeof(struct server *)));
        memset(net->by_descriptor + net->descriptors, 0,
               (wanted - net->descriptors) * sizeof(struct server *));
        net->descriptors = wanted;
    }
    net->by_descriptor[index] = server;
    if (epoll_ctl(net->epoll, EPOLL_CTL_MOD, descriptor, &event) != 0)
        epoll_ctl(net->epoll, EPOLL_CTL_ADD, descriptor, &event);
}

/* Called with each datagram. What is an answer to no question shows why there will be none. */
static void received(void *argument, const unsigned char *data, size_t length)
{
    struct server *server = argument;
    for (int is_marking = 0; is_marking < 2; is_marking++)
        for (struct query *query = server->sent; query != NULL; query = query->next) {
            enum dns_match match = dns_message_match(query->sent, (size_t)query->sent_length, data, length);
            if (match == DNS_IS_ANSWER)
                return;
            if (is_marking && match != DNS_IS_UNRELATED && query->instead != DNS_IS_MISMATCH)
                query->instead = match;
        }
}

static struct server *server_new(struct dns_net *net, const char *address)
{
    struct server *server = must(calloc(1, sizeof(*server)));
    bool is_authority = address[0] != '\0';
    server->net = net;
    server->address = must(strdup(address));
    server->options = (struct dns_channel_options){
        .address = is_authority ? server->address : NULL,
        .port = is_authority ? net->options.port : net->options.resolver_port,
        .resolvers = net->options.resolvers,
        .resolv_conf = net->options.resolv_conf,
        .watch = watch,
        .received = received,
        .argument = server,
    };
    server->in_flight_max = is_authority ? IN_FLIGHT_MAX : RESOLVERS_IN_FLIGHT;
    server->instead = DNS_IS_UNRELATED;
    queue_init(&server->urgent);
    queue_init(&server->waiting);
    return server;
}

static struct server *find_server(struct dns_net *net, const char *address)
{
    struct server ***found = tfind(&address, &net->by_address, compare);
    if (found != NULL)
        return (struct server *)*found;
    struct server *server = server_new(net, address);
    must(tsearch(server, &net->by_address, compare));
    server->next = net->servers;
    net->servers = server;
    return server;
}

static void query_free(struct query *query)
{
    ares_free_string(query->sent);
    free(query->data);
    free(query);
}

static void server_free(struct server *server)
{
    struct query *query;
    if (server->channel != NULL)
        ares_destroy(server->channel);
    while ((query = queue_take(&server->urgent)) != NULL || (query = queue_take(&server->waiting)) != NULL)
        query_free(query);
    free(server->address);
    free(server);
}

/* --- questions --- */

static void finish(struct query *query)
{
    queue_add(&query->server->net->done, query);
}

/* Called by c-ares, also while it is being asked. */
static void answered(void *argument, int status, int timeouts, unsigned char *data, int length)
{
    struct query *query = argument;
    struct server *server = query->server;
    (void)timeouts;
    server->in_flight--;
    *query->previous = query->next;
    if (query->next != NULL)
        query->next->previous = query->previous;
    if (data != NULL && length > 0) {
        query->data = must(malloc((size_t)length));
        query->length = (size_t)length;
        memcpy(query->data, data, query->length);
        server->silent = 0;
        server->dead_until = 0;
    } else if (status != ARES_EDESTRUCTION && ++server->silent >= DEAD_AFTER) {
        server->dead_until = now_ms() + DEAD_MS;
    }
    server->instead = query->instead;
    finish(query);
}

static void send_query(struct server *server, struct query *query)
{
    server->in_flight++;
    query->next = server->sent;
    query->previous = &server->sent;
    if (query->next != NULL)
        query->next->previous = &query->next;
    server->sent = query;
    ares_send(server->channel, query->sent, query->sent_length, answered, query);
}

static void send_waiting(struct server *server)
{
    struct query *query;
    bool is_recursive = server->options.address == NULL;
    while (server->in_flight < server->in_flight_max && ((query = queue_take(&server->urgent)) != NULL ||
                                                         (query = queue_take(&server->waiting)) != NULL)) {
        if (server->channel == NULL)
            server->channel = dns_channel_open(&server->options);
        if (server->channel == NULL || !dns_channel_make_query(query->name, query->type, is_recursive,
                                                               &query->sent, &query->sent_length))
            finish(query);
        else
            send_query(server, query);
    }
}

/* --- the resolvers --- */

/* Those of the file are others when it is another file. Who was asked already may still answer. */
static void reread_resolvers(struct dns_net *net, int64_t now)
{
    struct stat found;
    const struct stat *read = &net->resolv_conf;
    if (net->options.resolvers != NULL || now - net->reread_at < REREAD_MS)
        return;
    net->reread_at = now;
    if (stat(net->options.resolv_conf, &found) != 0 ||
        (found.st_dev == read->st_dev && found.st_ino == read->st_ino && found.st_size == read->st_size &&
         found.st_mtim.tv_sec == read->st_mtim.tv_sec && found.st_mtim.tv_nsec == read->st_mtim.tv_nsec))
        return;
    struct server *fresh = server_new(net, "");
    fresh->channel = dns_channel_open(&fresh->options);
    if (fresh->channel == NULL) {
        server_free(fresh);
        return;
    }
    net->resolv_conf = found;
    net->resolvers->next = net->servers;
    net->servers = net->resolvers;
    net->resolvers = fresh;
}

void dns_net_ask(struct dns_net *net, const char *address, const char *name, int type, bool is_urgent,
                 dns_replied *replied, void *argument)
{
    size_t size = strlen(name) + 1;
    struct query *query = must(calloc(1, sizeof(*query) + size));
    int64_t now = now_ms();
    if (address == NULL)
        reread_resolvers(net, now);
    struct server *server = address != NULL ? find_server(net, address) : net->resolvers;
    query->server = server;
    query->instead = DNS_IS_UNRELATED;
    query->replied = replied;
    query->argument = argument;
    query->type = type;
    memcpy(query->name, name, size);
    server->used_at = now;
    /* c-ares would read an escape in its own way; no name that is asked for has one. */
    if (strchr(name, '\\') != NULL || (!is_urgent && address != NULL && server->dead_until > now)) {
        query->instead = server->instead;
        finish(query);
        return;
    }
    queue_add(is_urgent ? &server->urgent : &server->waiting, query);
    send_waiting(server);
}

/* --- the loop --- */

static bool is_idle(const struct server *server, int64_t now)
{
    return server->in_flight == 0 && server->urgent.first == NULL && server->waiting.first == NULL &&
           server->used_at + IDLE_MS < now && server->dead_until < now;
}

/* What is late, and who was not asked for long. Nothing that is done refers to a server that is idle so long. */
static void tick(struct dns_net *net, int64_t now)
{
    if (net->resolvers->in_flight > 0)
        ares_process_fd(net->resolvers->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    for (struct server **at = &net->servers; *at != NULL;) {
        struct server *server = *at;
        if (server->in_flight > 0)
            ares_process_fd(server->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        if (!is_idle(server, now)) {
            at = &server->next;
            continue;
        }
        *at = server->next;
        tdelete(server, &net->by_address, compare);
        server_free(server);
    }
    net->ticked_at = now;
}

static void deliver(struct dns_net *net)
{
    struct query *query;
    while ((query = queue_take(&net->done)) != NULL) {
        send_waiting(query->server);
        query->replied(query->argument, &(struct dns_reply){query->data, query->length, query->instead});
        query_free(query);
    }
}

static void process(struct dns_net *net, const struct epoll_event *event)
{
    int descriptor = event->data.fd;
    if (descriptor == net->wake) {
        uint64_t count;
        while (read(net->wake, &count, sizeof(count)) < 0 && errno == EINTR)
            ;
        return;
    }
    struct server *server = (size_t)descriptor < net->descriptors ? net->by_descriptor[descriptor] : NULL;
    if (server == NULL) /* closed by what came before it */
        return;
    bool is_readable = (event->events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
    bool is_writable = (event->events & EPOLLOUT) != 0;
    ares_process_fd(server->channel, is_readable ? descriptor : ARES_SOCKET_BAD,
                    is_writable ? descriptor : ARES_SOCKET_BAD);
}

void dns_net_run(struct dns_net *net, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    if (net->done.first != NULL)
        timeout_ms = 0;
    else if (timeout_ms > TICK_MS && net->servers != NULL)
        timeout_ms = TICK_MS;
    else if (timeout_ms > TICK_MS && net->resolvers->in_flight > 0)
        timeout_ms = TICK_MS;
    /* What has come is read before anything is late: the caller may have been busy. */
    for (int rounds = 0; rounds < ROUNDS; rounds++) {
        int count = epoll_wait(net->epoll, events, EVENTS, rounds == 0 ? timeout_ms : 0);
        for (int i = 0; i < count; i++)
            process(net, &events[i]);
        if (count < EVENTS)
            break;
    }
    int64_t now = now_ms();
    if (now - net->ticked_at >= TICK_MS)
        tick(net, now);
    deliver(net);
}

void dns_net_wake(struct dns_net *net)
{
    const uint64_t one = 1;
    while (write(net->wake, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

bool dns_net_has_ipv6(const struct dns_net *net)
{
    return net->has_ipv6;
}

/* Nothing is sent: whether there is a route is known at once. */
static bool find_ipv6(void)
{
    struct sockaddr_in6 somewhere = {.sin6_family = AF_INET6, .sin6_port = htons(53)};
    inet_pton(AF_INET6, "2001:500:2::c", &somewhere.sin6_addr);
    int descriptor = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return false;
    bool has = connect(descriptor, (struct sockaddr *)&somewhere, sizeof(somewhere)) == 0;
    close(descriptor);
    return has;
}

struct dns_net *dns_net_new(const struct dns_net_options *options)
{
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        return NULL;
    struct dns_net *net = must(calloc(1, sizeof(*net)));
    net->options = *options;
    if (net->options.resolv_conf == NULL)
        net->options.resolv_conf = "/etc/resolv.conf";
    queue_init(&net->done);
    net->epoll = epoll_create1(EPOLL_CLOEXEC);
    net->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = net->wake};
    net->has_ipv6 = find_ipv6();
    net->resolvers = server_new(net, "");
    stat(net->options.resolv_conf, &net->resolv_conf);
    net->resolvers->channel = dns_channel_open(&net->resolvers->options);
    if (net->epoll < 0 || net->wake < 0 || epoll_ctl(net->epoll, EPOLL_CTL_ADD, net->wake, &event) != 0 ||
        net->resolvers->channel == NULL) {
        dns_net_free(net);
        return NULL;
    }
    return net;
}

static void forget(void *node)
{
    (void)node;
}

void dns_net_free(struct dns_net *net)
{
    if (net == NULL)
        return;
    tdestroy(net->by_address, forget);
    while (net->servers != NULL) {
        struct server *server = net->servers;
        net->servers = server->next;
        server_free(server);
    }
    server_free(net->resolvers);
    struct query *query;
    while ((query = queue_take(&net->done)) != NULL)
        query_free(query);
    if (net->epoll >= 0)
        close(net->epoll);
    if (net->wake >= 0)
        close(net->wake);
    free(net->by_descriptor);
    free(net);
    ares_library_cleanup();
}
