/*
 * Options of sockets: kept and given back, rounded and bounded as Linux does. Under the world's
 * lock.
 */
#include "net.h"

enum { ON_ALL = 1, ON_TCP, ON_DATAGRAMS };

static const struct {
    int64_t first; /* what it is at first */
    int64_t least; /* in units */
    int64_t most;
    int64_t unit; /* of times */
    int on;
} options[CEDE_OPTION_COUNT] = {
    [CEDE_OPTION_NO_DELAY] = {0, 0, 1, 1, ON_TCP},
    [CEDE_OPTION_KEEP_ALIVE] = {0, 0, 1, 1, ON_ALL},
    [CEDE_OPTION_KEEP_ALIVE_IDLE] = {7200, 1, 32767, CEDE_SECOND, ON_TCP},
    [CEDE_OPTION_KEEP_ALIVE_BETWEEN] = {75, 1, 32767, CEDE_SECOND, ON_TCP},
    [CEDE_OPTION_KEEP_ALIVE_COUNT] = {9, 1, 127, 1, ON_TCP},
    [CEDE_OPTION_SEND_BYTES] = {212992, 4608, 425984, 1, ON_ALL},
    [CEDE_OPTION_RECV_BYTES] = {212992, 2304, 425984, 1, ON_ALL},
    [CEDE_OPTION_LINGER] = {-1, -1, INT32_MAX, CEDE_SECOND, ON_ALL},
    [CEDE_OPTION_BROADCAST] = {0, 0, 1, 1, ON_ALL},
    [CEDE_OPTION_MULTICAST_HOPS] = {1, 0, 255, 1, ON_DATAGRAMS},
    [CEDE_OPTION_MULTICAST_LOOP] = {1, 0, 1, 1, ON_DATAGRAMS},
    [CEDE_OPTION_MULTICAST_INTERFACE] = {0, 0, 1, 1, ON_DATAGRAMS},
};

/* Sizes are cut to what the system has; other values are right or wrong. There is one interface. */
static bool is_cut(uint32_t name)
{
    return name == CEDE_OPTION_SEND_BYTES || name == CEDE_OPTION_RECV_BYTES ||
           name == CEDE_OPTION_LINGER;
}

void sim_option_defaults(sim_socket *socket)
{
    for (uint32_t name = 1; name < CEDE_OPTION_COUNT; name++)
        socket->option[name] = options[name].first;
}

static cede_status check(const sim_work *work)
{
    const sim_socket *socket = work->file ? work->file->socket : NULL;
    if (!socket)
        return work->file ? CEDE_EINVAL : CEDE_EBADF;
    bool local = socket->own.family == CEDE_ADDRESS_LOCAL;
    bool datagrams = socket->kind == CEDE_KIND_DATAGRAM;
    switch (options[work->args.option.name].on) {
    case ON_ALL:
        return CEDE_OK;
    case ON_TCP:
        return local || datagrams ? CEDE_ENOTSUP : CEDE_OK;
    default:
        return datagrams ? CEDE_OK : CEDE_ENOTSUP;
    }
}

bool sim_op_set_option(cede_sim *world, sim_work *work)
{
    uint32_t name = work->args.option.name;
    int64_t value = work->args.option.value, unit = options[name].unit;
    (void)world;
    work->status = check(work);
    if (work->status != CEDE_OK)
        return true;
    if (value > 0)
        value = value / unit + (value % unit > 0);
    if (is_cut(name) && value < options[name].least)
        value = options[name].least;
    if (is_cut(name) && value > options[name].most)
        value = options[name].most;
    if (value < options[name].least || value > options[name].most)
        work->status = name == CEDE_OPTION_MULTICAST_INTERFACE ? CEDE_ENODEV : CEDE_EINVAL;
    else
        work->file->socket->option[name] = value;
    return true;
}

bool sim_op_get_option(cede_sim *world, sim_work *work)
{
    uint32_t name = work->args.option.name;
    (void)world;
    work->status = check(work);
    if (work->status == CEDE_OK && name == CEDE_OPTION_MULTICAST_INTERFACE &&
        work->file->socket->own.family == CEDE_ADDRESS_IPV4)
        work->status = CEDE_ENOTSUP; /* Linux cannot tell it */
    if (work->status != CEDE_OK)
        return true;
    int64_t value = work->file->socket->option[name];
    work->count = (uint64_t)(value < 0 ? value : value * options[name].unit);
    return true;
}
