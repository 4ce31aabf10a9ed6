#include "workers/dns_net.h"

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <search.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "model/arena.h"

#define CLASS_IN             1
#define EDNS_SIZE            1232
#define TRIES                2
#define AUTHORITY_TIMEOUT_MS 400 /* c-ares doubles it for the second try */
#define RESOLVER_TIMEOUT_MS  800
#define IN_FLIGHT_MAX        64 /* of one authoritative server */
#define RESOLVERS_IN_FLIGHT  512
#define TICK_MS              20
#define IDLE_MS              5000 /* then a server is forgotten */
#define DEAD_AFTER           3    /* questions in a row without any answer */
#define DEAD_MS              5000 /* nothing is asked of it */
#define EVENTS               64
#define ROUNDS               64

struct query {
    struct query *next; /* in the list of the server that it waits for, or in that of what is done */
    struct server *server;
    dns_replied *replied;
    void *argument;
    unsigned char *data;
    size_t length;
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
    ares_channel channel;
    struct queue urgent;
    struct queue waiting;
    unsigned in_flight;
    unsigned in_flight_max;
    unsigned silent; /* questions in a row that nothing came for */
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

static bool open_channel(struct server *server)
{
    struct dns_net *net = server->net;
    bool is_authority = server != net->resolvers;
    static char lookups[] = "b";
    struct ares_options options = {
        .flags = ARES_FLAG_EDNS | ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
                 (is_authority ? ARES_FLAG_NORECURSE : 0),
        .timeout = is_authority ? AUTHORITY_TIMEOUT_MS : RESOLVER_TIMEOUT_MS,
        .tries = TRIES,
        .ndots = 1,
        .ednspsz = EDNS_SIZE,
        .lookups = lookups,
        .sock_state_cb = watch,
        .sock_state_cb_data = server,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_EDNSPSZ |
               ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    const char *addresses = net->options.resolvers;
    struct ares_addr_port_node node = {.udp_port = net->options.port, .tcp_port = net->options.port};
    struct in_addr none = {.s_addr = htonl(INADDR_LOOPBACK)};
    if (is_authority || addresses != NULL) { /* so that nothing is read from /etc/resolv.conf */
        options.servers = &none;
        options.nservers = 1;
        options.domains = NULL;
        options.ndomains = 0;
        mask |= ARES_OPT_SERVERS | ARES_OPT_DOMAINS;
    }
    if (ares_init_options(&server->channel, &options, mask) != ARES_SUCCESS)
        return false;
    int status = ARES_SUCCESS;
    if (is_authority) {
        node.family = strchr(server->address, ':') != NULL ? AF_INET6 : AF_INET;
        if (inet_pton(node.family, server->address, &node.addr) != 1)
            status = ARES_EBADSTR;
        else
            status = ares_set_servers_ports(server->channel, &node);
    } else if (addresses != NULL) {
        status = ares_set_servers_ports_csv(server->channel, addresses);
    }
    if (status == ARES_SUCCESS)
        return true;
    ares_destroy(server->channel);
    server->channel = NULL;
    return false;
}

static struct server *server_new(struct dns_net *net, const char *address)
{
    struct server *server = must(calloc(1, sizeof(*server)));
    server->net = net;
    server->address = must(strdup(address));
    server->in_flight_max = address[0] != '\0' ? IN_FLIGHT_MAX : RESOLVERS_IN_FLIGHT;
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

static void server_free(struct server *server)
{
    struct query *query;
    if (server->channel != NULL)
        ares_destroy(server->channel);
    while ((query = queue_take(&server->urgent)) != NULL || (query = queue_take(&server->waiting)) != NULL)
        free(query);
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
    if (data != NULL && length > 0) {
        query->data = must(malloc((size_t)length));
        query->length = (size_t)length;
        memcpy(query->data, data, query->length);
        server->silent = 0;
        server->dead_until = 0;
    } else if (status != ARES_EDESTRUCTION && ++server->silent >= DEAD_AFTER) {
        server->dead_until = now_ms() + DEAD_MS;
    }
    finish(query);
}

static void send_waiting(struct server *server)
{
    struct query *query;
    while (server->in_flight < server->in_flight_max && ((query = queue_take(&server->urgent)) != NULL ||
                                                         (query = queue_take(&server->waiting)) != NULL)) {
        if (server->channel == NULL && !open_channel(server)) {
            finish(query);
            continue;
        }
        server->in_flight++;
        ares_query(server->channel, query->name, CLASS_IN, query->type, answered, query);
    }
}

void dns_net_ask(struct dns_net *net, const char *address, const char *name, int type, bool is_urgent,
                 dns_replied *replied, void *argument)
{
    size_t size = strlen(name) + 1;
    struct query *query = must(calloc(1, sizeof(*query) + size));
    struct server *server = address != NULL ? find_server(net, address) : net->resolvers;
    int64_t now = now_ms();
    query->server = server;
    query->replied = replied;
    query->argument = argument;
    query->type = type;
    memcpy(query->name, name, size);
    server->used_at = now;
    /* c-ares would read an escape in its own way; no name that is asked for has one. */
    if (strchr(name, '\\') != NULL || (!is_urgent && address != NULL && server->dead_until > now)) {
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
        query->replied(query->argument, query->data, query->length);
        free(query->data);
        free(query);
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
    queue_init(&net->done);
    net->epoll = epoll_create1(EPOLL_CLOEXEC);
    net->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = net->wake};
    net->has_ipv6 = find_ipv6();
    net->resolvers = server_new(net, "");
    if (net->epoll < 0 || net->wake < 0 || epoll_ctl(net->epoll, EPOLL_CTL_ADD, net->wake, &event) != 0 ||
        !open_channel(net->resolvers)) {
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
    while ((query = queue_take(&net->done)) != NULL) {
        free(query->data);
        free(query);
    }
    if (net->epoll >= 0)
        close(net->epoll);
    if (net->wake >= 0)
        close(net->wake);
    free(net->by_descriptor);
    free(net);
    ares_library_cleanup();
}
