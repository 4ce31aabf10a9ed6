#include "ldap/patience.h"

#include <errno.h>
#include <poll.h>

#include "ldap/library.h"

/* Between the socket and what TLS puts upon it. */
#define LAYER (LBER_SBIOD_LEVEL_PROVIDER + 1)

static int set_up(Sockbuf_IO_Desc *layer, void *argument)
{
    layer->sbiod_pvt = argument;
    return 0;
}

static int leave(Sockbuf_IO_Desc *layer)
{
    layer->sbiod_pvt = NULL;
    return 0;
}

static int pass_on(Sockbuf_IO_Desc *layer, int option, void *argument)
{
    return LBER_SBIOD_CTRL_NEXT(layer, option, argument);
}

/* Whether there is something to go on with before the deadline. */
static bool wait_for(Sockbuf_IO_Desc *layer, short events)
{
    const int64_t *deadline_us = layer->sbiod_pvt;
    struct pollfd polled = {.fd = -1, .events = events};
    ber_sockbuf_ctrl(layer->sbiod_sb, LBER_SB_OPT_GET_FD, &polled.fd);
    int64_t left_ms = (*deadline_us - ldap_now_us() + 999) / 1000;
    if (left_ms > 0 && (poll(&polled, 1, (int)left_ms) > 0 || errno == EINTR))
        return true;
    errno = ETIMEDOUT;
    return false;
}

static ber_slen_t read_patiently(Sockbuf_IO_Desc *layer, void *buffer, ber_len_t size)
{
    ber_slen_t count = -1;
    while (wait_for(layer, POLLIN)) {
        count = LBER_SBIOD_READ_NEXT(layer, buffer, size);
        if (count >= 0 || errno != EAGAIN)
            return count;
    }
    return -1;
}

static ber_slen_t write_patiently(Sockbuf_IO_Desc *layer, void *buffer, ber_len_t size)
{
    ber_slen_t count = -1;
    while (wait_for(layer, POLLOUT)) {
        count = LBER_SBIOD_WRITE_NEXT(layer, buffer, size);
        if (count >= 0 || errno != EAGAIN)
            return count;
    }
    return -1;
}

static Sockbuf_IO patience = {set_up, leave, pass_on, read_patiently, write_patiently, leave};

static Sockbuf *buffer_of(LDAP *handle)
{
    Sockbuf *buffer = NULL;
    return ldap_get_option(handle, LDAP_OPT_SOCKBUF, &buffer) == LDAP_OPT_SUCCESS ? buffer : NULL;
}

bool ldap_patience_begin(LDAP *handle, int64_t *deadline_us)
{
    Sockbuf *buffer = buffer_of(handle);
    return buffer != NULL && ber_sockbuf_add_io(buffer, &patience, LAYER, deadline_us) == 0;
}

void ldap_patience_end(LDAP *handle)
{
    Sockbuf *buffer = buffer_of(handle);
    if (buffer != NULL)
        ber_sockbuf_remove_io(buffer, &patience, LAYER);
}
