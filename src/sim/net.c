/*
 * Sockets: not there yet.
 */
#include "fs.h"

static bool none(sim_work *work)
{
    work->status = CEDE_ENOTSUP;
    return true;
}

#define NONE(name)                                      \
    bool sim_op_##name(cede_sim *world, sim_work *work) \
    {                                                   \
        (void)world;                                    \
        return none(work);                              \
    }

NONE(listen)
NONE(connect)
NONE(accept)
NONE(pair)
NONE(recv)
NONE(recv_all)
NONE(send)
NONE(send_all)
NONE(sendv)
NONE(shutdown)
NONE(datagram)
NONE(recvfrom)
NONE(sendto)
NONE(group)
NONE(name)
NONE(set_option)
NONE(get_option)
NONE(accept_many)
NONE(recv_pool)
NONE(recv_many)
