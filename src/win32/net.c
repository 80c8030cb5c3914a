/*
 * Sockets: not there yet.
 */
#include "win.h"

#define NONE(name)                                                    \
    bool cedi_win_start_##name(win *self, const cede_work *work)      \
    {                                                                 \
        return cedi_win_done_now(self, work, ERROR_NOT_SUPPORTED, 0); \
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
