#include "workers/dns_channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLASS_IN             1
#define EDNS_SIZE            1232
#define TRIES                2
#define AUTHORITY_TIMEOUT_MS 400 /* c-ares doubles it for the second try */
#define RESOLVER_TIMEOUT_MS  800

/* --- sockets: as c-ares would have them, with a look at what comes --- */

static ares_socket_t open_socket(int family, int type, int protocol, void *argument)
{
    (void)argument;
    return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

static int close_socket(ares_socket_t descriptor, void *argument)
{
    (void)argument;
    return close(descriptor);
}

/* Also of a datagram socket: then nothing comes but from that address and port. */
static int connect_socket(ares_socket_t descriptor, const struct sockaddr *address, ares_socklen_t length,
                          void *argument)
{
    (void)argument;
    return connect(descriptor, address, length);
}

static ares_ssize_t receive(ares_socket_t descriptor, void *data, size_t size, int flags,
                            struct sockaddr *from, ares_socklen_t *from_length, void *argument)
{
    const struct dns_channel_options *options = argument;
    ares_ssize_t length = recvfrom(descriptor, data, size, flags, from, from_length);
    if (from == NULL || length < 0) /* a stream, or nothing */
        return length;
    options->received(options->argument, data, (size_t)length);
    if (length > 0)
        return length;
    errno = EAGAIN; /* an empty datagram: c-ares would take it for the end of the server */
    return -1;
}

static ares_ssize_t send_parts(ares_socket_t descriptor, const struct iovec *parts, int count, void *argument)
{
    const struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
    (void)argument;
    return sendmsg(descriptor, &message, MSG_NOSIGNAL);
}

/* --- channels --- */

static int set_server(ares_channel channel, const struct dns_channel_options *options)
{
    struct ares_addr_node node = {.next = NULL};
    if (options->address == NULL)
        return options->resolvers != NULL ? ares_set_servers_ports_csv(channel, options->resolvers)
                                          : ARES_SUCCESS;
    node.family = strchr(options->address, ':') != NULL ? AF_INET6 : AF_INET;
    return inet_pton(node.family, options->address, &node.addr) == 1 ? ares_set_servers(channel, &node)
                                                                     : ARES_EBADSTR;
}

ares_channel dns_channel_open(const struct dns_channel_options *options)
{
    static const struct ares_socket_functions sockets = {open_socket, close_socket, connect_socket, receive,
                                                         send_parts};
    static char lookups[] = "b";
    bool is_authority = options->address != NULL;
    struct in_addr none = {.s_addr = htonl(INADDR_LOOPBACK)};
    struct ares_options wanted = {
        .flags = ARES_FLAG_EDNS | ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
                 (is_authority ? ARES_FLAG_NORECURSE : 0),
        .timeout = is_authority ? AUTHORITY_TIMEOUT_MS : RESOLVER_TIMEOUT_MS,
        .tries = TRIES,
        .ndots = 1,
        .udp_port = (unsigned short)options->port,
        .tcp_port = (unsigned short)options->port,
        .ednspsz = EDNS_SIZE,
        .lookups = lookups,
        .sock_state_cb = options->watch,
        .sock_state_cb_data = options->argument,
        .resolvconf_path = (char *)options->resolv_conf,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_EDNSPSZ |
               ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF | ARES_OPT_UDP_PORT |
               ARES_OPT_TCP_PORT;
    ares_channel channel = NULL;

    if (is_authority || options->resolvers != NULL) { /* so that no file is read */
        wanted.servers = &none;
        wanted.nservers = 1;
        mask |= ARES_OPT_SERVERS | ARES_OPT_DOMAINS;
    }
    if (ares_init_options(&channel, &wanted, mask) != ARES_SUCCESS)
        return NULL;
    if (set_server(channel, options) != ARES_SUCCESS) {
        ares_destroy(channel);
        return NULL;
    }
    ares_set_socket_functions(channel, &sockets, (void *)options);
    return channel;
}

bool dns_channel_make_query(const char *name, int type, bool is_recursive, unsigned char **ret_data,
                            int *ret_length)
{
    uint16_t id;
    return getrandom(&id, sizeof(id), 0) == (ssize_t)sizeof(id) &&
           ares_create_query(name, CLASS_IN, type, id, is_recursive, ret_data, ret_length, EDNS_SIZE) ==
               ARES_SUCCESS;
}
